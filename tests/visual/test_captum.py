"""Attributions are captum's: a small network in float64, and the trained SqueezeNet in float32.

See captum_reference.py.
"""

import pathlib

import jax
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.classifier import Classifier
from cnnlab.nn.layers import Conv, Dense, MaxPool, flatten
from cnnlab.visual import deconvnet, grad_cam, gradients, integrated_gradients, occlusion

REFERENCE = np.load(pathlib.Path(__file__).with_name('captum_reference.npz'))
WINDOW, STRIDE, STEPS = 9, 5, 50


class Net(nn.Module):
    """The small network of captum_reference.py."""

    @nn.compact
    def __call__(self, x, train=False):
        x = Conv(6, 3, act=nn.relu, name='layer1')(x)
        x = MaxPool(3, 2, name='pool')(x)
        x = Conv(8, 3, padding=0, act=nn.relu, name='layer2')(x)
        return Dense(5, name='layer4')(Dense(10, act=nn.relu, name='layer3')(flatten(x)))


def occluded(net, images, classes):
    found = occlusion.occlusion(net, images, classes, window=WINDOW, stride=STRIDE, batch=32)
    return occlusion.attribution(found, images.shape[1:3])


METHODS = {
    'saliency': lambda n, x, c: np.abs(gradients.gradient(n, x, c)),
    'guided_backprop': gradients.guided_backprop,
    'deconvolution': deconvnet.of_class,
    'integrated_gradients': lambda n, x, c: (
        integrated_gradients.integrated_gradients(n, x, c, steps=STEPS).attribution
    ),
    'occlusion': occluded,
    # needs a layer
    'grad_cam': None,
}
# on a trained network; the others are full there
SLOW = ('saliency', 'integrated_gradients', 'grad_cam')


def compared(method, network, net, path):
    images, classes = REFERENCE[f'{network}/images'], REFERENCE[f'{network}/classes']
    function = METHODS[method] or (lambda n, x, c: grad_cam.grad_cam(n, x, path, c))
    found, wanted = (
        np.asarray(function(net, images, classes)),
        REFERENCE[f'{network}/{method}'],
    )
    assert found.shape == wanted.shape and found.dtype == images.dtype
    assert np.abs(wanted).max() > 0
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize('method', METHODS)
def test_a_small_network_in_float64(method):
    variables = {
        'params': {
            f'layer{i}': {part: REFERENCE[f'small/{part}{i}'] for part in ('kernel', 'bias')}
            for i in (1, 2, 3, 4)
        }
    }
    with jax.enable_x64(True):
        # captum integrates and averages with float32 numbers
        assert compared(method, 'small', Classifier(Net(), variables), 'layer2') < 1e-6


@pytest.mark.parametrize(
    'method',
    [pytest.param(m, marks=pytest.mark.slow if m in SLOW else pytest.mark.full) for m in METHODS],
)
def test_a_trained_squeezenet_in_float32(squeezenet, method):
    assert compared(method, 'squeezenet', Classifier(*squeezenet), 'fire9') < 1e-4

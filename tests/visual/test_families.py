"""Every method on ten families at the smallest size that they take: sixteen images in float32, and
one in bfloat16.

Compiling is what takes the time: only the methods that are one program are asked of every family in
the tier `slow`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.models import registry
from cnnlab.visual import (
    activations,
    deconvnet,
    deep_dream,
    grad_cam,
    gradients,
    integrated_gradients,
    invert,
    layers,
    lrp,
    maximize,
    occlusion,
    patches,
    rise,
    smooth_grad,
    style,
)

# (name, side, fields): ten families, the deep ones in a shallow form
NETS = [
    ('convnetjs_cifar10', 16, {}),
    ('lenet5_dense', 32, {}),
    ('keras_mnist_convnet', 14, {}),
    ('cifar_nin', 16, {}),
    ('cifar_resnet20', 8, {'blocks': 1}),
    ('cifar_preresnet110', 8, {'blocks': 1}),
    ('cifar_se_preresnet110', 8, {'blocks': 1}),
    ('cifar_densenet40_12', 8, {'blocks': (2, 2, 2)}),
    ('squeezenet1_1', 33, {'num_classes': 8}),
    ('shufflenet_v2_x0_5', 32, {'num_classes': 8, 'blocks': (1, 1, 1)}),
]


SIZES = [(16, jnp.float32), (1, jnp.bfloat16)]


def on_families(slow=()):
    """(family, count, dtype): `SIZES` on every family; sixteen images of the families in `slow` are
    of that tier, all else is full.
    """
    tier = {True: pytest.mark.slow, False: pytest.mark.full}
    return pytest.mark.parametrize(
        ('family', 'count', 'dtype'),
        [
            pytest.param(
                net, count, dtype, id=f'{net[0]}-{count}', marks=tier[count > 1 and net[0] in slow]
            )
            for net in NETS
            for count, dtype in SIZES
        ],
    )


def built(name, side, fields, count, dtype):
    """(network with variables from cheap draws, `count` images)."""
    model = registry.create(name, **fields)
    rng = np.random.default_rng(0)
    images = jnp.asarray(
        rng.standard_normal((count, side, side, registry.entry(name).input_shape[-1])), dtype
    )
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)

    def draw(path, leaf):
        last = path[-1].key
        if last in ('scale', 'var'):
            return np.ones(leaf.shape, np.float32)
        fan_in = max(np.prod(leaf.shape[:-1]), 1) if leaf.ndim > 1 else 100
        return rng.standard_normal(leaf.shape).astype(np.float32) * np.float32(np.sqrt(2 / fan_in))

    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    # from gray levels to about -2..2, whatever the images are
    preprocess = Preprocess(Transformed(), 127.5, 63.75, dtype=jnp.dtype(dtype).name)
    return Classifier(model, variables, preprocess, input_shape=images.shape[1:]), images


def by_gradient(net, path, images):
    """All methods that are one program, so that they compile as one."""
    classes = np.arange(len(images), dtype=np.int32) % 5
    out = {
        'gradient': gradients.gradient(net, images, classes),
        'saliency': gradients.saliency(net, images, classes),
        'lrp': lrp.lrp_epsilon(net, images, classes, eps=0.1),
        'grad_cam': grad_cam.grad_cam(net, images, path, classes),
        'grad_cam_plus_plus': grad_cam.grad_cam_plus_plus(net, images, path, classes),
    }
    # its tanh is refused
    if not isinstance(net.model, type(registry.create('lenet5_dense'))):
        out |= {
            'guided_backprop': gradients.guided_backprop(net, images, classes),
            'guided_grad_cam': grad_cam.guided_grad_cam(net, images, path, classes),
            'deconvnet_of_class': deconvnet.of_class(net, images, classes),
            'deconvnet': deconvnet.of_channel(net, images, path, 1).pixels,
        }
    return out


@on_families(
    slow=['convnetjs_cifar10', 'lenet5_dense', 'keras_mnist_convnet', 'cifar_nin', 'cifar_resnet20']
)
def test_every_gradient_method_works_on_a_family(family, count, dtype):
    net, images = built(*family, count, dtype)
    path = layers.spatial(net, images)
    found = jax.jit(lambda v, x: by_gradient(net.replace(variables=v), path, x))(
        net.variables, images
    )
    for method, value in found.items():
        assert np.isfinite(value).all(), method
        assert len(value) == count and value.dtype == jnp.float32
    assert all(found[m].shape == images.shape for m in ('gradient', 'lrp'))
    assert np.abs(found['gradient']).max() > 0 and found['grad_cam'].min() >= 0
    assert ('deconvnet' in found) == (family[0] != 'lenet5_dense')
    box = patches.box(net, path, 0, 0)
    assert box.height >= 1 and box.top <= 0 <= box.top + box.height
    assert activations.maps(net, images, path).shape[0] == count


@on_families(slow=['lenet5_dense'])
def test_methods_that_ask_many_images_work_on_a_family(family, count, dtype):
    net, images = built(*family, count, dtype)
    side = images.shape[1]
    # of a network that ends in ReLU other classes may be dead
    label = int(np.asarray(net.logits(images)).max(0).argmax())
    found = {
        'occlusion': occlusion.occlusion(
            net, images, label, window=side // 2, stride=side // 2, batch=16
        ).score,
        'rise': rise.rise(net, images, label, masks=4, cells=3, batch=16),
        'smooth_grad': smooth_grad.smooth_grad(net, images, label, samples=4, batch=16),
        'integrated_gradients': integrated_gradients.integrated_gradients(
            net, images, label, steps=4
        ).attribution,
    }
    for method, value in found.items():
        assert np.isfinite(value).all() and len(value) == count and value.dtype == np.float32, (
            method
        )
    assert all(np.abs(found[m]).max() > 0 for m in ('smooth_grad', 'integrated_gradients'))


@on_families()
def test_pictures_are_made_with_a_family(family, count, dtype):
    net, images = built(*family, count, dtype)
    path = layers.spatial(net, images)
    shape, colored = images.shape[1:], images.shape[-1] == 3
    pictures = net.preprocess.to_unit(images)
    made = [
        maximize.maximize(
            net,
            classes=[1] * count,
            steps=2,
            decorrelated=colored,
        ).pictures,
        maximize.maximize(
            net,
            path=path,
            channels=[0] * count,
            steps=2,
            decorrelated=colored,
        ).pictures,
        invert.invert(net, images, path, steps=2, decorrelated=colored).pictures,
        deep_dream.deep_dream(net, pictures, path, octaves=1, steps=2, jitter=1),
        style.style_transfer(
            net,
            pictures[0],
            pictures[-1],
            content_path=path,
            style_paths=[path],
            steps=2,
        ).picture[None],
    ]
    for found in made:
        assert found.shape[1:] == shape and found.dtype == np.float32 and np.isfinite(found).all()
        assert found.min() >= 0 and found.max() <= 1 and found.std() > 0
    assert [len(found) for found in made] == [count] * 4 + [1]

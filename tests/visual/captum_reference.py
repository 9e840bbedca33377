"""Writes captum_reference.npz: attributions of captum for a small network in float64 and for
SqueezeNet 1.0 in float32.

    # made with captum 0.9.0, torch 2.13.0, torchvision 0.29.1
    python tests/visual/captum_reference.py WEIGHTS

WEIGHTS is weights/squeezenet1_0_deep_compression.safetensors of `make data`. Only this script needs
torch and captum, not the tests. Arrays are named '<network>/<method>'; images and attributions are
(n, h, w, c), kernels (h, w, in, out) or (in, out).
"""

import pathlib
import sys
import types
import warnings

import numpy as np
import torch
from captum.attr import (
    Deconvolution,
    GuidedBackprop,
    IntegratedGradients,
    LayerGradCam,
    Occlusion,
    Saliency,
)
from safetensors.torch import load_file
from torch import nn

# needs compiled operators, which models do not
sys.modules.setdefault('torchvision._meta_registrations', types.ModuleType('stub'))
from torchvision.models import squeezenet1_0  # noqa: E402

TARGET = pathlib.Path(__file__).with_suffix('.npz')
STEPS, WINDOW, STRIDE = 50, 9, 5


def small():
    """Two convolutions with overlapping pools and two dense layers, on 17 x 19 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 6 * 7, 10),
        nn.ReLU(),
        nn.Linear(10, 5),
    ).double()


def attributions(net, layer, x, cls):
    """{method: (n, h, w, c) or (n, h, w)}."""
    found = {
        'saliency': Saliency(net).attribute(x, cls),
        'guided_backprop': GuidedBackprop(net).attribute(x, cls),
        'deconvolution': Deconvolution(net).attribute(x, cls),
        'integrated_gradients': IntegratedGradients(net).attribute(x, 0.0, cls, n_steps=STEPS),
        'occlusion': Occlusion(net).attribute(
            x, (3, WINDOW, WINDOW), (3, STRIDE, STRIDE), 0.0, cls
        ),
        'grad_cam': LayerGradCam(net, layer).attribute(x, cls, relu_attributions=True),
    }
    maps = {name: value.detach().numpy().transpose(0, 2, 3, 1) for name, value in found.items()}
    # the same for each channel
    maps['occlusion'], maps['grad_cam'] = maps['occlusion'][..., 0], maps['grad_cam'][..., 0]
    return maps


def main():
    """Small random weights and images, then the trained network."""
    warnings.simplefilter('ignore')
    torch.manual_seed(0)
    net, x, cls = small(), torch.randn(2, 3, 17, 19, dtype=torch.float64), torch.tensor([1, 3])
    arrays = {'small/images': x.numpy().transpose(0, 2, 3, 1), 'small/classes': cls.numpy()}
    for number, layer in ((1, net[0]), (2, net[3]), (3, net[6]), (4, net[8])):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        arrays |= {
            f'small/kernel{number}': weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T,
            f'small/bias{number}': bias,
        }
    # flax flattens rows first and torch channels first
    arrays['small/kernel3'] = (
        arrays['small/kernel3'].reshape(8, 6, 7, 10).transpose(1, 2, 0, 3).reshape(-1, 10)
    )
    arrays |= {f'small/{name}': value for name, value in attributions(net, net[4], x, cls).items()}

    net = squeezenet1_0()
    net.load_state_dict(load_file(sys.argv[1]))
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            # hooks on a module that overwrites its input see the wrong values
            module.inplace = False
    # the first draw for which rectifying leaves the deconvnet a signal
    while True:
        x = 60 * torch.nn.functional.interpolate(
            torch.randn(1, 3, 6, 6), 47, mode='bicubic'
        ) + 10 * torch.randn(1, 3, 47, 47)
        cls = net(x).argmax(1)
        if Deconvolution(net).attribute(x, cls).abs().max() > 0:
            break
    arrays |= {
        'squeezenet/images': x.numpy().transpose(0, 2, 3, 1),
        'squeezenet/classes': cls.numpy(),
    }
    arrays |= {
        f'squeezenet/{name}': value
        for name, value in attributions(net, net.features[12], x, cls).items()
    }
    np.savez_compressed(TARGET, **arrays)
    print(
        f'{len(arrays)} arrays in {TARGET.name}, {TARGET.stat().st_size:,} bytes; torch '
        f'{torch.__version__}'
    )


if __name__ == '__main__':
    main()

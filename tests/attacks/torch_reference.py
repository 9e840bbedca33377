"""Writes the results of torchattacks and Foolbox: torch_reference.npz and torch_squeezenet.json.

Only this script needs torch.

    # made with torch 2.13.0, torchattacks 3.5.1, Foolbox 3.3.4
    python -m tests.attacks.torch_reference DATA

DATA is the folder that CNNLAB_DATA names, with the weights of SqueezeNet and ilsvrc2012_mini;
without it, only the small net's file is written. It takes about three minutes on two cores.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from torch import nn

from tests.weights import torch_squeezenet

HERE = pathlib.Path(__file__).parent


class Normalized(nn.Module):
    """Images in [0, 1] -> (255 x - mean) / std -> net."""

    def __init__(self, net, mean, std):
        super().__init__()
        self.net = net
        self.mean, self.std = (
            nn.Buffer(torch.tensor(v, dtype=torch.float32).reshape(1, -1, 1, 1))
            for v in (mean, std)
        )

    def forward(self, x):
        return self.net((255 * x - self.mean) / self.std)


class Mean(nn.Module):
    """Over height and width."""

    def forward(self, x):
        return x.mean((2, 3))


def nchw(x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def nhwc(x):
    return np.ascontiguousarray(x.detach().numpy().transpose(0, 2, 3, 1))


def small_net():
    """The net of tests/attacks/nets.py, its attacks, and the l2 lengths that Foolbox's DeepFool
    finds.
    """
    import foolbox
    import torchattacks

    torch.manual_seed(0)
    layers = {
        'conv1': nn.Conv2d(3, 8, 3, padding=1),
        'conv2': nn.Conv2d(8, 12, 3, padding=1),
        'head': nn.Linear(12, 5),
    }
    net = nn.Sequential(
        layers['conv1'],
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        layers['conv2'],
        nn.ReLU(),
        Mean(),
        layers['head'],
    )
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(2)
    mean, std = (110.0, 120.0, 130.0), (60.0, 61.0, 62.0)
    model = Normalized(net, mean, std).eval()
    x = np.random.default_rng(0).random((8, 12, 12, 3), np.float32)
    images = nchw(x)
    labels = model(images).argmax(1)
    out = {
        'images': x,
        'labels': labels.numpy().astype(np.int32),
        'mean': np.float32(mean),
        'std': np.float32(std),
    }
    for name, layer in layers.items():
        w = layer.weight.detach().numpy()
        out[f'{name}/kernel'] = w.transpose(2, 3, 1, 0) if w.ndim == 4 else w.T
        out[f'{name}/bias'] = layer.bias.detach().numpy()
    attacks = {
        'fgsm': torchattacks.FGSM(model, eps=8 / 255),
        'bim': torchattacks.BIM(model, eps=8 / 255, alpha=1 / 255, steps=10),
        'pgd': torchattacks.PGD(model, eps=8 / 255, alpha=2 / 255, steps=10, random_start=False),
        'pgd_l2': torchattacks.PGDL2(model, eps=0.5, alpha=0.1, steps=10, random_start=False),
    }
    out |= {name: nhwc(attack(images, labels)) for name, attack in attacks.items()}
    for name, attack in (
        ('deepfool', foolbox.attacks.L2DeepFoolAttack(candidates=5)),
        ('deepfool_linf', foolbox.attacks.LinfDeepFoolAttack(candidates=5)),
    ):
        _, found, done = attack(
            foolbox.PyTorchModel(model, bounds=(0, 1), device='cpu'), images, labels, epsilons=None
        )
        assert done.all()
        out[name] = nhwc(found)
    np.savez(HERE / 'torch_reference.npz', **out)


def trained(data):
    """(SqueezeNet with Deep Compression's weights and protocol inside, the 100 validation images of
    ilsvrc2012_mini (100, 3, 227, 227) in [0, 1], labels).
    """
    images, labels = zip(*torch_squeezenet.validation(data), strict=True)
    views = np.stack([torch_squeezenet.squash(image) for image in images])
    net = Normalized(torch_squeezenet.trained(data), torch_squeezenet.MEAN, (1, 1, 1)).eval()
    return net, nchw(views.astype(np.float32) / np.float32(255)), torch.tensor(labels)


def squeezenet(data):
    """Returns the number of correct images, before attacks and under them."""
    import torchattacks

    model, images, labels = trained(data)

    def right(attack, batch=25):
        with torch.no_grad():
            return sum(
                int(
                    (
                        model(attack(images[i : i + batch], labels[i : i + batch])).argmax(1)
                        == labels[i : i + batch]
                    ).sum()
                )
                for i in range(0, len(images), batch)
            )

    out = {'images': len(images), 'none': right(lambda x, y: x)}
    for levels in (0.05, 0.1, 0.5):
        out[f'fgsm {levels}/255'] = right(
            torch.enable_grad()(torchattacks.FGSM(model, eps=levels / 255))
        )
    pgd = torchattacks.PGD(model, eps=0.25 / 255, alpha=0.0625 / 255, steps=5, random_start=False)
    out['pgd 0.25/255'] = right(torch.enable_grad()(pgd))
    out['pgd_l2 0.25'] = right(
        torch.enable_grad()(
            torchattacks.PGDL2(model, eps=0.25, alpha=0.0625, steps=5, random_start=False)
        )
    )
    (HERE / 'torch_squeezenet.json').write_text(json.dumps(out, indent=1) + '\n')


if __name__ == '__main__':
    torch.set_num_threads(2)
    small_net()
    if len(sys.argv) > 1:
        squeezenet(pathlib.Path(sys.argv[1]))

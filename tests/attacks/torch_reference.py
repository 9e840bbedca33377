"""Writes torch_reference.npz and torch_squeezenet.json: what torchattacks and Foolbox do to the
same weights. Only this script needs torch.

    # made with torch 2.13.0, torchattacks 3.5.1, Foolbox 3.3.4
    python tests/attacks/torch_reference.py shared

It takes some three minutes on two cores.

`shared` is the folder beside the project with data/weights and data/ilsvrc2012_mini; without it,
only the small net's file is written.
"""

import io
import json
import pathlib
import sys
import tarfile

import numpy as np
import torch
from torch import nn

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


def trained(shared):
    """(SqueezeNet with Deep Compression's weights and protocol inside, 100 ImageNet images (100, 3,
    227, 227), labels).
    """
    from PIL import Image
    from safetensors.torch import load_file

    layers = [nn.Conv2d(3, 96, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]

    class Fire(nn.Module):
        def __init__(self, inputs, squeeze, expand):
            super().__init__()
            self.squeeze, self.expand1x1 = (
                nn.Conv2d(inputs, squeeze, 1),
                nn.Conv2d(squeeze, expand, 1),
            )
            self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

        def forward(self, x):
            x = torch.relu(self.squeeze(x))
            return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))

    inputs = 96
    for i in range(2, 10):
        if i in (5, 9):
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers.append(Fire(inputs, 16 * (i // 2), 64 * (i // 2)))
        inputs = 128 * (i // 2)
    net = nn.Module()
    net.features = nn.Sequential(*layers)
    net.classifier = nn.Sequential(nn.Identity(), nn.Conv2d(512, 1000, 1), nn.ReLU(), Mean())
    net.forward = lambda x: net.classifier(net.features(x))
    net.load_state_dict(
        load_file(shared / 'data/weights/squeezenet1_0_deep_compression.safetensors')
    )
    model = Normalized(net, (123, 117, 104), (1, 1, 1)).eval()
    rows = [
        line.split(',')
        for line in (shared / 'data/ilsvrc2012_mini/manifest.csv').read_text().splitlines()
    ]
    labels_of = {
        row[rows[0].index('file_name')]: int(row[rows[0].index('label')])
        for row in rows[1:]
        if row[0] == 'validation'
    }
    images, labels = [], []
    with tarfile.open(shared / 'data/ilsvrc2012_mini/ILSVRC2012_img_val.tar') as tar:
        for member in sorted(tar, key=lambda m: m.name):
            image = (
                Image.open(io.BytesIO(tar.extractfile(member).read()))
                .convert('RGB')
                .resize((256, 256), Image.Resampling.BILINEAR)
            )
            images.append(np.asarray(image.crop((14, 14, 241, 241))))
            labels.append(labels_of[member.name])
    return model, nchw(np.stack(images).astype(np.float32) / np.float32(255)), torch.tensor(labels)


def squeezenet(shared):
    """How many of the images are right, before attacks and under them."""
    import torchattacks

    model, images, labels = trained(shared)

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

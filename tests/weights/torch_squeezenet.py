"""Writes tests/fixtures/squeezenet/torch_logits.npz: logits of torch with the trained SqueezeNet
1.0 of Deep Compression.

    # made with torch 2.13.0, Pillow 13.0.0, safetensors 0.8.0, scikit-learn 1.9.1
    python -m tests.weights.torch_squeezenet DATA

DATA is the folder that CNNLAB_DATA names; of it weights/squeezenet1_0_deep_compression.safetensors
and ilsvrc2012_mini are read. Only this script needs torch, not the tests. It writes

    photographs   (2, 1000)     logits of scikit-learn's two photographs, squashed
    val_squash    (100, 1000)   of the validation images of ilsvrc2012_mini, squashed
    val_short     (100, 1000)   of the same, their short side resized
"""

import csv
import io
import pathlib
import sys
import tarfile
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_sample_images
from torch import nn

WEIGHTS = 'weights/squeezenet1_0_deep_compression.safetensors'
MINIATURE = 'ilsvrc2012_mini'
TARGET = pathlib.Path(__file__).parents[1] / 'fixtures/squeezenet/torch_logits.npz'
MEAN = (123, 117, 104)
SIDE, CROP = 256, 227


class Fire(nn.Module):
    """A squeeze convolution, then 1x1 and 3x3 expansions side by side."""

    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 under torchvision's names: (n, 3, 227, 227), RGB minus MEAN -> (n, 1000)."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 96, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
        inputs = 96
        for i in range(2, 10):
            if i in (5, 9):
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            layers.append(Fire(inputs, 16 * (i // 2), 64 * (i // 2)))
            inputs = 128 * (i // 2)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Identity(), nn.Conv2d(inputs, 1000, 1), nn.ReLU())

    def forward(self, x):
        return self.classifier(self.features(x)).mean((2, 3))


def trained(data: pathlib.Path) -> SqueezeNet:
    """The network with the weights of Deep Compression."""
    net = SqueezeNet()
    net.load_state_dict(load_file(data / WEIGHTS))
    return net.eval()


def squash(image: Image.Image) -> np.ndarray:
    """The whole image at 256 x 256 pixels, its center (227, 227, 3) kept."""
    return _center(image.convert('RGB').resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def short(image: Image.Image) -> np.ndarray:
    """The short side at 256 pixels, the long one in proportion; its center (227, 227, 3) kept."""
    scale = SIDE / min(image.size)
    size = [round(side * scale) for side in image.size]
    return _center(image.convert('RGB').resize(size, Image.Resampling.BILINEAR))


def _center(image):
    left, top = ((side - CROP) // 2 for side in image.size)
    return np.asarray(image.crop((left, top, left + CROP, top + CROP)))


def validation(data: pathlib.Path) -> Iterator[tuple[Image.Image, int]]:
    """(image, label) of the validation images of ilsvrc2012_mini, in the order of their names."""
    with (data / MINIATURE / 'manifest.csv').open() as file:
        labels = {row['file_name']: int(row['label']) for row in csv.DictReader(file)}
    with tarfile.open(data / MINIATURE / 'ILSVRC2012_img_val.tar') as tar:
        for member in sorted(tar, key=lambda m: m.name):
            yield Image.open(io.BytesIO(tar.extractfile(member).read())), labels[member.name]


@torch.no_grad()
def logits(net: SqueezeNet, images: list[np.ndarray]) -> np.ndarray:
    """float32 (n, 1000) of uint8 images (227, 227, 3)."""
    x = torch.from_numpy(np.stack(images).astype(np.float32) - np.float32(MEAN))
    return net(x.permute(0, 3, 1, 2)).numpy()


def main():
    data = pathlib.Path(sys.argv[1])
    net = trained(data)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    images = [image for image, _ in validation(data)]
    np.savez_compressed(
        TARGET,
        photographs=logits(net, [squash(image) for image in photographs]),
        val_squash=logits(net, [squash(image) for image in images]),
        val_short=logits(net, [short(image) for image in images]),
    )


if __name__ == '__main__':
    main()

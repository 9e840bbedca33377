"""A trained ImageNet network under attack: as many of 100 images stay right as in torchattacks."""

import json
import pathlib

import numpy as np
import pytest

from cnnlab import weights
from cnnlab.attacks import gradient
from cnnlab.attacks import target as targets
from cnnlab.attacks.batches import over
from cnnlab.classifier import Classifier
from cnnlab.data.decoding.encoded import pixels
from cnnlab.data.sources import imagenet_images

HERE = pathlib.Path(__file__).parent
VALIDATION = 'ilsvrc2012_mini/ILSVRC2012_img_val.tar'
SQUASH = weights.Preprocess.published(
    256, 227, 'bilinear', (123, 117, 104), (1, 1, 1), mode='squash', scale=1
)


@pytest.fixture(scope='module')
def attacked(data_folder, squeezenet):
    """(SqueezeNet 1.0 of Deep Compression, the 100 validation images of the mini set (100, 227,
    227, 3), labels).
    """
    source = imagenet_images.open_images(data_folder(VALIDATION) / VALIDATION)
    views = [SQUASH.pixels(pixels(e['image'])) for e in source.encoded(range(len(source)))]
    net = Classifier(*squeezenet, SQUASH)
    return net, np.stack(views).astype(np.float32) / np.float32(255), source.labels()


def right(net, images, labels):
    return int(
        (over(lambda x: targets.logits(net, x).argmax(-1), images, batch=25) == labels).sum()
    )


def compared(attacked, names):
    stored = json.loads((HERE / 'torch_squeezenet.json').read_text())
    net, images, labels = attacked
    assert right(net, images, labels) == stored['none'] == 56
    for name in names:
        kind, _, strength = name.partition(' ')
        levels = float(strength.removesuffix('/255'))
        attack = {
            'fgsm': lambda x, y, e=levels / 255: gradient.fgsm(net, x, y, e),
            'pgd': lambda x, y, e=levels / 255: gradient.pgd(net, x, y, e, step=e / 4, steps=5),
            'pgd_l2': lambda x, y, e=levels: gradient.pgd(
                net, x, y, e, step=e / 4, steps=5, norm='l2'
            ),
        }[kind]
        found = right(net, over(attack, images, labels, batch=25), labels)
        assert abs(found - stored[name]) <= 2, (name, found, stored[name])


@pytest.mark.full
def test_fgsm_leaves_as_many_images_right_as_torchattacks(attacked):
    compared(attacked, ['fgsm 0.1/255'])


@pytest.mark.full
def test_every_attack_leaves_as_many_images_right_as_torchattacks(attacked):
    compared(
        attacked,
        [
            name
            for name in json.loads((HERE / 'torch_squeezenet.json').read_text())
            if name.startswith(('fgsm', 'pgd'))
        ],
    )

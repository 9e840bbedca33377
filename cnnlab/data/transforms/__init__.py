"""Transforms of single images, applied on the CPU before images are stacked into a batch.

A transform is `(image uint8 (h, w, c), rng: numpy.random.Generator) -> uint8 (h, w, c)`, a pure
function in numpy and OpenCV. The ones here are frozen dataclasses, so they can be pickled and
compared; their attribute `random` says whether they use rng. `parse('pad(2)', 'flip()')` makes a
transform from the strings of a recipe.

Transforms of whole batches, on the device, are in `cnnlab.train.on_device.mixing` (flips, mixup,
cutmix) and `cnnlab.data.preprocessing` (normalization, whitening).
"""

from cnnlab.data.transforms.base import Compose, Transform
from cnnlab.data.transforms.color import ColorJitter, Lighting
from cnnlab.data.transforms.crops import (
    EDGES,
    Flip,
    RandomCrop,
    RandomResizedCrop,
    RandomWindow,
    ScaleJitter,
    Shift,
)
from cnnlab.data.transforms.erasing import Cutout, Erase
from cnnlab.data.transforms.geometry import Affine, LensDistortion
from cnnlab.data.transforms.plain import FILTERS, CenterCrop, Pad, Resize, ToChannels
from cnnlab.data.transforms.policies import AutoAugment, RandAugment, TrivialAugment

__all__ = [
    'EDGES',
    'FILTERS',
    'Affine',
    'AutoAugment',
    'CenterCrop',
    'ColorJitter',
    'Compose',
    'Cutout',
    'Erase',
    'Flip',
    'LensDistortion',
    'Lighting',
    'Pad',
    'RandAugment',
    'RandomCrop',
    'RandomResizedCrop',
    'RandomWindow',
    'Resize',
    'ScaleJitter',
    'Shift',
    'ToChannels',
    'TrivialAugment',
    'Transform',
]

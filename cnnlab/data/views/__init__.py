"""Views: what is done to one image before it is stacked into a batch.

A view is `(image uint8 (h, w, c), rng: numpy.random.Generator) -> uint8 (h, w, c)`: numpy and
OpenCV only, a function of its arguments alone. Those below are frozen dataclasses, hence picklable
and comparable; `random` says whether rng is used. `parse('pad(2)', 'flip()')` makes the view that
recipes describe by strings. What acts on whole batches, on the device, is in `cnnlab.train.mixing`
(flips, mixup, cutmix) and `cnnlab.data.normalise` (normalisation, whitening).
"""

from cnnlab.data.views.base import Compose, View
from cnnlab.data.views.colour import ColorJitter, Lighting
from cnnlab.data.views.crops import (
    EDGES,
    Flip,
    RandomCrop,
    RandomResizedCrop,
    RandomWindow,
    ScaleJitter,
    Shift,
)
from cnnlab.data.views.erasing import Cutout, Erase
from cnnlab.data.views.geometry import Affine, LensDistortion
from cnnlab.data.views.plain import FILTERS, CenterCrop, Pad, Resize, ToChannels
from cnnlab.data.views.policies import AutoAugment, RandAugment, TrivialAugment

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
    'View',
]

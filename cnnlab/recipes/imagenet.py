"""What recipes for ImageNet share: the set, its transforms of training and evaluation, and masks of
weight decay.
"""

import math

from cnnlab import names

DATASET = 'ilsvrc2012'
# decay masks: all but the scales and biases of normalization
NOT_NORMS = (r'^(?!.*norm)',)
# or kernels alone
KERNELS = ('kernel$',)
# an epoch has thousands
LOG = {'run': {'log_every': '100 steps'}}

# What images go through before a paper's network is trained on them; '{size}' is the side of its
# input.
_COLOR = 'color_jitter(0.4, 0.4, 0.4)'
TRAIN_TRANSFORMS: dict[str, tuple[str, ...]] = {
    # Krizhevsky et al. 2012, Sections 2 and 4.1: the middle square of 256, a window of it,
    # mirrored, colored
    'alexnet': ('resize(256)', 'center_crop(256)', 'random_window({size})', 'flip()', 'lighting()'),
    # Simonyan & Zisserman 2014, Section 3.1: the shorter side in [256, 512], mirrored, a random
    # shift of the RGB colors
    'vgg': ('scale_jitter({size}, 256, 512)', 'flip()', 'lighting()'),
    # Szegedy et al. 2014, Section 6: 8-100% of the area, 3/4-4/3; their photometric distortions are
    # not given in numbers
    'googlenet': ('random_resized_crop({size})', 'flip()', _COLOR),
    # He et al. 2015, Section 3.4: the shorter side in [256, 480], mirrored, AlexNet's colors
    'resnet': ('scale_jitter({size}, 256, 480)', 'flip()', 'lighting()'),
    # datasets/imagenet.lua in github.com/facebookarchive/fb.resnet.torch
    'fb_resnet': ('random_resized_crop({size})', _COLOR, 'lighting()', 'flip()'),
    # references/classification/presets.py in github.com/pytorch/vision, and the recipe of 2021
    # (docs/sources.md, "Recipes")
    'torchvision': ('random_resized_crop({size})', 'flip()'),
    'torchvision_2021': (
        'random_resized_crop({size})',
        'flip()',
        "trivial_augment(filter='bilinear')",
        'erase(0.1)',
    ),
}


def train_transforms(name: str, size: int = 224) -> tuple[str, ...]:
    """The transforms of a paper's training by name, for images of `size` x `size`.

    Raises:
      KeyError: no such name; the nearest are given.
    """
    found = names.lookup('training transforms', name, TRAIN_TRANSFORMS)
    return tuple(transform.format(size=size) for transform in found)


def center(crop: int, short_side: int | None = None, filter: str = 'bilinear') -> tuple[str, ...]:
    """Transforms of evaluation: the shorter side to so many pixels (left out: crop / 0.875), then
    the middle of it.
    """
    resize = math.floor(crop / 0.875) if short_side is None else short_side
    how = '' if filter == 'bilinear' else f', {filter!r}'
    return f'resize({resize}{how})', f'center_crop({crop})'

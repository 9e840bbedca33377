"""The common parts of ImageNet recipes: data set, transforms, and weight decay masks."""

import math

from cnnlab import names

DATASET = 'ilsvrc2012'
# weight decay masks: all parameters but the scales and biases of normalization layers
NOT_NORMS = (r'^(?!.*norm)',)
# kernels only
KERNELS = ('kernel$',)
# an epoch of ImageNet has thousands of steps
LOG = {'run': {'log_every': '100 steps'}}

_COLOR = 'color_jitter(0.4, 0.4, 0.4)'
# The transforms of training images in each paper; '{size}' is the side of the network's input.
TRAIN_TRANSFORMS: dict[str, tuple[str, ...]] = {
    # Krizhevsky et al. 2012, Sections 2 and 4.1: the central square of 256, a random crop of it, a
    # flip, the color change
    'alexnet': ('resize(256)', 'center_crop(256)', 'random_window({size})', 'flip()', 'lighting()'),
    # Simonyan & Zisserman 2014, Section 3.1: the shorter side in [256, 512], a flip, a random shift
    # of the RGB colors
    'vgg': ('scale_jitter({size}, 256, 512)', 'flip()', 'lighting()'),
    # Szegedy et al. 2014, Section 6: 8-100% of the area, 3/4-4/3; their photometric distortions are
    # not given in numbers
    'googlenet': ('random_resized_crop({size})', 'flip()', _COLOR),
    # He et al. 2015, Section 3.4: the shorter side in [256, 480], a flip, AlexNet's color change
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
    """Returns the transforms of training images in a paper.

    Args:
      name: in TRAIN_TRANSFORMS.
      size: side of the network's input, in pixels.

    Raises:
      KeyError: an unknown name; the message gives the nearest.
    """
    templates = names.lookup('training transforms', name, TRAIN_TRANSFORMS)
    return tuple(template.format(size=size) for template in templates)


def center(crop: int, short_side: int | None = None, filter: str = 'bilinear') -> tuple[str, ...]:
    """Returns transforms of evaluation images: resize the shorter side, then crop the center.

    Args:
      crop: side of the crop, in pixels.
      short_side: the shorter side after resizing, in pixels (default: crop / 0.875).
      filter: of the resizing.
    """
    resize = math.floor(crop / 0.875) if short_side is None else short_side
    how = '' if filter == 'bilinear' else f', {filter!r}'
    return f'resize({resize}{how})', f'center_crop({crop})'

"""What recipes for ImageNet share: the set, its views of training and evaluation, and masks of
weight decay.
"""

import math
from typing import Any

from cnnlab.data.protocols import ilsvrc

DATASET = 'ilsvrc2012'
# decay masks: all but the scales and biases of normalization
NOT_NORMS = (r'^(?!.*norm)',)
# or kernels alone
KERNELS = ('kernel$',)
# an epoch has thousands
LOG = {'log_every': '100 steps'}


def center(crop: int, short_side: int | None = None, filter: str = 'bilinear') -> tuple[str, ...]:
    """Views of evaluation: the shorter side to so many pixels (left out: crop / 0.875), then the
    middle of it.
    """
    resize = math.floor(crop / 0.875) if short_side is None else short_side
    how = '' if filter == 'bilinear' else f', {filter!r}'
    return f'resize({resize}{how})', f'center_crop({crop})'


def views(name: str, size: int, short_side: int | None = None) -> dict[str, Any]:
    """The fields of a recipe that say how images are cut: views of training by name
    (`ilsvrc.AUGMENT`), and the center for evaluation.
    """
    return {'augment': ilsvrc.augment(name, size), 'evaluation': center(size, short_side)}

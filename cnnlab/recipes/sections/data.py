"""The choice of images of a data set, and their normalization."""

import dataclasses

from cnnlab.data import preprocessing
from cnnlab.recipes.sections import check


@dataclasses.dataclass(frozen=True)
class Data:
    """The images of a run.

    Raises:
      ValueError: a negative number, or an unknown normalization.
    """

    # number of training images held out for validation
    holdout: int = 0
    # in place of holdout, for small sets: '2/5' holds out the second of five parts of the training
    # images
    fold: str = ''
    # train only on this many of the training images, the first; 0: on all
    limit: int = 0
    # names of the classes to keep, numbered in this order; (): all
    classes: tuple[str, ...] = ()
    # a kind of data.preprocessing.statistics, computed from the training images
    normalize: str = 'channel'

    def __post_init__(self) -> None:
        check.not_negative({'data.holdout': self.holdout, 'data.limit': self.limit})
        check.one_of('data.normalize', 'normalization', self.normalize, preprocessing.KINDS)

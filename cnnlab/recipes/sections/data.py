"""Which images of a data set a recipe trains on, and how their values are normalized."""

import dataclasses

from cnnlab.data import preprocessing
from cnnlab.recipes.sections import check


@dataclasses.dataclass(frozen=True)
class Data:
    """The images of a run.

    Raises:
      ValueError: a negative number, or a normalization that is not known.
    """

    # training images set aside for validation
    holdout: int = 0
    # in place of holdout, for small sets: '2/5' validates on the second of five parts of the
    # training images
    fold: str = ''
    # train on the first so many of the training images only; 0 takes all
    limit: int = 0
    # names of the classes to keep, numbered in this order; () keeps all
    classes: tuple[str, ...] = ()
    # a kind of data.preprocessing.statistics, from the training images
    normalize: str = 'channel'

    def __post_init__(self) -> None:
        check.not_negative({'data.holdout': self.holdout, 'data.limit': self.limit})
        check.one_of('data.normalize', 'normalization', self.normalize, preprocessing.KINDS)

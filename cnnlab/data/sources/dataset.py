"""A data set before a split of it is chosen."""

import dataclasses
from collections.abc import Callable

from cnnlab.data.sources.base import ImageSource

SPLITS = ('train', 'validation', 'test')


@dataclasses.dataclass(frozen=True)
class DataSet:
    """The splits that a set comes with, and how to open one of them.

    Attributes:
      name: as given to `sources.load`.
      splits: those of `SPLITS` that exist, in that order.
      open: split -> Source; only called with one of `splits`.
    """

    name: str
    splits: tuple[str, ...]
    open: Callable[[str], ImageSource]

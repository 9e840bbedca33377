"""A data set with its splits."""

import dataclasses
from collections.abc import Callable

from cnnlab.data.sources.base import ImageSource

SPLITS = ('train', 'validation', 'test')


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set, and how to open its splits.

    Attributes:
      name: as given to `sources.load`.
      splits: those of `SPLITS` that exist, in that order.
      open: split -> ImageSource; called only with one of `splits`.
    """

    name: str
    splits: tuple[str, ...]
    open: Callable[[str], ImageSource]

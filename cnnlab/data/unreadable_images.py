"""Counting of images that cannot be read: training skips a few with a warning, then stops."""

import warnings

from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.sources.base import ImageSource

# the default limit, per thousand images of a training set
PER_MILLE = 1


class UnreadableImages:
    """Counts the unreadable images of a source, in this process.

    Args:
      source: the training images.
      most: how many different images may be unreadable; default: one in a thousand, but at least
        one.

    Raises:
      ValueError: `most` is below 0.
    """

    def __init__(self, source: ImageSource, most: int | None = None):
        if most is not None and most < 0:
            raise ValueError(
                f'the number of images that may be unreadable is 0 or more, not {most}'
            )
        self.most = max(1, len(source) * PER_MILLE // 1000) if most is None else most
        self._what = f'{source.name} {source.split}'
        self._seen: set[int] = set()

    def add(self, index: int, error: Unreadable) -> None:
        """Counts an image, once.

        Args:
          index: the image.
          error: why it cannot be read.

        Warns:
          RuntimeWarning: the error and the count, at the first time for each image.

        Raises:
          ValueError: more than `most` images are unreadable.
        """
        counted = index in self._seen
        self._seen.add(index)
        if len(self._seen) > self.most:
            also = (
                f'; with it {len(self._seen)} images of {self._what} cannot be read'
                if self.most
                else ''
            )
            raise ValueError(f'{error}{also}, and {self.most or "none"} may be skipped') from error
        if not counted:
            warnings.warn(
                f'{error}: the next image takes its place ({len(self._seen)} of {self._what} so '
                f'far, at most {self.most})',
                RuntimeWarning,
                stacklevel=2,
            )

"""Images that cannot be read: training passes them over with a counted warning, until they are too
many.
"""

import warnings

from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.sources.base import ImageSource

# of a training set may be unreadable, one image at least, unless another limit is given
PER_MILLE = 1


class UnreadableImages:
    """Counts the images of `source` that were passed over; each process of a run has its own count.

    Args:
      source: of the training images.
      most: how many different images may be passed over; default: one in a thousand, at least one.

    Raises:
      ValueError: `most` is below 0.
    """

    def __init__(self, source: ImageSource, most: int | None = None):
        if most is not None and most < 0:
            raise ValueError(
                f'the most images to pass over is a whole number, 0 or more, not {most}'
            )
        self.most = max(1, len(source) * PER_MILLE // 1000) if most is None else most
        self._what = f'{source.name} {source.split}'
        self._seen: set[int] = set()

    def add(self, index: int, error: Unreadable) -> None:
        """Counts image `index`, once.

        Warns:
          RuntimeWarning: with the error and the count.

        Raises:
          ValueError: more than `most` images were passed over.
        """
        counted = index in self._seen
        self._seen.add(index)
        if len(self._seen) > self.most:
            also = (
                f'; with it {len(self._seen)} images of {self._what} cannot be read'
                if self.most
                else ''
            )
            raise ValueError(
                f'{error}{also}, and {self.most or "none"} may be passed over'
            ) from error
        if not counted:
            warnings.warn(
                f'{error}: the next image takes its place ({len(self._seen)} of {self._what} so '
                f'far, at most {self.most})',
                RuntimeWarning,
                stacklevel=2,
            )

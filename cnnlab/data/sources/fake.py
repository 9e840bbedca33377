"""Synthetic images of any shape, for tests, timing, and trying a pipeline without data."""

import functools
import re

import numpy as np

from cnnlab.data.sources.base import Example, ImageSource, digest
from cnnlab.data.sources.dataset import DataSet

FORM = re.compile(r'fake(?::(\d+)x(\d+)x(\d+)(?::(\d+)(?::(\d+))?)?)?')
DEFAULTS = (32, 32, 3, 10, 1000)
# Patterns and the noise of each split come from separate random streams.
_PATTERN, _TRAIN, _TEST = range(3)


class Fake(ImageSource):
    """Images that a network can learn: the pattern of the class (0..127) plus noise (0..127).

    Image i has label i mod classes.
    """

    decodes = False

    def __init__(
        self, name: str, split: str, shape: tuple[int, int, int], classes: int, length: int
    ):
        self.name, self.split, self.image_shape = name, split, shape
        self.class_names = tuple(f'class {i}' for i in range(classes))
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Example:
        i = self._position(index)
        label = i % self.num_classes
        noise = _noise(_TRAIN if self.split == 'train' else _TEST, i, self.image_shape)
        return {
            'image': noise + _noise(_PATTERN, label, self.image_shape),
            'label': np.int32(label),
        }

    def labels(self) -> np.ndarray:
        return (np.arange(self._length) % self.num_classes).astype(np.int32)

    def fingerprint(self) -> str:
        return digest('fake', self.split, str((self.image_shape, self.num_classes, self._length)))


@functools.lru_cache(maxsize=1024)
def _noise(stream: int, i: int, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 in 0..127 from the raw stream of Philox, which numpy guarantees not to change."""
    count = int(np.prod(shape))
    raw = np.random.Philox(key=[stream, i]).random_raw(-(-count // 8)).astype('<u8')
    return (raw.view(np.uint8)[:count] >> 1).reshape(shape)


def open_fake(name: str) -> DataSet:
    """Opens a synthetic data set.

    Args:
      name: 'fake:HEIGHTxWIDTHxCHANNELS:CLASSES:EXAMPLES'; 'fake' alone is fake:32x32x3:10:1000.
        EXAMPLES is the size of the training split; the test split has a fifth of it, and there is
        no validation split.

    Raises:
      ValueError: the name has another form, or a zero in it.
    """
    match = FORM.fullmatch(name)
    groups = match.groups() if match else ('0',) * len(DEFAULTS)
    height, width, channels, classes, examples = (
        default if given is None else int(given)
        for given, default in zip(groups, DEFAULTS, strict=True)
    )
    if not all((height, width, channels, classes, examples)):
        raise ValueError(
            f'{name!r} is not of the form fake:HEIGHTxWIDTHxCHANNELS:CLASSES:EXAMPLES with '
            f'numbers above 0, '
            'as in fake:32x32x3:10:1000'
        )
    lengths = {'train': examples, 'test': max(1, examples // 5)}
    return DataSet(
        name,
        tuple(lengths),
        lambda split: Fake(name, split, (height, width, channels), classes, lengths[split]),
    )

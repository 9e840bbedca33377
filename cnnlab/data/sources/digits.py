"""scikit-learn's handwritten digits: 1,797 real images that come with the library, so that nothing
is downloaded.

The test part of E. Alpaydin and C. Kaynak's 'Optical Recognition of Handwritten Digits' (UCI,
1998), as its description in scikit-learn says: 8x8 counts, 0 to 16, of the ink in 4x4 blocks of
32x32 bitmaps.
"""

import numpy as np

from cnnlab.data.sources.base import Arrays, ImageSource
from cnnlab.data.sources.dataset import SPLITS, DataSet
from cnnlab.data.sources.split import hold_out

# of 1,797; the other 1,150 are for training
TEST, VALIDATION = 360, 287


def to_uint8(counts: np.ndarray) -> np.ndarray:
    """Counts 0..16 as uint8 0..255: the nearest whole number to 255 count / 16."""
    return np.rint(np.asarray(counts, np.float64) * 255 / 16).astype(np.uint8)


def to_counts(image: np.ndarray) -> np.ndarray:
    """The exact inverse of `to_uint8`."""
    return np.rint(np.asarray(image, np.float64) * 16 / 255).astype(np.uint8)


def open_split(split: str) -> ImageSource:
    """1,150 train, 287 validation or 360 test images, uint8 (8, 8, 1); fixed for good, stratified
    by `split.hold_out`.
    """
    # takes a second to import, and only this set needs it
    from sklearn.datasets import load_digits

    data = load_digits()
    rest, test = hold_out(data.target, TEST)
    train, validation = (rest[part] for part in hold_out(data.target[rest], VALIDATION))
    chosen = dict(zip(SPLITS, (train, validation, test), strict=True))[split]
    return Arrays(
        'digits',
        split,
        to_uint8(data.images[chosen])[..., None],
        data.target[chosen],
        [str(i) for i in range(10)],
    )


DATASET = DataSet('digits', SPLITS, open_split)

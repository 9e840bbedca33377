"""scikit-learn's handwritten digits: 1,797 images that come with the library.

They are the test part of E. Alpaydin and C. Kaynak's 'Optical Recognition of Handwritten Digits'
(UCI, 1998). Each of 8x8 pixels counts, from 0 to 16, the ink in a 4x4 block of a 32x32 bitmap, as
the description in scikit-learn says.
"""

import numpy as np

from cnnlab.data.sources.base import Arrays, ImageSource
from cnnlab.data.sources.dataset import SPLITS, DataSet
from cnnlab.data.sources.split import hold_out

# images per split; the other 1,150 are for training
TEST, VALIDATION = 360, 287


def to_uint8(counts: np.ndarray) -> np.ndarray:
    """Scales counts of 0..16 to pixels of 0..255, rounded to the nearest."""
    return np.rint(np.asarray(counts, np.float64) * 255 / 16).astype(np.uint8)


def to_counts(image: np.ndarray) -> np.ndarray:
    """The exact inverse of `to_uint8`."""
    return np.rint(np.asarray(image, np.float64) * 16 / 255).astype(np.uint8)


def open_split(split: str) -> ImageSource:
    """Opens 1,150 train, 287 validation or 360 test images, uint8 (8, 8, 1).

    The splits are fixed, and stratified by `split.hold_out`.
    """
    # The import takes a second, and only this data set needs it.
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

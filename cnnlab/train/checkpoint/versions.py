"""The form of checkpoints by version, and how an older one becomes the present one.

1: the arrays of a TrainState, without a note.
2: a note with a hash of every array; `control` counts what was skipped and rolled back.
"""

from collections.abc import Callable

import numpy as np

FORMAT = 2

# {path in the TrainState: array}
Arrays = dict[str, np.ndarray]


def _from_1(arrays: Arrays) -> Arrays:
    return {
        **arrays,
        'control/skipped': np.zeros((), np.int32),
        'control/rollbacks': np.zeros((), np.int32),
    }


# version -> to the version after it
_NEXT: dict[int, Callable[[Arrays], Arrays]] = {1: _from_1}


def migrated(arrays: Arrays, version: int) -> Arrays:
    """The arrays of a checkpoint of that version in the present form.

    Raises:
      ValueError: the version is newer than this library.
    """
    if version > FORMAT:
        raise ValueError(
            f'it has format {version}, and this version of the library reads formats up to '
            f'{FORMAT}: use a newer one'
        )
    for step in range(version, FORMAT):
        arrays = _NEXT[step](arrays)
    return arrays

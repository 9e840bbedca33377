"""Formats of checkpoints, and the migration of older ones.

1: the arrays of a TrainState, without a note.
2: a note with a hash of every array; `control` counts skipped steps and rollbacks.
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


# {version: migration to the next version}
_NEXT: dict[int, Callable[[Arrays], Arrays]] = {1: _from_1}


def migrated(arrays: Arrays, version: int) -> Arrays:
    """Migrates the arrays of a checkpoint to the current format.

    Args:
      arrays: as the checkpoint stores them.
      version: of their format.

    Raises:
      ValueError: the version is newer than this library.
    """
    if version > FORMAT:
        raise ValueError(
            f'it has format {version}, and this version of the library reads formats up to '
            f'{FORMAT}; use a newer version'
        )
    for step in range(version, FORMAT):
        arrays = _NEXT[step](arrays)
    return arrays

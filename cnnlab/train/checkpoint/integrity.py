"""Integrity of checkpoints: hashes of the arrays, and a hash of the note that holds those."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

# hex digits kept of each SHA-256
_HEX = 32


class Damaged(ValueError):
    """A checkpoint is not as it was written."""


def digest(array: np.ndarray) -> str:
    """Hashes an array's bytes, dtype and shape."""
    sha = hashlib.sha256(f'{array.dtype.str}{array.shape}'.encode())
    sha.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()[:_HEX]


def digests(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Hashes each array: {name: digest}. Uses threads, since hashing releases Python's lock."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(arrays, pool.map(digest, arrays.values()), strict=True))


def verify(arrays: Mapping[str, np.ndarray], expected: Mapping[str, str]) -> None:
    """Compares arrays to the digests that were stored with them.

    Args:
      arrays: as they were read.
      expected: {name: digest}, as they were written.

    Raises:
      Damaged: an array is missing, added or changed; the message names the first.
    """
    actual = digests(arrays)
    names = actual.keys() | expected.keys()
    wrong = sorted(name for name in names if actual.get(name) != expected.get(name))
    if wrong:
        raise Damaged(
            f'{len(wrong)} of its {len(expected)} arrays are not what was written, the first '
            f'{wrong[0]}'
        )


def sealed(note: Mapping[str, Any]) -> dict[str, str]:
    """Packs a note as text with its hash, for `opened`."""
    text = json.dumps(note)
    return {'note': text, 'sha256': hashlib.sha256(text.encode()).hexdigest()}


def opened(seal: Mapping[str, str]) -> dict[str, Any]:
    """Unpacks the note of `sealed`.

    Raises:
      Damaged: the note was changed.
    """
    if (
        not {'note', 'sha256'} <= seal.keys()
        or hashlib.sha256(str(seal['note']).encode()).hexdigest() != seal['sha256']
    ):
        raise Damaged('its note is not what was written')
    return json.loads(seal['note'])

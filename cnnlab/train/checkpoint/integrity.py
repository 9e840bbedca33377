"""Whether what is read is what was written: digests of arrays, and of the note that holds them."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

# digits kept of a SHA-256
_HEX = 32


class Damaged(ValueError):
    """A checkpoint is not what was written."""


def digest(array: np.ndarray) -> str:
    """A hash of an array's bytes, dtype and shape."""
    sha = hashlib.sha256(f'{array.dtype.str}{array.shape}'.encode())
    sha.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()[:_HEX]


def digests(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """{name: digest}; by threads, as hashing large arrays leaves Python's lock."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(arrays, pool.map(digest, arrays.values()), strict=True))


def verify(arrays: Mapping[str, np.ndarray], stated: Mapping[str, str]) -> None:
    """Raises Damaged where an array is missing, added or changed; the sentence names the first."""
    found = digests(arrays)
    if wrong := sorted(
        name for name in found.keys() | stated.keys() if found.get(name) != stated.get(name)
    ):
        raise Damaged(
            f'{len(wrong)} of its {len(stated)} arrays are not what was written, the first '
            f'{wrong[0]}'
        )


def sealed(note: Mapping[str, Any]) -> dict[str, str]:
    """A note as text with its hash, for `opened`."""
    text = json.dumps(note)
    return {'note': text, 'sha256': hashlib.sha256(text.encode()).hexdigest()}


def opened(seal: Mapping[str, str]) -> dict[str, Any]:
    """The note of `sealed`; raises Damaged where it was changed."""
    if (
        not {'note', 'sha256'} <= seal.keys()
        or hashlib.sha256(str(seal['note']).encode()).hexdigest() != seal['sha256']
    ):
        raise Damaged('its note is not what was written')
    return json.loads(seal['note'])

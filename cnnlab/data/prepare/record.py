"""What a preparation leaves beside its shards: how the set was made, and its labels; for those who
read it.
"""

import json
import pathlib
from typing import Any

import numpy as np

FILE = 'preparation.json'
# while the set is being prepared: see `manifest`
PROGRESS = 'preparation.jsonl'


def read(folder: pathlib.Path) -> dict[str, Any] | None:
    """The record of the set in `folder`; None where there is none, as in a set that TFDS has
    prepared.
    """
    path = folder / FILE
    return json.loads(path.read_text()) if path.exists() else None


def check_complete(folder: pathlib.Path) -> None:
    """ValueError where a preparation of `folder` was begun and has not come to its end."""
    progress = folder / PROGRESS
    if progress.exists():
        done = max(0, progress.read_bytes().count(b'\n') - 1)
        raise ValueError(
            f'the preparation of {folder} has not come to its end ({done} shards are there); '
            'start experiments.prepare_imagenet again with the same flags, and it goes on'
        )


def check_shards(folder: pathlib.Path, split: str) -> None:
    """ValueError where a shard of a split does not have the size that it was written with; nothing
    is known of sets without a record.
    """
    for shard in (read(folder) or {'shards': ()})['shards']:
        path = folder / shard['shard']
        if f'-{split}.' in path.name and (size := path.stat().st_size) != shard['size']:
            raise ValueError(
                f'{path} has {size:,} bytes and was written with {shard["size"]:,}: copy it anew, '
                f'or remove {folder} '
                'and prepare it again'
            )


def content(folder: pathlib.Path, split: str) -> list[str] | None:
    """The SHA-256 of each shard of a split, in order; None as in `read`."""
    found = read(folder)
    if not found:
        return None
    return [s['sha256'] for s in found['shards'] if f'-{split}.' in s['shard']]


def labels_file(split: str) -> str:
    """The name of the file of all labels of a split, so that they are known without reading the
    images.
    """
    return f'labels_{split}.npy'


def labels(folder: pathlib.Path, split: str) -> np.ndarray | None:
    """All labels of a split in order, int32 (n,); None where they are only in the records."""
    path = folder / labels_file(split)
    return np.load(path) if path.exists() else None

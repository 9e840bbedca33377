"""The record that a preparation leaves beside its shards: how they were made, and all labels."""

import json
import pathlib
from typing import Any

import numpy as np

FILE = 'preparation.json'
# exists while the set is being prepared; see `manifest`
PROGRESS = 'preparation.jsonl'


def read(folder: pathlib.Path) -> dict[str, Any] | None:
    """Reads the record of a data set; None if it has none, as a set prepared by TFDS."""
    path = folder / FILE
    return json.loads(path.read_text()) if path.exists() else None


def check_complete(folder: pathlib.Path) -> None:
    """Raises ValueError if the preparation of `folder` was started but not finished."""
    progress = folder / PROGRESS
    if progress.exists():
        done = max(0, progress.read_bytes().count(b'\n') - 1)
        raise ValueError(
            f'the preparation of {folder} is not finished ({done} shards are there); run '
            'experiments.prepare_imagenet again with the same flags to resume it'
        )


def check_shards(folder: pathlib.Path, split: str) -> None:
    """Raises ValueError if a shard has not the size that the record, if there is one, states."""
    for shard in (read(folder) or {'shards': ()})['shards']:
        path = folder / shard['shard']
        if f'-{split}.' in path.name and (size := path.stat().st_size) != shard['size']:
            raise ValueError(
                f'{path} has {size:,} bytes but was written with {shard["size"]:,}: copy it again, '
                f'or remove {folder} and prepare it again'
            )


def content(folder: pathlib.Path, split: str) -> list[str] | None:
    """The SHA-256 of each shard of a split, in order; None without a record."""
    found = read(folder)
    if not found:
        return None
    return [s['sha256'] for s in found['shards'] if f'-{split}.' in s['shard']]


def labels_file(split: str) -> str:
    """The name of the file with all labels of a split, which saves reading the images for them."""
    return f'labels_{split}.npy'


def labels(folder: pathlib.Path, split: str) -> np.ndarray | None:
    """All labels of a split in order, int32 (n,); None if there is no file of labels."""
    path = folder / labels_file(split)
    return np.load(path) if path.exists() else None

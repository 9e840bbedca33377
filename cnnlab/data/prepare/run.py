"""Prepares a data set: several processes write shards, and a killed preparation can be resumed.

The result, `data_dir/name/1.0.0`, has the form of TFDS's prepared sets, so that
`sources.load(name, ...)` and TFDS itself read it; its `preparation.json` says how it was made.
Equal inputs and parameters give equal bytes, interrupted or not.
"""

import dataclasses
import importlib.metadata
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any

import cv2

from cnnlab import names
from cnnlab.data.prepare import manifest, pool, publish, record, shard
from cnnlab.data.prepare.form import Form
from cnnlab.data.prepare.inputs import EXPECTED, Input

VERSION = '1.0.0'
_NAME = re.compile(r'[a-z][a-z0-9_]*')
# the most unreadable images that an error message names
_SAID = 3


@dataclasses.dataclass(frozen=True)
class _Task:
    """Writes the i-th shard and returns its report."""

    folder: pathlib.Path
    # pairs of file name and part
    shards: tuple[tuple[str, Any], ...]
    form: Form

    def __call__(self, i: int) -> dict[str, Any]:
        # There is one process per core, so threads of OpenCV would only compete.
        cv2.setNumThreads(0)
        name, part = self.shards[i]
        return shard.write(self.folder / name, part, self.form)


def prepare(
    found: Input,
    data_dir: str | pathlib.Path,
    *,
    name: str = 'ilsvrc2012',
    form: Form | None = None,
    expect: str = 'any',
    limit: int | None = None,
    shard_bytes: int = 256 * 2**20,
    unreadable: str = 'refuse',
    processes: int | None = None,
    advance: Callable[[int, int, int], None] = lambda done, shards, images: None,
) -> dict[str, Any]:
    """Prepares a data set, or resumes its preparation.

    Args:
      found: from `inputs.open_input`, with the same `expect`, `limit` and `shard_bytes` (there
        `shard`).
      data_dir: the folder of prepared sets.
      name: the name of the set, for `sources.load`.
      form: how images are stored; default: their own bytes.
      expect: 'ilsvrc2012' checks that there are 1,281,167 and 50,000 images; 'any' takes what is
        there.
      limit: images per split; None takes all.
      shard_bytes: the approximate number of input bytes per shard.
      unreadable: 'refuse' writes all shards, then raises an error that names the unreadable images;
        'skip' leaves them out and lists them in the record.
      processes: how many write shards; default: one per core.
      advance: called after each shard with (finished shards, shards, images in the finished ones).

    Returns:
      The record: parameters, versions, counts, unreadable images, and size and SHA-256 of each
      shard.

    Raises:
      ValueError: the folder was started with other parameters, the counts are not the expected
        ones, images are unreadable, or the input is damaged. Finished shards are kept.
      OSError: the input cannot be read, or the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'the name of a set has small letters, digits and underscores only, such as '
            f'ilsvrc2012_256, not {name!r}'
        )
    names.among('treatment of unreadable images', unreadable, ('refuse', 'skip'))
    form = form or Form()
    folder = pathlib.Path(data_dir).expanduser() / name / VERSION
    parameters = _parameters(found, form, limit, shard_bytes)
    made = record.read(folder)
    if made and not (folder / record.PROGRESS).exists():
        manifest.refuse_other(folder, made['parameters'], parameters)
        _check_counts(made['found'], expect, limit)
        return made
    shards = {
        split: [
            (f'{name}-{split}.array_record-{i:05}-of-{len(parts):05}', part)
            for i, part in enumerate(parts)
        ]
        for split, parts in found.parts.items()
    }
    every = tuple(pair for pairs in shards.values() for pair in pairs)
    with manifest.opened(folder, parameters) as progress:
        for left in folder.glob(f'.*{shard.PART}'):
            left.unlink()
        # Unreadable images may have been repaired by now.
        if unreadable != 'skip':
            progress.forget(lambda report: report['unreadable'])
        images = sum(len(report['labels']) for report in progress.done.values())
        missing = [i for i, (file, _) in enumerate(every) if file not in progress.done]
        for report in pool.completed(
            _Task(folder, every, form), missing, processes or os.cpu_count() or 1
        ):
            progress.add(report)
            images += len(report['labels'])
            advance(len(progress.done), len(every), images)
        reports = {
            split: [progress.done[file] for file, _ in pairs] for split, pairs in shards.items()
        }
        made = _record(parameters, reports)
        _check_counts(made['found'], expect, limit)
        if made['unreadable'] and unreadable != 'skip':
            several = len(made['unreadable'])
            raise ValueError(
                f'{several:,} image{"s" * (several > 1)} of the input cannot be read: '
                f'{"; ".join(made["unreadable"][:_SAID])}{"; ..." * (several > _SAID)}; the rest '
                'is kept: repair them and run this again, or leave them out with '
                '--unreadable=skip'
            )
        publish.publish(folder, name, VERSION, found.class_names, reports, made)
        progress.remove()
    return made


def _parameters(found: Input, form: Form, limit: int | None, shard_bytes: int) -> dict[str, Any]:
    """Everything that decides the bytes of the shards, and nothing else."""
    versions = {
        'array_record': importlib.metadata.version('array_record'),
        'opencv': cv2.__version__,
    }
    return {
        'kind': found.kind,
        'files': found.files,
        'classes': len(found.class_names),
        **dataclasses.asdict(form),
        'limit': limit,
        'shard_bytes': shard_bytes,
        'versions': versions,
    }


def _record(parameters: dict[str, Any], reports: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    left_out = {
        split: [sentence for r in rs for sentence in r['unreadable']]
        for split, rs in reports.items()
    }
    stored = {split: sum(len(r['labels']) for r in rs) for split, rs in reports.items()}
    return {
        'parameters': parameters,
        'stored': stored,
        'found': {split: stored[split] + len(left_out[split]) for split in stored},
        'classes_seen': {
            split: len({label for r in rs for label in r['labels']})
            for split, rs in reports.items()
        },
        'unreadable': [
            f'{split}: {sentence}'
            for split, sentences in left_out.items()
            for sentence in sentences
        ],
        'bytes': {split: sum(r['size'] for r in rs) for split, rs in reports.items()},
        'shards': [
            {
                'shard': r['shard'],
                'images': len(r['labels']),
                'size': r['size'],
                'sha256': r['sha256'],
            }
            for rs in reports.values()
            for r in rs
        ],
    }


def _check_counts(images: dict[str, int], expect: str, limit: int | None) -> None:
    for split, wanted in EXPECTED[expect].items():
        wanted = wanted if limit is None else min(limit, wanted)
        if images.get(split, 0) != wanted:
            raise ValueError(
                f'the {split} part of the input has {images.get(split, 0):,} images, not the '
                f'{wanted:,} of ILSVRC-2012; the shards are kept: --expect=any takes them as they '
                'are'
            )

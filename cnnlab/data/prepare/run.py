"""Preparing a data set: shards written by several processes, gone on with after a kill, checked,
and readable by its name.

The result, `data_dir/name/1.0.0`, is a set as TFDS prepares them, so that `data.sources.load(name,
...)` and TFDS itself read it, with `preparation.json` beside it, which says how it was made. Equal
inputs and parameters give equal bytes, interrupted or not.
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
# unreadable images that an error names
_SAID = 3


@dataclasses.dataclass(frozen=True)
class _Task:
    """i -> the report of the i-th shard."""

    folder: pathlib.Path
    # (file name, part)
    shards: tuple[tuple[str, Any], ...]
    form: Form

    def __call__(self, i: int) -> dict[str, Any]:
        # each process has a core of its own
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
    """Prepares `found` as `data_dir/name`, or goes on where a kill has ended that.

    Args:
      found: from `preprocess.open_input`, with the `expect`, `limit` and `shard_bytes` given here.
      data_dir, name: where, and what `sources.load` will call it.
      form: how images are stored; default: their own bytes.
      expect: 'ilsvrc2012' checks that the input has 1,281,167 and 50,000 images; 'any' takes what
        is there.
      unreadable: 'refuse' writes all shards, then says which images cannot be read; 'skip' leaves
        them out and lists them in the record.
      processes: default: one a core.
      advance: called with (shards done, shards, images in them) after each shard.

    Returns:
      The record: parameters, versions, counts, unreadable images, and size and sha256 of each
      shard.

    Raises:
      ValueError: other parameters, counts that are not the expected ones, unreadable images, a
        broken input. Finished shards are kept.
      OSError: the input cannot be read, or the folder not be written.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'the name of a set is of small letters, digits and underscores, such as '
            f'ilsvrc2012_256, not {name!r}'
        )
    names.among('way with unreadable images', unreadable, ('refuse', 'skip'))
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
        # what could not be read may be repaired by now
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
                f'is kept: repair them and '
                'start again, or with --unreadable=skip, which leaves them out'
            )
        publish.publish(folder, name, VERSION, found.class_names, reports, made)
        progress.remove()
    return made


def _parameters(found: Input, form: Form, limit: int | None, shard_bytes: int) -> dict[str, Any]:
    """All that decides the bytes of the shards, and nothing else."""
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
                f'{wanted:,} of ILSVRC-2012; '
                'the shards are kept: with --expect=any they are taken as they are'
            )

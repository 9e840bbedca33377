"""The last step of a preparation: the files that make its shards a data set."""

import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnlab.data.prepare import record, shard


def publish(
    folder: pathlib.Path,
    name: str,
    version: str,
    class_names: Sequence[str],
    reports: dict[str, list[dict[str, Any]]],
    made: dict[str, Any],
) -> None:
    """Writes the labels, the record and TFDS's description of a data set.

    dataset_info.json, by which readers find the set, comes last.

    Args:
      folder: where the shards are.
      name, version: of the data set.
      class_names: the name of each label.
      reports: split -> the reports of `shard.write`, in order.
      made: the record, for preparation.json.
    """
    import tensorflow_datasets as tfds

    for split, found in reports.items():
        labels = np.array([label for report in found for label in report['labels']], np.int32)
        _write(
            folder / record.labels_file(split), lambda file, labels=labels: np.save(file, labels)
        )
    tfds.features.FeaturesDict(
        {
            'image': tfds.features.Image(encoding_format='jpeg'),
            'label': tfds.features.ClassLabel(names=list(class_names)),
            'file_name': tfds.features.Text(),
        }
    ).save_config(os.fspath(folder))
    _write_json(folder / record.FILE, made)
    _write_json(
        folder / 'dataset_info.json',
        {
            'fileFormat': 'array_record',
            'name': name,
            'version': version,
            'supervisedKeys': {
                'tuple': {'items': [{'featureKey': 'image'}, {'featureKey': 'label'}]}
            },
            'splits': [
                {
                    'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
                    'name': split,
                    'numBytes': str(sum(report['image_bytes'] for report in found)),
                    'shardLengths': [str(len(report['labels'])) for report in found],
                }
                for split, found in reports.items()
            ],
        },
    )


def _write_json(path: pathlib.Path, value: Any) -> None:
    _write(path, lambda file: file.write(json.dumps(value, indent=1).encode() + b'\n'))


def _write(path: pathlib.Path, fill: Callable) -> None:
    """Writes a file that appears whole or not at all."""
    part = path.with_name(f'.{path.name}.{os.getpid()}{shard.PART}')
    with part.open('wb') as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

"""Writes one shard: a file of records that appears whole or not at all."""

import hashlib
import os
import pathlib
from typing import Any

from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.prepare.form import Form
from cnnlab.data.prepare.parts import Part

# Groups of one record give random access; JPEGs do not compress further.
_OPTIONS = 'group_size:1,uncompressed'
PART = '.part'


def write(path: pathlib.Path, part: Part, form: Form) -> dict[str, Any]:
    """Writes a shard and reports its content.

    Records are those of TFDS's imagenet2012: an Example of image, label and file_name. Equal parts
    and forms give equal bytes.

    Args:
      path: the file to write.
      part: its images.
      form: how images are stored.

    Returns:
      The report: 'shard' (the file name), 'size' (bytes of the file), 'image_bytes' (bytes of the
      images), 'sha256' (of the file), 'labels' (of the images, in order) and 'unreadable' (a
      sentence for each image that is left out).

    Raises:
      ValueError: the input ends early or is not a tar. No shard is left then.
      OSError: the input cannot be read, or the file cannot be written. No shard is left then.
    """
    from array_record.python.array_record_module import ArrayRecordWriter

    part_path = path.with_name(f'.{path.name}.{os.getpid()}{PART}')
    labels, unreadable, image_bytes = [], [], 0
    try:
        writer = ArrayRecordWriter(str(part_path), _OPTIONS)
        for raw in part.images():
            try:
                data = form.store(Encoded(raw.data, 3, raw.name))
            except ValueError as error:
                unreadable.append(str(error))
                continue
            writer.write(_record(data, raw.label, raw.name))
            labels.append(raw.label)
            image_bytes += len(data)
        writer.close()
        with part_path.open('rb+') as file:
            sha = hashlib.file_digest(file, 'sha256').hexdigest()
            os.fsync(file.fileno())
        size = part_path.stat().st_size
        part_path.replace(path)
    finally:
        part_path.unlink(missing_ok=True)
    return {
        'shard': path.name,
        'size': size,
        'image_bytes': image_bytes,
        'sha256': sha,
        'labels': labels,
        'unreadable': unreadable,
    }


def _record(data: bytes, label: int, name: str) -> bytes:
    from tensorflow_datasets.proto import tf_example_pb2

    example = tf_example_pb2.Example()
    feature = example.features.feature
    feature['image'].bytes_list.value.append(data)
    feature['label'].int64_list.value.append(label)
    feature['file_name'].bytes_list.value.append(name.encode())
    return example.SerializeToString(deterministic=True)

"""Writing one shard: the images of a part as records of a file that appears whole or not at all."""

import hashlib
import os
import pathlib
from typing import Any

from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.prepare.form import Form
from cnnlab.data.prepare.parts import Part

# each record on its own, for random access; JPEGs do not compress further
_OPTIONS = 'group_size:1,uncompressed'
PART = '.part'


def write(path: pathlib.Path, part: Part, form: Form) -> dict[str, Any]:
    """Writes the shard `path` and says what is in it.

    Records are those of TFDS's imagenet2012: an Example of image, label and file_name. Equal parts
    and forms give equal bytes.

    Returns:
      {'shard': file name, 'size': its bytes, 'image_bytes': of the images, 'sha256': of the file,
      'labels': of the images in order,
      'unreadable': [sentence for each image that is left out]}.

    Raises:
      ValueError, OSError: as `part.images`; OSError where the file cannot be written. No shard is
        left then.
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

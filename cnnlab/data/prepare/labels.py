"""The classes of ILSVRC-2012's validation images, from the list in TensorFlow Datasets."""

import functools
import importlib.util
import pathlib
import re

# the list in tensorflow_datasets 4.9.10; line n is the class of ILSVRC2012_val_<n>.JPEG
FILE = 'datasets/imagenet2012/validation_labels.txt'
NAME = re.compile(r'ILSVRC2012_val_(\d{8})\.JPEG')


@functools.cache
def validation_synsets() -> tuple[str, ...]:
    """The synset id of each validation image, in the order of their numbers.

    Importing tensorflow_datasets is slow, so its folder is only located.

    Raises:
      FileNotFoundError: the package is not installed, or has no such list.
    """
    spec = importlib.util.find_spec('tensorflow_datasets')
    path = pathlib.Path(spec.origin).parent / FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f'the labels of the validation images are in the package tensorflow-datasets, but its '
            f'{FILE} is not there'
        )
    return tuple(path.read_text().split())


def synset_of(name: str) -> str:
    """The synset id of a validation image.

    Args:
      name: its file name.

    Raises:
      ValueError: it is not the name of a validation image.

    Example:
      >>> synset_of('ILSVRC2012_val_00000001.JPEG')
      'n01751748'
    """
    match, known = NAME.fullmatch(name), validation_synsets()
    if not match or not 1 <= int(match[1]) <= len(known):
        raise ValueError(
            f'{name!r} is not a validation image of ILSVRC-2012: those are named '
            f'ILSVRC2012_val_00000001.JPEG to ILSVRC2012_val_{len(known):08}.JPEG'
        )
    return known[int(match[1]) - 1]

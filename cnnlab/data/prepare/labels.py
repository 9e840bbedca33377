"""The classes of the validation images of ILSVRC-2012, from the list that the TensorFlow Datasets
package holds.
"""

import functools
import importlib.util
import pathlib
import re

# in tensorflow_datasets 4.9.10; line n is of ILSVRC2012_val_<n>.JPEG
FILE = 'datasets/imagenet2012/validation_labels.txt'
NAME = re.compile(r'ILSVRC2012_val_(\d{8})\.JPEG')


@functools.cache
def validation_synsets() -> tuple[str, ...]:
    """The synset id of each validation image, in the order of their numbers; the package is found,
    not imported.

    Raises:
      FileNotFoundError: the installed package has no such list.
    """
    spec = importlib.util.find_spec('tensorflow_datasets')
    path = pathlib.Path(spec.origin).parent / FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f'the labels of the validation images come with tensorflow-datasets, whose {FILE} is '
            f'not there'
        )
    return tuple(path.read_text().split())


def of_validation_image(name: str) -> str:
    """'ILSVRC2012_val_00000001.JPEG' -> 'n01751748'; ValueError for any other name, or a number
    beyond the list.
    """
    match, known = NAME.fullmatch(name), validation_synsets()
    if not match or not 1 <= int(match[1]) <= len(known):
        raise ValueError(
            f'{name!r} is no validation image of ILSVRC-2012: those are named '
            f'ILSVRC2012_val_00000001.JPEG '
            f'to ILSVRC2012_val_{len(known):08}.JPEG'
        )
    return known[int(match[1]) - 1]

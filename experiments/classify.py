r"""Names what is in pictures, by a pretrained network: the five best classes, with probabilities.

    # downloads the weights once
    python -m experiments.classify --weights=torchvision/squeezenet1_0 cat.jpg dog.jpg
    python -m experiments.classify --weights=torchvision/squeezenet1_0 --file=net.safetensors \
        --html=page.html cat.jpg
    # Deep Compression's SqueezeNet with its own protocol
    python -m experiments.classify --weights=torchvision/squeezenet1_0 \
        --file=deep_compression.safetensors --preprocess=resize=256 --preprocess=crop=227 \
        --preprocess=mode=squash --preprocess=scale=1 --preprocess=mean=123,117,104 \
        --preprocess=std=1,1,1 cat.jpg

Pictures are resized and normalized as the weights' source does.
"""

import dataclasses
import pathlib
import tempfile

import jax
import numpy as np
from absl import flags
from PIL import Image

from cnnlab import weights
from cnnlab.report.page import Picture, Section, write_page
from cnnlab.report.table import Column, Table

from . import common
from .labels import labels_of
from .preprocess import preprocess

_WEIGHTS = flags.DEFINE_string(
    'weights',
    None,
    'Which weights: an id like torchvision/resnet50 or torchvision/resnet50.IMAGENET1K_V1.',
    required=True,
)
_FILE = flags.DEFINE_string(
    'file', None, 'A file that holds them; without it they are downloaded, or come from the cache.'
)
_PREPROCESS = flags.DEFINE_multi_string(
    'preprocess',
    [],
    'Replaces a field of the preprocessing: resize=256, mean=123,117,104. May be repeated.',
)
_BEST = flags.DEFINE_integer(
    'best', 5, 'How many classes of each picture.', lower_bound=1, upper_bound=1000
)
_HTML = flags.DEFINE_string('html', None, 'Also writes a page with the pictures to this file.')


def best(probabilities: np.ndarray, count: int, labels: list[str]) -> list[tuple[str, float]]:
    """The `count` most probable classes, the first of equals first."""
    order = np.argsort(-probabilities, kind='stable')[:count]
    return [(labels[i], float(probabilities[i])) for i in order]


def page(path: str, title: str, protocol: str, found: list[tuple[str, np.ndarray, Table]]) -> None:
    """Writes the page: each picture as the network sees it, by which protocol, and its table."""
    with tempfile.TemporaryDirectory() as folder:
        sections = []
        for i, (name, pixels, table) in enumerate(found):
            png = pathlib.Path(folder) / f'{i}.png'
            Image.fromarray(pixels).save(png)
            sections.append(
                Section(
                    name,
                    [
                        Picture(png, f'As the network sees it: {protocol}.', f'The picture {name}'),
                        table,
                    ],
                )
            )
        write_page(path, title, sections)


def main(arguments):
    """Prints a table a picture."""
    pictures = arguments[1:]
    if not pictures:
        raise ValueError(
            'give the pictures to be classified: python -m experiments.classify --weights=... '
            'image.jpg ...'
        )
    if absent := [p for p in pictures if not pathlib.Path(p).is_file()]:
        raise FileNotFoundError(f'there is no picture {absent[0]}')
    entry = weights.entry(_WEIGHTS.value)
    seen = preprocess(entry.id, entry.preprocess, _PREPROCESS.value)
    if _FILE.value:
        model, variables = weights.from_file(
            entry.id.partition('.')[0], _FILE.value, fields=entry.fields
        )
    else:
        model, variables = weights.load(entry.id)
    apply = jax.jit(lambda variables, images: jax.nn.softmax(model.apply(variables, images)))
    columns = (Column('class'), Column('probability', 'percent'))
    found = []
    for name in pictures:
        pixels = seen.pixels(name)
        [probabilities] = np.asarray(apply(variables, seen.normalize(pixels)[None]))
        table = Table(
            columns,
            best(probabilities, _BEST.value, labels_of(entry, probabilities.size)),
            pathlib.Path(name).name,
        )
        table.print()
        print()
        # the section has the name
        found.append((pathlib.Path(name).name, pixels, dataclasses.replace(table, title='')))
    if _HTML.value:
        what = (
            f'{entry.id.partition(".")[0]} from {pathlib.Path(_FILE.value).name}'
            if _FILE.value
            else entry.id
        )
        page(
            _HTML.value,
            f'{what}: {len(found)} picture{"s" if len(found) > 1 else ""}',
            seen.sentence(),
            found,
        )
        print(f'wrote {_HTML.value}')


if __name__ == '__main__':
    common.start(main)

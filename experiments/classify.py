r"""Names what is in pictures: the most probable classes of each, with probabilities.

    # downloads once
    python -m experiments.classify --weights=torchvision/squeezenet1_0 cat.jpg dog.jpg
    python -m experiments.classify --weights=torchvision/squeezenet1_0@net.safetensors \
        --html=page.html cat.jpg
    # a network that was trained here, and one that experiments.export wrote
    python -m experiments.classify --run=runs/r56 --best=3 cat.jpg
    python -m experiments.classify --weights=r56.safetensors cat.jpg
    # Deep Compression's SqueezeNet with its own protocol
    python -m experiments.classify --weights=torchvision/squeezenet1_0 \
        --file=deep_compression.safetensors --preprocess=resize=256 --preprocess=crop=227 \
        --preprocess=mode=squash --preprocess=mean=123,117,104 --preprocess=std=1,1,1 cat.jpg

Pictures are resized and normalized as the weights' source does, or as the run's recipe says.
"""

import dataclasses
import pathlib
import tempfile

import numpy as np
from absl import flags
from PIL import Image

from cnnlab.data.synsets import synsets
from cnnlab.report.page import Picture, Section, write_page
from cnnlab.report.table import Column, Table

from . import common

common.network_flags()
_BEST = flags.DEFINE_integer('best', 5, 'How many classes of each picture.', lower_bound=1)
_HTML = flags.DEFINE_string('html', None, 'Also writes a page with the pictures to this file.')


def table(name: str, probabilities: np.ndarray, labels: tuple[str, ...]) -> Table:
    """The most probable classes of a picture, the first of equals first."""
    order = np.argsort(-probabilities, kind='stable')[: _BEST.value]
    rows = [(labels[i], float(probabilities[i])) for i in order]
    return Table((Column('class'), Column('probability', 'percent')), rows, name)


def page(path: str, title: str, protocol: str, found: list[tuple[np.ndarray, Table]]) -> None:
    """Writes the page: each picture as the network sees it, by which protocol, and its table."""
    with tempfile.TemporaryDirectory() as folder:
        sections = []
        for i, (pixels, best) in enumerate(found):
            png = pathlib.Path(folder) / f'{i}.png'
            Image.fromarray(pixels.squeeze()).save(png)
            caption = f'As the network sees it: {protocol}.'
            picture = Picture(png, caption, f'The picture {best.title}')
            # the section has the name
            content = [picture, dataclasses.replace(best, title='')]
            sections.append(Section(best.title, content))
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
    net = common.network().net
    labels = net.labels
    if net.class_order == 'imagenet':
        labels = tuple(f'{", ".join(s.names)} ({s.id})' for s in synsets())
    found = []
    for path in pictures:
        pixels = net.preprocess.pixels(path)
        [probabilities] = net.probabilities([path])
        best = table(pathlib.Path(path).name, probabilities, labels)
        best.print()
        print()
        found.append((pixels, best))
    if _HTML.value:
        title = f'{net.name}: {len(found)} picture{"s" if len(found) > 1 else ""}'
        page(_HTML.value, title, net.preprocess.sentence(), found)
        print(f'wrote {_HTML.value}')


if __name__ == '__main__':
    common.start(main)

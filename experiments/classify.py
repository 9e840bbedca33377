r"""Classifies pictures: prints the most probable classes of each.

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

Pictures are resized and normalized as by the source of the weights, or as in the recipe of the run.
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
_BEST = flags.DEFINE_integer(
    'best', 5, 'Number of classes to show for each picture.', lower_bound=1
)
_HTML = flags.DEFINE_string(
    'html', None, 'File of an HTML page with the pictures, written as well.'
)


def table(name: str, probabilities: np.ndarray, labels: tuple[str, ...]) -> Table:
    """Returns the table of the most probable classes; ties keep the order of the classes."""
    order = np.argsort(-probabilities, kind='stable')[: _BEST.value]
    rows = [(labels[i], float(probabilities[i])) for i in order]
    return Table((Column('class'), Column('probability', 'percent')), rows, name)


def page(path: str, title: str, protocol: str, results: list[tuple[np.ndarray, Table]]) -> None:
    """Writes the page: each picture as the network sees it, the protocol and the table."""
    with tempfile.TemporaryDirectory() as folder:
        sections = []
        for i, (pixels, best) in enumerate(results):
            png = pathlib.Path(folder) / f'{i}.png'
            Image.fromarray(pixels.squeeze()).save(png)
            caption = f'As the network sees it: {protocol}.'
            picture = Picture(png, caption, f'The picture {best.title}')
            # the heading of the section already names the picture
            content = [picture, dataclasses.replace(best, title='')]
            sections.append(Section(best.title, content))
        write_page(path, title, sections)


def main(arguments):
    """Prints one table per picture."""
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
    results = []
    for path in pictures:
        pixels = net.preprocess.pixels(path)
        [probabilities] = net.probabilities([path])
        best = table(pathlib.Path(path).name, probabilities, labels)
        best.print()
        print()
        results.append((pixels, best))
    if _HTML.value:
        title = f'{net.name}: {len(results)} picture{"s" if len(results) > 1 else ""}'
        page(_HTML.value, title, net.preprocess.sentence(), results)
        print(f'wrote {_HTML.value}')


if __name__ == '__main__':
    common.start(main)

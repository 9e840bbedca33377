r"""Measures the errors of networks under the 15 corruptions of ImageNet-C at five severities.

    python -m experiments.corruption --weights=torchvision/squeezenet1_0 \
        --images=ILSVRC2012_img_val.tar --out=corruption
    python -m experiments.corruption --run=runs/r20 --count=1000 --data_dir=... --out=corruption
    python -m experiments.corruption --weights=... --images=... \
        --corruptions=gaussian_noise,fog --out=corruption

Images are corrupted after resizing and cropping, as for ImageNet-C, but by the network's own
protocol instead of 256 and 224. For ImageNet's classes each error is also divided by AlexNet's; the
mean of these ratios is the mCE of Hendrycks & Dietterich 2019. `cnnlab.attacks.corruptions` says
how far these corruptions agree with the published ones, and so how far the mCE can be compared.
Writes index.html, corruption.csv, corruption.md, accuracy.png and, for each network, a PNG of one
image under every corruption into --out.
"""

import jax
import numpy as np
from absl import flags

from cnnlab import names
from cnnlab.attacks.batches import over
from cnnlab.attacks.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from cnnlab.attacks.target import logits, seen
from cnnlab.classifier import Classifier
from cnnlab.report import image_grid, plots, robustness
from cnnlab.report.files import write_text
from cnnlab.report.page import Picture, Section, write_page
from cnnlab.report.progress import bar
from cnnlab.report.proportions import wilson
from cnnlab.report.table import Column, Table
from cnnlab.train import workdir

from . import common

common.network_flags()
common.image_flags(split='test')
_COUNT = flags.DEFINE_integer('count', 100, 'Number of images, from the first.', lower_bound=1)
_BATCH = flags.DEFINE_integer('batch', 50, 'Number of images per batch.', lower_bound=1)
_CORRUPTIONS = flags.DEFINE_list('corruptions', list(CORRUPTIONS), 'Corruptions to apply.')
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the corruptions.', lower_bound=0)
_OUT = flags.DEFINE_string('out', None, 'Folder to write.', required=True)


def wrong(net: Classifier, images: np.ndarray, labels: np.ndarray) -> int:
    """Returns the number of misclassified images; NaN logits count as wrong."""
    scores = over(lambda rows: logits(net, rows), images, batch=_BATCH.value)
    return int(((scores.argmax(1) != labels) | np.isnan(scores).any(1)).sum())


def measured(
    net: Classifier, images: np.ndarray, labels: np.ndarray, chosen: list[str]
) -> tuple[int, dict[str, list[int]]]:
    """Counts the misclassified images, clean and corrupted.

    Returns:
      (number wrong without corruption, {corruption: number wrong at each severity}).
    """
    counts = {}
    with bar(f'{net.name} corruptions', len(chosen) * len(SEVERITIES)) as advance:
        for name in chosen:
            counts[name] = []
            for severity in SEVERITIES:
                counts[name].append(
                    wrong(net, corrupt(images, name, severity, seed=_SEED.value), labels)
                )
                advance(sum(map(len, counts.values())))
    return wrong(net, images, labels), counts


def error_table(net: Classifier, n: int, clean: int, wrong_counts: dict[str, list[int]]) -> Table:
    """Returns the table of errors by corruption and severity, with their means.

    For ImageNet's classes a last column divides each corruption's error by AlexNet's.
    """
    relative = net.class_order == 'imagenet'
    columns = [
        Column('corruption'),
        Column('group'),
        *(Column(f'severity {s}', 'percent', 1) for s in SEVERITIES),
        Column('mean', 'percent', 1),
        Column('95%'),
    ]
    columns += [Column("of AlexNet's", 'percent', 1)] * relative
    rows, means, errors = [], [], []
    for name, counts in wrong_counts.items():
        low, high = wilson(sum(counts), n * len(counts))
        means.append(sum(counts) / (n * len(counts)))
        errors.append(means[-1] / CORRUPTIONS[name].alexnet)
        rows.append(
            [
                name,
                CORRUPTIONS[name].group,
                *(c / n for c in counts),
                means[-1],
                f'{low:.1%} to {high:.1%}',
                *errors[-1:] * relative,
            ]
        )
    by_severity = np.mean(list(wrong_counts.values()), 0) / n
    rows.append(
        [
            'mean',
            '',
            *by_severity.tolist(),
            float(np.mean(means)),
            '',
            *[float(np.mean(errors))] * relative,
        ]
    )
    notes = [
        f"{n} images, {clean / n:.1%} of them wrong without corruption. 95%: Wilson's interval of "
        'the mean over severities, as if images at different severities were different images.'
    ]
    if relative:
        notes.append(
            'The last figure is the mCE: the mean of the errors divided by the published errors of '
            'AlexNet on ImageNet-C'
            + (
                '.'
                if len(wrong_counts) == len(CORRUPTIONS)
                else f'; over {len(wrong_counts)} of the {len(CORRUPTIONS)} corruptions.'
            )
        )
    return Table(tuple(columns), rows, f'Errors of {net.name} under corruptions', tuple(notes))


def main(_):
    """Measures the errors, prints the tables and writes the page."""
    chosen = [names.among('corruption', name, CORRUPTIONS) for name in _CORRUPTIONS.value]
    networks = common.briefly(common.networks())
    out = workdir.writable(_OUT.value)
    tables, sections, curves = [], [], {}
    for network in networks:
        net, given = network.net, common.pictures(network, _COUNT.value)
        if given.labels is None:
            raise ValueError(
                'corruption errors need labels: give --images as a tar or a folder of classes, or '
                '--dataset'
            )
        images, labels = seen(net, given), np.array(given.labels)
        clean, counts = measured(net, images, labels, chosen)
        tables.append(error_table(net, len(images), clean, counts))
        tables[-1].print()
        right = [(0, len(images) - clean)] + [
            (s, len(images) - float(np.mean([c[i] for c in counts.values()])))
            for i, s in enumerate(SEVERITIES)
        ]
        curves[net.name] = right
        p = jax.nn.softmax(logits(net, images[:1]))[0]
        tiles = [
            image_grid.Tile(
                images[0],
                f'true: {net.labels[labels[0]]}\n'
                f'as it is: {net.labels[int(p.argmax())]} {float(p.max()):.0%}',
            )
        ]
        for name in chosen:
            changed = corrupt(images[:1], name, 3, seed=_SEED.value)
            p = jax.nn.softmax(logits(net, changed))[0]
            tiles.append(
                image_grid.Tile(
                    changed[0], f'{name}\n{net.labels[int(p.argmax())]} {float(p.max()):.0%}'
                )
            )
        picture = plots.save(
            image_grid.grid([tiles[i : i + 4] for i in range(0, len(tiles), 4)]),
            out / f'corruptions_{net.name.replace("/", "_")}.png',
        )
        sections.append(
            Section(
                net.name,
                [
                    f'{len(images)} images of {given.name}: {net.preprocess.sentence()}.',
                    tables[-1],
                    Picture(
                        picture,
                        'The first image under every corruption at severity 3, with the '
                        'predicted class.',
                        'An image, corrupted',
                    ),
                ],
            )
        )
    figure = robustness.accuracy_curves({'severity (0: no corruption)': curves}, len(images))
    plots.save(figure, out / 'accuracy.png')
    sections.insert(
        0,
        Section(
            'Accuracy',
            [
                Picture(
                    figure, 'Accuracy against severity: the mean over the corruptions.', 'Curves'
                )
            ],
        ),
    )
    write_text(out / 'corruption.csv', '\n'.join(t.to_csv() for t in tables))
    write_text(out / 'corruption.md', '\n'.join(t.to_markdown() for t in tables))
    write_page(
        out / 'index.html', f'Corruptions: {", ".join(net.name for net, _ in networks)}', sections
    )
    print(
        f'wrote {out}/index.html, corruption.csv, corruption.md, accuracy.png and {len(networks)} '
        f'image grids'
    )


if __name__ == '__main__':
    common.start(main)

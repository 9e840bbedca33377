r"""Evaluates networks on ImageNet or another data set, by the protocol of a paper.

    python -m experiments.evaluate_imagenet --weights=torchvision/resnet50 \
        --images=ILSVRC2012_img_val.tar --workdir=out
    python -m experiments.evaluate_imagenet --weights=torchvision/vgg16 --protocol=vgg_dense \
        --images=... --workdir=out
    # two networks, and the mean of their probabilities
    python -m experiments.evaluate_imagenet --weights=torchvision/resnet18 \
        --weights=torchvision/resnet34 --images=... --workdir=out
    python -m experiments.evaluate_imagenet --run=runs/alexnet --protocol=alexnet_10crop \
        --images=... --workdir=out
    python -m experiments.evaluate_imagenet --weights=akamaster/resnet20 --dataset=cifar10 \
        --split=test --data_dir=... --workdir=out
    # describes the protocols
    python -m experiments.evaluate_imagenet --protocols

Without --protocol, weights are tested as by their source, and a run as by its recipe. --images
takes the published validation tar, the training tar, a folder with one folder per class (synset
ids, or numbers as in ImageNet-V2), or a flat folder with --labels. --data_dir holds prepared data
sets. Every image counts exactly once. Writes evaluation_<name>.json (top-1, top-5, loss, intervals,
calibration) and predictions_<name>.npz, which experiments.compare_predictions reads, into
--workdir, after all networks are evaluated.
"""

import dataclasses
import json
from typing import Any

import jax
import numpy as np
from absl import flags

from cnnlab.classifier import Classifier
from cnnlab.data import sources
from cnnlab.data.decoding import resample
from cnnlab.data.preprocessing.preprocess import Views
from cnnlab.data.protocols import ilsvrc
from cnnlab.data.protocols.protocol import AVERAGES, CROPS, MODES, ROUNDINGS, Protocol
from cnnlab.data.sources import imagenet_images
from cnnlab.data.synsets import synsets
from cnnlab.models import registry
from cnnlab.report.files import write_text
from cnnlab.report.progress import Progress
from cnnlab.report.proportions import calibration, wilson
from cnnlab.report.table import Column, Table
from cnnlab.train import fully_convolutional, predictions, scores, workdir
from cnnlab.train.predictions import Predictions

from . import common

flags.declare_key_flag('workdir')
common.network_flags()
common.image_flags(split='validation')
_PROTOCOL = flags.DEFINE_string(
    'protocol',
    None,
    f"Protocol that crops the images: {', '.join(ilsvrc.PROTOCOLS)}. Default: the source's own.",
)
_PROTOCOLS = flags.DEFINE_bool(
    'protocols', False, 'Describe each protocol and its source, and exit.'
)

_ONLY = flags.DEFINE_string(
    'only', None, 'File that lists the images to count, by name or by number from 1.'
)
_EXCEPT = flags.DEFINE_string(
    'except', None, 'File that lists images to leave out, such as the blacklist of ILSVRC-2014.'
)
_REAL = flags.DEFINE_string(
    'real',
    None,
    'File real.json of github.com/google-research/reassessed-imagenet; adds the ReaL accuracy.',
)

_RESIZE = flags.DEFINE_list(
    'resize',
    None,
    'Sides in pixels that images are resized to: 256, or 256,384,512. Default: of the protocol.',
)
_CROP = flags.DEFINE_integer(
    'crop',
    None,
    'Side of the crops in pixels. Default: the input size of the network.',
    lower_bound=1,
)
_CROPS = flags.DEFINE_enum(
    'crops', None, CROPS, 'Parts of an image that are cropped. Default: of the protocol.'
)
_MODE = flags.DEFINE_enum(
    'mode',
    None,
    MODES,
    'Resizing of images by the shorter side, or of both sides. Default: of the protocol.',
)
_ROUNDING = flags.DEFINE_enum(
    'rounding',
    None,
    ROUNDINGS,
    'Rounding of sides and positions to pixels. Default: of the protocol.',
)
_FILTER = flags.DEFINE_enum(
    'filter', None, list(resample.FILTERS), 'Filter of resizing. Default: of the protocol.'
)
_ANTIALIAS = flags.DEFINE_bool(
    'antialias',
    None,
    'Whether resizing averages over the pixels that it drops; a choice for the filters tf_* only. '
    'Default: of the protocol.',
)
_FLIP = flags.DEFINE_bool(
    'flip', None, 'Whether crops are also evaluated mirrored. Default: of the protocol.'
)
_AVERAGE = flags.DEFINE_enum(
    'average', None, AVERAGES, 'Outputs that are averaged over the crops. Default: of the protocol.'
)
_BATCH = flags.DEFINE_integer(
    'batch',
    0,
    'Number of crops per step; 0 is 64, or 4 for whole images. The result does not depend on it.',
    lower_bound=0,
)
_PROBABILITIES = flags.DEFINE_bool(
    'probabilities', False, 'Also save the probability of every class for every image.'
)


def protocol(name: str, side: int) -> Protocol:
    """Returns the named protocol with the changes of the flags.

    Args:
      name: of the protocol.
      side: of the network's input, in pixels.
    """
    changed = changes()
    if 'scales' in changed:
        return dataclasses.replace(ilsvrc.protocol(name), **{'crop': side, **changed})
    return dataclasses.replace(ilsvrc.protocol(name, changed.get('crop', side)), **changed)


def changes() -> dict[str, Any]:
    """Returns the fields of a protocol that the flags replace, {field: value}."""
    changed = {
        'scales': tuple(map(_whole, _RESIZE.value)) if _RESIZE.value else None,
        'crop': _CROP.value,
        'crops': _CROPS.value,
        'mode': _MODE.value,
        'rounding': _ROUNDING.value,
        'filter': _FILTER.value,
        'antialias': _ANTIALIAS.value,
        'flip': _FLIP.value,
        'average': _AVERAGE.value,
    }
    changed = {field: value for field, value in changed.items() if value is not None}
    if 'filter' in changed:
        changed.setdefault('antialias', resample.FILTERS[changed['filter']][0])
    return changed


def _whole(text):
    if not text.strip().isdigit():
        raise ValueError(f'--resize={text}: sides are whole numbers of pixels')
    return int(text)


def own_protocol(net: Classifier) -> Views:
    """Returns the network's own protocol with the changes of the flags.

    Raises:
      ValueError: the network is tested by transforms, which do not have these fields.
    """
    own, changed = net.preprocess.protocol, changes()
    if changed and not isinstance(own, Protocol):
        raise ValueError(
            f'{net.name} is tested by the transforms of its recipe, in which '
            f'{" and ".join(changed)} cannot be replaced; name a --protocol'
        )
    return dataclasses.replace(own, **changed)


def with_protocol(net: Classifier) -> tuple[Classifier, str]:
    """Returns (the network with the protocol of the flags, the title of the protocol).

    Without --protocol the network keeps its own. A protocol with the name of the weights' source
    also means the one that the weights state. Keras is the exception: its weights state a protocol
    for prediction, but were tested by another.
    """
    source = str(net.provenance.get('id', '')).partition('/')[0]
    usual = 'recipe' if not source else source if source in ('timm', 'torchvision') else 'weights'
    title = _PROTOCOL.value or usual
    if title == usual or (title == source != 'keras'):
        how = own_protocol(net)
    else:
        paper = registry.entry(net.architecture).input_shape
        how = protocol(title, (paper if source else net.input_shape)[0])
    model = fully_convolutional.form(net.model, 224) if how.crops == 'whole' else net.model
    preprocess = dataclasses.replace(net.preprocess, protocol=how)
    return net.replace(model=model, preprocess=preprocess), title


def images(found: common.Network) -> sources.ImageSource:
    """Returns the images of the flags, labeled in the order of the network's logits."""
    source = common.images(found)
    for path, keep in ((_ONLY.value, True), (_EXCEPT.value, False)):
        source = imagenet_images.chosen(source, path, keep) if path else source
    return source


def results_table(rows: list[tuple[str, str, Predictions]]) -> Table:
    """Returns the table of the results, one row per network."""
    columns = [
        Column('network'),
        Column('protocol'),
        Column('images', 'integer'),
        Column('top-1', 'percent'),
        Column('95%'),
        Column('top-5', 'percent'),
        Column('95% '),
        Column('loss', 'number', 4),
        Column('ECE', 'percent'),
    ]
    notes = ['Intervals: Wilson. ECE: expected calibration error, 15 bins of equal width.']
    cells = []
    for name, title, found in rows:
        s = found.summary()
        between = [f'{s[f"top{k}_low"]:.2%} to {s[f"top{k}_high"]:.2%}' for k in (1, 5)]
        cells.append(
            [name, title, s['n'], s['top1'], between[0], s['top5'], between[1], s['loss'], s['ece']]
        )
    if _REAL.value:
        columns.append(Column('ReaL', 'percent'))
        for row, (_, _, found) in zip(cells, rows, strict=True):
            right, counted = predictions.real(found, _REAL.value)
            row.append(right / counted if counted else None)
            notes.append(f'ReaL: {right:,} correct of {counted:,} images that have labels.')
    return Table(tuple(columns), cells, 'Evaluation', tuple(dict.fromkeys(notes)))


def worst(found: Predictions, labels: list[str], count: int = 10) -> Table:
    """Returns the table of the classes with the lowest top-1; ties: more images first."""
    rows = [
        (labels[k], n, one / n, five / n, '' if other is None else labels[other])
        for k, (n, one, five, other) in enumerate(found.by_class(len(labels)))
        if n
    ]
    rows.sort(key=lambda row: (row[2], -row[1]))
    columns = (
        Column('class'),
        Column('images', 'integer'),
        Column('top-1', 'percent'),
        Column('top-5', 'percent'),
        Column('most often taken for'),
    )
    return Table(
        columns, rows[:count], f'The {min(count, len(rows))} worst of {len(rows):,} classes'
    )


def save(folder, name: str, found: Predictions, labels: list[str]) -> None:
    """Writes the two files of one result."""
    error, bins = calibration(found.confidence, found.right())
    by_class = {}
    for label, (n, one, five, _) in zip(labels, found.by_class(len(labels)), strict=True):
        if n:
            by_class[label] = {
                'images': n,
                'top1': one / n,
                'top5': five / n,
                'top1_95': wilson(one, n),
            }
    reliability = [{'images': n, 'confidence': c, 'right': r} for n, c, r in bins if n]
    record = {
        **found.about,
        **found.summary(),
        'calibration': {'bins': len(bins), 'ece': error, 'reliability': reliability},
        'by_class': by_class,
    }
    found.save(folder / f'predictions_{name}.npz', _PROBABILITIES.value)
    write_text(folder / f'evaluation_{name}.json', json.dumps(record) + '\n')


def evaluated(net: Classifier, title: str, source: sources.ImageSource) -> Predictions:
    """Evaluates one network on the images."""
    how = net.preprocess.protocol
    whole, devices = how.crops == 'whole', jax.local_device_count()
    batch = _BATCH.value or max((4 if whole else 64) // devices, 1) * devices
    progress = Progress(f'{net.name} {title}', len(source), 1)
    file_names = [''] * len(source)

    def advance(index, name):
        file_names[index] = name
        progress.advance(index + 1)

    try:
        found = scores.probabilities(net, source, batch=batch, advance=advance)
    finally:
        progress.close()
    # each process has seen the names of its own images only
    if jax.process_count() > 1:
        file_names = imagenet_images.file_names(source)
    about = {
        'network': net.name,
        'protocol': title,
        'protocol_fields': dataclasses.asdict(how),
        'images': source.name,
        'split': source.split,
        'fingerprint': source.fingerprint(),
    }
    return predictions.of(found, source.labels(), file_names, about)


def main(_):
    """Evaluates the networks, prints the tables and writes the files."""
    if _PROTOCOLS.value:
        for name, made in ilsvrc.PROTOCOLS.items():
            print(f'{name}\n    {" ".join(made.__doc__.split())}\n    {made(224)}\n')
        return
    networks = common.networks()
    orders = {network.net.class_order for network in networks}
    if len(orders) > 1:
        raise ValueError(
            f'the networks have different classes: {", ".join(sorted(map(str, orders)))}'
        )
    cases = [with_protocol(network.net) for network in networks]
    # prefer a run: it knows the images that it was trained on
    source = images(next((network for network in networks if network.data), networks[0]))
    out = workdir.writable(common.WORKDIR.value) if common.WORKDIR.value else None
    labels = (
        [f'{s.name} ({s.id})' for s in synsets()]
        if orders == {'imagenet'}
        else list(source.class_names)
    )
    rows = [(net.name, title, evaluated(net, title, source)) for net, title in cases]
    if len(rows) > 1:
        mean = np.mean([found.probabilities for _, _, found in rows], 0)
        about = {
            'network': ' + '.join(name for name, _, _ in rows),
            'members': [dict(found.about) for _, _, found in rows],
            'images': source.name,
            'split': source.split,
            'fingerprint': source.fingerprint(),
        }
        rows.append(
            (
                f'mean of {len(cases)}',
                '',
                predictions.of(mean, source.labels(), rows[0][2].name, about),
            )
        )
    results_table(rows).print()
    worst(rows[-1][2], labels).print()
    if out and jax.process_index() == 0:
        for i, (name, title, found) in enumerate(rows):
            unique = f'{i}_' if len({row[:2] for row in rows}) < len(rows) else ''
            save(
                out,
                unique + '_'.join(filter(None, (name, title))).replace('/', '_').replace(' ', '_'),
                found,
                labels,
            )
        print(f'wrote {len(rows)} evaluation_*.json and predictions_*.npz into {out}')


if __name__ == '__main__':
    common.start(main)

r"""Evaluates pretrained weights or a run on ImageNet, or on any set, by the protocol of a paper.

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
    # what the protocols are
    python -m experiments.evaluate_imagenet --protocols

Without --protocol, weights are tested as their source tests them, and a run as its recipe says.
--images takes the validation tar as it is, the training tar, a folder with a folder for each class
(synset ids, or numbers as in ImageNet-V2), or a flat folder with --labels. Every image is counted
exactly once. Into --workdir go evaluation_<name>.json with top-1, top-5, loss, intervals and
calibration, and predictions_<name>.npz, which experiments.compare_predictions compares; nothing is
written before all is done. --data_dir is where prepared sets are.
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

common.network_flags()
common.image_flags(split='validation')
_PROTOCOL = flags.DEFINE_string(
    'protocol',
    None,
    f"How images become views: {', '.join(ilsvrc.PROTOCOLS)}. Default: the source's own.",
)
_PROTOCOLS = flags.DEFINE_bool(
    'protocols', False, 'Prints what each protocol is, and where it is from.'
)

_ONLY = flags.DEFINE_string(
    'only', None, 'A file that lists the images to count, by name or by number from 1.'
)
_EXCEPT = flags.DEFINE_string(
    'except', None, 'A file that lists images to leave out, such as the blacklist of ILSVRC-2014.'
)
_REAL = flags.DEFINE_string(
    'real',
    None,
    'real.json of github.com/google-research/reassessed-imagenet: adds the ReaL accuracy.',
)

_RESIZE = flags.DEFINE_list(
    'resize', None, 'Replaces the sides in pixels that images are resized to: 256, or 256,384,512.'
)
_CROP = flags.DEFINE_integer(
    'crop',
    None,
    'Replaces the side of views in pixels. Default: that of the network.',
    lower_bound=1,
)
_CROPS = flags.DEFINE_enum('crops', None, CROPS, 'Replaces which parts of an image are seen.')
_MODE = flags.DEFINE_enum(
    'mode', None, MODES, 'Replaces how images are resized: the shorter side, or both sides.'
)
_ROUNDING = flags.DEFINE_enum(
    'rounding', None, ROUNDINGS, 'Replaces how sides and places are rounded to pixels.'
)
_FILTER = flags.DEFINE_enum(
    'filter', None, list(resample.FILTERS), 'Replaces the filter of resizing.'
)
_ANTIALIAS = flags.DEFINE_bool(
    'antialias',
    None,
    'Replaces whether the filter averages over what it drops (a choice for tf_* only).',
)
_FLIP = flags.DEFINE_bool('flip', None, 'Replaces whether views are also seen mirrored.')
_AVERAGE = flags.DEFINE_enum('average', None, AVERAGES, 'Replaces what is averaged over the views.')
_BATCH = flags.DEFINE_integer(
    'batch',
    0,
    'Views per step; 0 is 64, or 4 of whole images. The result does not depend on it.',
    lower_bound=0,
)
_PROBABILITIES = flags.DEFINE_bool(
    'probabilities', False, 'Also keeps the probability of every class of every image.'
)


def protocol(name: str, side: int) -> Protocol:
    """The protocol of that name with the flags' changes, for a network with an input of `side`
    pixels.
    """
    said = changes()
    if 'scales' in said:
        return dataclasses.replace(ilsvrc.protocol(name), **{'crop': side, **said})
    return dataclasses.replace(ilsvrc.protocol(name, said.get('crop', side)), **said)


def changes() -> dict[str, Any]:
    """What the flags replace of a protocol."""
    said = {
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
    said = {field: value for field, value in said.items() if value is not None}
    if 'filter' in said:
        said.setdefault('antialias', resample.FILTERS[said['filter']][0])
    return said


def _whole(text):
    if not text.strip().isdigit():
        raise ValueError(f'--resize={text}: sides are whole numbers of pixels')
    return int(text)


def own_protocol(net: Classifier) -> Views:
    """The network's own protocol with the flags' changes; ValueError where it has none of these
    fields.
    """
    own, said = net.preprocess.protocol, changes()
    if said and not isinstance(own, Protocol):
        raise ValueError(
            f'{net.name} is tested by the transforms of its recipe, in which '
            f'{" and ".join(said)} cannot be replaced; name a --protocol'
        )
    return dataclasses.replace(own, **said)


def with_protocol(net: Classifier) -> tuple[Classifier, str]:
    """(the network with the protocol that the flags mean, its title): its own where they name none.

    The protocol that is called as the source of the weights is the one that these weights state,
    except that keras-applications state one for prediction and were tested by another.
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
    """The images that the flags mean, with labels in the order of the network's logits."""
    source = common.images(found)
    for path, keep in ((_ONLY.value, True), (_EXCEPT.value, False)):
        source = imagenet_images.chosen(source, path, keep) if path else source
    return source


def results_table(rows: list[tuple[str, str, Predictions]]) -> Table:
    """One row a network."""
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
            notes.append(f'ReaL: {right:,} of {counted:,} images that have labels.')
    return Table(tuple(columns), cells, 'Evaluation', tuple(dict.fromkeys(notes)))


def worst(found: Predictions, labels: list[str], count: int = 10) -> Table:
    """The classes with the least top-1, the ones with more images first among equals."""
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
    """The two files of one result."""
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
    """Runs one network over the images."""
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
    # each has seen the names of its own images only
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
    """Evaluates, prints and writes."""
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
    # a run has images of its own
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

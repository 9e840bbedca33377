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
import pathlib

import jax
import numpy as np
from absl import flags

from cnnlab import names, weights
from cnnlab.data import preprocessing, sources
from cnnlab.data.decoding import resample
from cnnlab.data.protocols import ilsvrc
from cnnlab.data.protocols.protocol import AVERAGES, CROPS, MODES, ROUNDINGS, Protocol
from cnnlab.data.sources import imagenet_images
from cnnlab.data.synsets import synsets
from cnnlab.models import registry
from cnnlab.report.files import write_text
from cnnlab.report.proportions import calibration, wilson
from cnnlab.report.table import Column, Table
from cnnlab.train import fully_convolutional, predictions, runs, scores, workdir
from cnnlab.train.monitor.progress import Progress
from cnnlab.train.predictions import Predictions
from cnnlab.train.scores import Net

from . import common
from .preprocess import preprocess

_WEIGHTS = flags.DEFINE_multi_string(
    'weights',
    [],
    'Which weights: an id like torchvision/resnet50. Repeated: their mean is tested too.',
)
_FILE = flags.DEFINE_multi_string(
    'file',
    [],
    'The file of each --weights, in the same order; without it they are downloaded or cached.',
)
_RUN = flags.DEFINE_multi_string(
    'run', [], 'A run directory, or one of its checkpoints (RUN/checkpoints/STEP). May be repeated.'
)
_STEP = flags.DEFINE_string(
    'step', 'last', "Which checkpoint of runs: 'last', 'best' (highest validation top-1) or a step."
)
_PROTOCOL = flags.DEFINE_string(
    'protocol',
    None,
    f"How images become views: {', '.join(ilsvrc.PROTOCOLS)}. Default: the source's own.",
)
_PROTOCOLS = flags.DEFINE_bool(
    'protocols', False, 'Prints what each protocol is, and where it is from.'
)

_IMAGES = flags.DEFINE_string('images', None, 'ImageNet images: a tar or a folder, see above.')
_LABELS = flags.DEFINE_string(
    'labels',
    None,
    'Labels of --images: lines of "name label" or "label", synset ids or numbers 0..999.',
)
_DATASET = flags.DEFINE_string(
    'dataset', None, 'Instead of --images: a set by name, with --split and --data_dir.'
)
_SPLIT = flags.DEFINE_string(
    'split', 'validation', 'Of --dataset, or of the set of a run: train, validation or test.'
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
_PREPROCESS = flags.DEFINE_multi_string(
    'preprocess',
    [],
    "Replaces a field of the weights' preprocessing: mean=123,117,104, std=1,1,1, "
    'scale=1, channels=bgr. May be repeated.',
)

_BATCH = flags.DEFINE_integer(
    'batch',
    0,
    'Views per step; 0 is 64, or 4 of whole images. The result does not depend on it.',
    lower_bound=0,
)
_PROBABILITIES = flags.DEFINE_bool(
    'probabilities', False, 'Also keeps the probability of every class of every image.'
)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One network with its protocol."""

    net: Net
    protocol: scores.Views
    # what the order of its logits is: 'imagenet', another set's, or None where that is not known
    classes: str | None
    # of the protocol
    title: str


class RecipeTransform:
    """What a run evaluates on: the evaluation transforms of its recipe."""

    count, average, crops = 1, 'softmax', 'center'

    def __init__(self, transform):
        self.transform = transform

    def views(self, image):
        """One array."""
        return [self.transform(image, np.random.default_rng(0))]


def protocol(
    name: str, side: int, own: weights.Preprocess | None = None, source: str | None = None
) -> Protocol:
    """The protocol of that name with the flags' changes, for a network with an input of `side`
    pixels.

    `own` is the preprocessing of the weights; the protocol 'weights', and that which is called as
    their source, are made from it.
    """
    changes = {
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
    changes = {field: value for field, value in changes.items() if value is not None}
    if 'filter' in changes:
        changes.setdefault('antialias', resample.FILTERS[changes['filter']][0])
    if own and (name == 'weights' or name == source != 'keras'):
        base = own.protocol
    elif 'scales' in changes:
        base, changes = ilsvrc.protocol(name), {'crop': side, **changes}
    else:
        base = ilsvrc.protocol(name, changes.get('crop', side))
    return dataclasses.replace(base, **changes)


def _whole(text):
    if not text.strip().isdigit():
        raise ValueError(f'--resize={text}: sides are whole numbers of pixels')
    return int(text)


def pretrained(id: str, file: str | None) -> Case:
    """Published weights."""
    entry = weights.entry(id)
    seen = preprocess(entry.id, entry.preprocess, _PREPROCESS.value)
    model, variables = (
        weights.from_file(entry.id.partition('.')[0], file) if file else weights.load(entry.id)
    )
    source = entry.id.partition('/')[0]
    name = _PROTOCOL.value or (
        'weights' if source not in ilsvrc.PROTOCOLS or source == 'keras' else source
    )
    how = protocol(name, registry.entry(entry.model).input_shape[0], seen, source)
    title = f'{entry.id.partition(".")[0]} from {pathlib.Path(file).stem}' if file else entry.id
    return Case(
        Net(title, _formed(model, how), variables, seen.mean, seen.std, seen.channels),
        how,
        entry.class_order,
        name,
    )


def trained(path: str) -> tuple[Case, dict]:
    """A run, and its data."""
    run, step = runs.find(path, _STEP.value)
    setup, state = runs.restored(run, step, common.DATA_DIR.value)
    variables = state.evaluation_variables
    mean, std = preprocessing.statistics(setup.data['train'], setup.recipe.data.normalize)
    how = (
        protocol(_PROTOCOL.value, setup.image.shape[1])
        if _PROTOCOL.value
        else RecipeTransform(setup.transform)
    )
    names_of = setup.data['train'].class_names
    order = 'imagenet' if names_of == tuple(s.id for s in synsets()) else setup.recipe.dataset
    net = Net(f'{run.name}/{step}', _formed(setup.model, how), variables, mean, std)
    return Case(net, how, order, _PROTOCOL.value or 'recipe'), setup.data


def _formed(model, how):
    return fully_convolutional.form(model, 224) if how.crops == 'whole' else model


def images(case: Case, data: dict | None) -> sources.ImageSource:
    """The images that the flags mean, with labels in the order of the network's logits."""
    if _IMAGES.value and _DATASET.value:
        raise ValueError('give --images or --dataset, not both')
    if _IMAGES.value:
        found = imagenet_images.open_images(_IMAGES.value, _LABELS.value)
    elif _DATASET.value:
        found = sources.load(_DATASET.value, _SPLIT.value, data_dir=common.DATA_DIR.value)
    elif data:
        found = names.lookup('split of this run', _SPLIT.value, data)
    else:
        raise ValueError(
            'give the images: --images=ILSVRC2012_img_val.tar, or --dataset and --data_dir'
        )
    if case.classes is None:
        raise ValueError(
            f'the order of the classes of {case.net.name} is not known, so that no label can be '
            f'compared'
        )
    if case.classes == 'imagenet':
        found = imagenet_images.in_order_of_logits(found)
    elif (_IMAGES.value or _DATASET.value) and case.classes.partition(':')[
        0
    ] != found.name.partition(':')[0]:
        raise ValueError(
            f'{case.net.name} has the classes of {case.classes}, the images are those of '
            f'{found.name}'
        )
    for path, keep in ((_ONLY.value, True), (_EXCEPT.value, False)):
        found = imagenet_images.chosen(found, path, keep) if path else found
    return found


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


def evaluated(case: Case, source: sources.ImageSource) -> Predictions:
    """Runs one network over the images."""
    whole, devices = case.protocol.crops == 'whole', jax.local_device_count()
    batch = _BATCH.value or max((4 if whole else 64) // devices, 1) * devices
    progress, file_names = (
        Progress(f'{case.net.name} {case.title}', len(source), 1),
        [''] * len(source),
    )

    def advance(index, name):
        file_names[index] = name
        progress.advance(index + 1)

    try:
        found = scores.probabilities(case.net, case.protocol, source, batch=batch, advance=advance)
    finally:
        progress.close()
    # each has seen the names of its own images only
    if jax.process_count() > 1:
        file_names = imagenet_images.file_names(source)
    how = (
        dataclasses.asdict(case.protocol)
        if isinstance(case.protocol, Protocol)
        else {'view': str(case.protocol.view)}
    )
    about = {
        'network': case.net.name,
        'protocol': case.title,
        'protocol_fields': how,
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
    if not _WEIGHTS.value and not _RUN.value:
        raise ValueError('give a network: --weights=torchvision/resnet50 or --run=runs/...')
    if _FILE.value and len(_FILE.value) != len(_WEIGHTS.value):
        raise ValueError(
            f'there are {len(_WEIGHTS.value)} --weights but {len(_FILE.value)} --file; give one '
            f'for each, or none'
        )
    cases, data = [], None
    for path in _RUN.value:
        case, own = trained(path)
        cases, data = [*cases, case], data or own
    cases += [
        pretrained(id, file)
        for id, file in zip(
            _WEIGHTS.value, _FILE.value or [None] * len(_WEIGHTS.value), strict=True
        )
    ]
    if len({case.classes for case in cases}) > 1:
        raise ValueError(
            f'the networks have different classes: '
            f'{", ".join(sorted({str(case.classes) for case in cases}))}'
        )
    source = images(cases[0], data)
    out = workdir.writable(common.WORKDIR.value) if common.WORKDIR.value else None
    labels = (
        [f'{s.name} ({s.id})' for s in synsets()]
        if cases[0].classes == 'imagenet'
        else list(source.class_names)
    )
    rows = [(case.net.name, case.title, evaluated(case, source)) for case in cases]
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

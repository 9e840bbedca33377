r"""Tabulates the cost and receptive field of every layer, and the memory that the network takes.

    python -m experiments.analyze --model=vgg16 --depth=1
    python -m experiments.analyze --model=resnet50 --against=resnet50_v1_5 --depth=2
    python -m experiments.analyze --model=mobilenet_v2 --input_size=160 --batch=64 --format=html \
        --out=mobilenet_v2.html

Only shapes are computed, which takes seconds and no accelerator. VGG-16 gives the CNN lectures'
table: 3,211,264 values and 1,728 weights for the first convolution, and 138,357,544 parameters and
15.47 G multiply-adds in total.
"""

import re

from absl import flags

from cnnlab import weights
from cnnlab.analysis import cost, memory, table
from cnnlab.models import registry
from cnnlab.report import listing, page
from cnnlab.report.numbers import show

from . import common

_MODEL = flags.DEFINE_string(
    'model',
    None,
    'Name of the network (`python -m experiments.zoo` lists them), or the id of published weights '
    'that fit it.',
)
_AGAINST = flags.DEFINE_string(
    'against', None, 'Second network, shown beside the first with the differences.'
)
_SIZE = flags.DEFINE_string(
    'input_size',
    None,
    'Size of the images in pixels: 160, or 160x224 (height x width). Default: the size in the '
    'paper.',
)
_CLASSES = flags.DEFINE_integer(
    'num_classes', None, 'Number of classes. Default: as in the paper.', lower_bound=1
)
_BATCH = flags.DEFINE_integer(
    'batch', 1, 'Number of images. Outputs, MACs and bytes count the whole batch.', lower_bound=1
)
_DEPTH = flags.DEFINE_integer(
    'depth',
    None,
    'Number of names of a layer path to keep, so that layers fold into blocks. Default: every '
    'layer; on a page, blocks that unfold.',
    lower_bound=1,
)
_FORMAT = flags.DEFINE_enum(
    'format',
    'text',
    ['text', 'markdown', 'csv', 'html'],
    'Output format. html writes a page and needs --out.',
)
_OUT = flags.DEFINE_string('out', None, 'File to write. Default: the terminal.')


def main(_):
    if not _MODEL.value:
        raise ValueError(
            '--model is needed: the name of a network, such as vgg16; `python -m experiments.zoo` '
            'lists them'
        )
    if _FORMAT.value == 'html' and not _OUT.value:
        raise ValueError('--format=html writes a page; say where with --out=page.html')
    model, shape = _network(_MODEL.value)
    costs = cost.costs(model, shape, _BATCH.value)
    size = ' x '.join(map(str, shape))
    if _AGAINST.value:
        other, other_shape = _network(_AGAINST.value)
        title = f'{_MODEL.value} and {_AGAINST.value}'
        shown = table.side_by_side(
            costs,
            cost.costs(other, other_shape, _BATCH.value),
            (_MODEL.value, _AGAINST.value),
            title,
            _DEPTH.value,
        )
        facts = _memory(_MODEL.value, model, shape) | _memory(_AGAINST.value, other, other_shape)
    else:
        title = f'{_MODEL.value}: {_BATCH.value} image{"s" if _BATCH.value > 1 else ""} of {size}'
        folds = _FORMAT.value == 'html' and _DEPTH.value is None
        shown = table.outline(costs, title) if folds else table.layers(costs, title, _DEPTH.value)
        facts = _memory(_MODEL.value, model, shape)
    _write(title, shown, facts)


def _network(name):
    """Returns the network with --num_classes, and the shape (h, w, c) of its images."""
    registered, fields = weights.model_of(name)
    if _CLASSES.value is not None:
        fields['num_classes'] = _CLASSES.value
    shape = registry.entry(registered).input_shape
    if _SIZE.value is not None:
        size = re.fullmatch(r'(\d+)(?:x(\d+))?', _SIZE.value)
        if not size:
            raise ValueError(
                f'--input_size is 224 or 160x224 (height x width), got {_SIZE.value!r}'
            )
        shape = (int(size[1]), int(size[2] or size[1]), *shape[2:])
    return registry.create(registered, **fields), shape


def _memory(name, model, shape):
    """Returns sentences on the memory that inference and a training step take."""
    run = memory.inference(model, shape, _BATCH.value)
    step = memory.training(model, shape, _BATCH.value)
    return {
        f'{name}, inference': f'{_bytes(run.total)}: weights {_bytes(run.weights)}, images '
        f'{_bytes(run.images)}, results at one time '
        f'{_bytes(run.peak)} (the outputs of all layers together {_bytes(run.kept)})',
        f'{name}, training step': f'about {_bytes(step.total)}: parameters {_bytes(step.params)}, '
        f'gradients {_bytes(step.gradients)}, '
        f'momentum {_bytes(step.optimizer)}, batch statistics {_bytes(step.batch_stats)}, '
        f'images {_bytes(step.images)}, activations {_bytes(step.activations)}',
    }


def _bytes(count):
    return f'{show(count, "quantity")}B' if count >= 1000 else f'{count} B'


def _write(title, shown, facts):
    if _FORMAT.value == 'html':
        page.write_page(
            _OUT.value,
            title,
            [page.Section('Layers', [shown]), page.Section('Memory in float32', [facts])],
        )
        return
    text = listing.formatted(shown, _FORMAT.value)
    if _FORMAT.value != 'csv':
        text += (
            '\n'
            + '\n'.join(
                f'{label}: {value}' + ('  ' if _FORMAT.value == 'markdown' else '')
                for label, value in facts.items()
            )
            + '\n'
        )
    listing.emit(text, _OUT.value)


if __name__ == '__main__':
    common.start(main)

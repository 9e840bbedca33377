r"""Reads a published weights file as one of our networks and writes it again.

    python -m experiments.import_weights --weights=torchvision/resnet50 --file=resnet50.pth \
        --out=resnet50.safetensors
    # downloads; our own paths and layout
    python -m experiments.import_weights --weights=keras/ResNet50V2 --out=ours.npz
    # every id, with its model
    python -m experiments.import_weights --list

A .safetensors file holds the source's names and layouts, so that it loads at the source too; an
.npz file holds our paths ('params/stem/conv/kernel') and layout. Nothing is written unless every
array has its place.
"""

import pathlib

import numpy as np
from absl import flags
from safetensors.numpy import save_file

from cnnlab import front, tree, weights
from cnnlab.report.table import Column, Table

from . import common

_WEIGHTS = flags.DEFINE_string('weights', None, 'Which weights: an id like torchvision/resnet50.')
_FILE = flags.DEFINE_string(
    'file',
    None,
    'The file to read; without it the published file is downloaded, or comes from the cache.',
)
_EMA = flags.DEFINE_bool(
    'ema', False, 'Take the moving average of a training checkpoint that holds both.'
)
_OUT = flags.DEFINE_string(
    'out',
    None,
    'The file to write: .safetensors under the names of the source, or .npz under ours.',
)
_LIST = flags.DEFINE_bool('list', False, 'Lists every id and its model instead.')


def listing() -> Table:
    """Every id with its model, and the tags that its source publishes."""
    rows = [
        (id, weights.entry(id).model, ', '.join(weights.tags(id)) or None)
        for id in weights.supported()
    ]
    return Table(
        (Column('id'), Column('model'), Column('published')), rows, f'{len(rows)} known weights'
    )


def main(_):
    """Reads, checks and writes."""
    if _LIST.value:
        listing().print()
        return
    if not _WEIGHTS.value or not _OUT.value:
        raise ValueError('--weights and --out are needed, or --list')
    out = pathlib.Path(_OUT.value)
    if out.suffix not in ('.safetensors', '.npz'):
        raise ValueError(
            f'--out={out} must end in .safetensors (the names of the source) or .npz (ours)'
        )
    entry = weights.entry(_WEIGHTS.value)
    id = entry.id.partition('.')[0]
    variables = front.published(entry.id, _FILE.value, ema=_EMA.value).variables
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == '.npz':
        np.savez(out, **tree.named_leaves(variables))
    else:
        kind = 'np' if id.startswith('keras/') else 'pt'
        save_file(weights.to_arrays(id, variables), out, metadata={'format': kind, 'id': entry.id})
    print(
        f'{entry.id} as {entry.model}: {tree.count(variables["params"]):,} parameters, every '
        f'array used; wrote {out}'
    )


if __name__ == '__main__':
    common.start(main)

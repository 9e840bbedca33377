r"""Reads a file of published weights, checks it and writes it again.

    python -m experiments.import_weights --weights=torchvision/resnet50 --file=resnet50.pth \
        --out=resnet50.safetensors
    # downloads, and writes our own paths and layout
    python -m experiments.import_weights --weights=keras/ResNet50V2 --out=ours.npz
    # lists every id with its model
    python -m experiments.import_weights --list

A .safetensors file holds the names and layouts of the source, so the source can load it as well.
An .npz file holds our paths ('params/stem/conv/kernel') and layout. Nothing is written unless every
array matches a variable of the network.
"""

import pathlib

import numpy as np
from absl import flags
from safetensors.numpy import save_file

from cnnlab import front, tree, weights
from cnnlab.report.table import Column, Table

from . import common

_WEIGHTS = flags.DEFINE_string('weights', None, 'Id of the weights, such as torchvision/resnet50.')
_FILE = flags.DEFINE_string(
    'file',
    None,
    'File to read. Default: the published file, downloaded or from the cache.',
)
_EMA = flags.DEFINE_bool(
    'ema', False, 'Use the moving average of a training checkpoint that holds both.'
)
_OUT = flags.DEFINE_string(
    'out',
    None,
    'File to write: .safetensors with the names of the source, or .npz with ours.',
)
_LIST = flags.DEFINE_bool('list', False, 'List every id and its model, and exit.')


def listing() -> Table:
    """Returns the table of ids, with the model and the published tags of each."""
    rows = [
        (id, weights.entry(id).model, ', '.join(weights.tags(id)) or None)
        for id in weights.supported()
    ]
    return Table(
        (Column('id'), Column('model'), Column('published')), rows, f'{len(rows)} known weights'
    )


def main(_):
    """Reads the weights, checks them and writes the file."""
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

"""What reading a large file takes of memory, measured in a process of its own."""

import itertools
import os
import pathlib
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.numpy

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import api, catalog
from cnnlab.weights.readers import keras_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
# the second is measured
TORCH, KERAS = (
    ('torchvision/squeezenet1_1', 'torchvision/alexnet'),
    ('keras/MobileNetV2', 'keras/ResNet50V2'),
)
MEASURED = """
import pathlib, sys
from cnnlab import weights

def high():
    lines = pathlib.Path('/proc/self/status').read_text().splitlines()
    [line] = [line for line in lines if line.startswith('VmHWM')]
    return 1024 * int(line.split()[1])

for id, path in zip(sys.argv[1::2], sys.argv[2::2]):
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    before = high()
    weights.from_file(id, path)
print(high() - before)  # of the last: what the libraries and the first trace take is not counted
"""


def made(id, dtype=np.float32):
    """Arrays of the network that an id fills, all ones."""
    found = catalog.source(id)
    shapes = tree.named_leaves(
        api.wanted_shapes(registry.create(found.model, **found.fields), catalog.input_shape(found))
    )
    return weights.to_arrays(
        id, tree.nested({path: np.ones(shape.shape, dtype) for path, shape in shapes.items()})
    )


def save_weights_h5(arrays, path):
    """As Keras 3 lays it out: a group for each layer, its variables numbered, its name an
    attribute.
    """
    with h5py.File(path, 'w') as root:
        for i, (layer, names) in enumerate(
            itertools.groupby(sorted(arrays), key=lambda name: name.rpartition('/')[0])
        ):
            leaves = {name.rpartition('/')[2]: arrays[name] for name in names}
            kind, order = next(
                (kind, order)
                for kind, order in keras_file.ORDER.items()
                if set(leaves) <= set(order)
            )
            group = root.create_group(f'layers/{kind}_{i}/vars')
            group.attrs['name'] = layer
            for k, leaf in enumerate(leaf for leaf in order if leaf in leaves):
                group[str(k)] = leaves[leaf]


def save(arrays, path):
    """A file of the form that its suffix says."""
    if path.suffix == '.npz':
        np.savez(path, **arrays)
    elif path.suffix == '.safetensors':
        safetensors.numpy.save_file(arrays, path)
    else:
        inner = path.with_suffix('.h5')
        save_weights_h5(arrays, inner)
        if path.suffix == '.keras':
            with zipfile.ZipFile(path, 'w') as archive:
                archive.writestr('config.json', '{}')
                archive.write(inner, 'model.weights.h5')


@pytest.mark.slow
@pytest.mark.skipif(
    not pathlib.Path('/proc/self/clear_refs').exists(), reason='measures memory as Linux tells it'
)
@pytest.mark.parametrize(
    ('form', 'ids', 'dtype', 'limit'),
    [
        ('safetensors', TORCH, np.float32, 2),
        ('h5', KERAS, np.float32, 2),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in (
                ('npz', TORCH, np.float32, 2),
                ('keras', KERAS, np.float32, 2),
                # the float32 variables alone are twice a file of halves
                ('safetensors', TORCH, np.float16, 4),
            )
        ),
    ],
)
def test_reading_takes_less_than_twice_the_memory_of_the_variables(
    form, ids, dtype, limit, tmp_path
):
    arguments = []
    for id in ids:
        path = tmp_path / f'{id.replace("/", "_")}.{form}'
        save(made(id, dtype), path)
        arguments += [id, path]
    done = subprocess.run(
        [sys.executable, '-c', MEASURED, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)},
    )
    assert int(done.stdout) < limit * path.stat().st_size

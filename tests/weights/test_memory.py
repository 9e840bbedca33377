"""What reading a large file takes of memory, measured in a process of its own."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from cnnlab import tree, weights
from cnnlab.models import registry
from cnnlab.weights import api, convert

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEASURED = """
import pathlib, sys
from cnnlab import weights

def high():
    [line] = [n for n in pathlib.Path('/proc/self/status').read_text().splitlines() if n.startswith('VmHWM')]
    return 1024 * int(line.split()[1])

weights.from_file('torchvision/squeezenet1_1', sys.argv[2])  # what the libraries and the first trace take is not counted
pathlib.Path('/proc/self/clear_refs').write_text('5')
before = high()
weights.from_file('torchvision/alexnet', sys.argv[1])
print(high() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path('/proc/self/clear_refs').exists(), reason='measures memory as Linux tells it')
@pytest.mark.parametrize('form', ['safetensors', 'npz'])
def test_reading_takes_less_than_twice_the_files_memory(form, tmp_path):
    for id, model in (('torchvision/alexnet', 'alexnet_torchvision'), ('torchvision/squeezenet1_1', 'squeezenet1_1')):
        shapes = tree.named_leaves(api.wanted_shapes(registry.create(model), (224, 224, 3)))
        arrays = weights.to_arrays(id, convert.nested({p: np.ones(s.shape, np.float32) for p, s in shapes.items()}))
        path = tmp_path / f'{model}.{form}'
        if form == 'npz':
            np.savez(path, **arrays)
        else:
            safetensors.numpy.save_file(arrays, path)
    files = tmp_path / f'alexnet_torchvision.{form}', tmp_path / f'squeezenet1_1.{form}'
    done = subprocess.run([sys.executable, '-c', MEASURED, *map(str, files)], capture_output=True, text=True, check=True, timeout=300,
                          env={**os.environ, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)})
    assert int(done.stdout) < 2 * files[0].stat().st_size

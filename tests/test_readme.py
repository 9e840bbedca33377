"""The README's code runs as it stands."""

import os
import pathlib
import re
import subprocess
import sys

import jax
import pytest

from cnnlab.models import registry
from tests.experiments.commands import QUICK

README = (pathlib.Path(__file__).resolve().parents[1] / 'README.md').read_text()
BLOCKS = re.findall(r'```python\n(.*?)```', README, flags=re.S)


def block(with_text):
    """The one block of code that holds a text."""
    (found,) = [b for b in BLOCKS if with_text in b]
    return found


def test_the_example_network_registers_and_has_the_count_that_it_states(monkeypatch):
    # the families register themselves now, and not in the copy
    registry.names()
    monkeypatch.setattr(registry, '_TABLE', dict(registry._TABLE))
    exec(compile(block("'tinynet'"), 'README.md', 'exec'), {'__name__': 'readme'})
    model, entry = registry.create('tinynet'), registry.entry('tinynet')
    x = jax.ShapeDtypeStruct((2, *entry.input_shape), 'float32')
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)
    assert sum(a.size for a in jax.tree.leaves(variables['params'])) == entry.params
    assert jax.eval_shape(model.apply, variables, x).shape == (2, 10)


def test_every_command_names_an_experiment_that_exists():
    commands = re.findall(r'python -m (experiments\.\w+)', README)
    assert len(commands) >= 3
    for command in commands:
        assert (
            pathlib.Path(__file__).resolve().parents[1] / (command.replace('.', '/') + '.py')
        ).is_file(), command


@pytest.mark.slow
def test_the_lines_for_a_notebook_run():
    """All the blocks but the example network, one after another in one process, as a notebook
    would.

    The block that downloads weights runs in tests/weights, with a file in place of the download.
    """
    code = '\n'.join(b for b in BLOCKS if "'tinynet'" not in b and 'weights.load' not in b)
    root = pathlib.Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | QUICK,
    )
    assert done.returncode == 0, done.stderr

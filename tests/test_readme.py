"""The README's code runs as it stands."""

import ast
import pathlib
import re

import jax
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

import cnnlab
from cnnlab import front
from cnnlab.models import registry

README = (pathlib.Path(__file__).resolve().parents[1] / 'README.md').read_text()
BLOCKS = re.findall(r'```python\n(.*?)```', README, flags=re.S)


def block(with_text):
    """The one block of code that holds a text."""
    (found,) = [b for b in BLOCKS if with_text in b]
    return found


def test_the_example_network_registers_and_has_the_count_that_it_states(own_table):
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
def test_the_lines_for_a_notebook_run(squeezenet_file, tmp_path, monkeypatch):
    """All the blocks but the example network, one after another, as a notebook would run them, with
    a file in place of the download.
    """
    monkeypatch.setattr(cnnlab, 'load', lambda id: front.published(id, squeezenet_file))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(load_sample_images().images[0]).save('image.jpg')
    scope, blocks = {}, [b for b in BLOCKS if "'tinynet'" not in b]
    assert len(blocks) >= 3
    for code in blocks:
        exec(compile(code, 'README.md', 'exec'), scope)
    assert scope['mine'].num_classes == 2 and scope['features'].shape == (2, 13, 13, 512)
    [(name, _), _] = scope['mine'].predict('image.jpg', top=2)
    assert name in ('cat', 'dog')


def test_training_takes_seven_statements():
    [code] = [b for b in BLOCKS if 'optax' in b]
    imports = (ast.Import, ast.ImportFrom)
    assert len([n for n in ast.parse(code).body if not isinstance(n, imports)]) == 7

"""Properties of every registered network, on shapes only; registering a network tests it."""

import ast
import collections
import difflib
import math
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from cnnlab import models, tree
from cnnlab.models import registry
from cnnlab.nn.layers import BatchNorm, BatchNormConfig
from cnnlab.nn.norms import has_batch_norm
from tests import golden

NAMES = registry.names()
# leaves; beyond, tracing a network takes more than half a second
MANY = 150


def each(names):
    """Names as parameters; one of many leaves is left to the slow tier where it is the smallest of
    its family, else to the full one.
    """

    def tier(name):
        if golden.leaves(name) <= MANY:
            return ()
        return pytest.mark.slow if name in golden.smallest() else pytest.mark.full

    return [pytest.param(name, marks=tier(name)) for name in names]


@pytest.fixture(scope='module', params=each(NAMES))
def name(request):
    """A registered network; all tests of its trace run in a row, in one process."""
    return request.param


def test_parameters_are_exactly_as_many_as_the_source_says(name):
    assert tree.count(golden.trace(name)[1]['params']) == registry.entry(name).params


def test_variables_have_the_names_and_shapes_of_the_golden_file(name):
    path, content = golden.file(name), golden.content(name)
    assert path.is_file(), (
        f'{name} has no golden file: run `make golden`, look at what it wrote to {path}, and '
        f'commit that'
    )
    stored = path.read_text()
    difference = '\n'.join(
        difflib.unified_diff(
            stored.splitlines(), content.splitlines(), 'golden', 'now', lineterm='', n=0
        )
    )
    assert stored == content, (
        f'names or shapes of {name} changed; if that is intended, run `make golden`:\n{difference}'
    )


def test_evaluation_gives_one_float32_array_of_logits(name):
    logits = golden.trace(name)[0]
    assert (logits.shape[0], len(logits.shape), logits.dtype) == (2, 2, jnp.float32)
    assert logits.shape[1] == registry.create(name).num_classes


def test_variables_are_float32_and_nothing_but_parameters_and_batch_statistics(name):
    variables = golden.trace(name)[1]
    assert set(variables) <= {'params', 'batch_stats'}
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype('float32')}


def test_module_names_are_given_and_not_numbered_by_the_framework(name):
    automatic = [
        part
        for path in tree.named_leaves(golden.trace(name)[1])
        for part in path.split('/')
        if part.rpartition('_')[0][:1].isupper() and part.rpartition('_')[2].isdigit()
    ]
    assert automatic == []


@pytest.mark.parametrize('name', NAMES)
def test_paper_year_and_input_are_stated(name):
    entry = registry.entry(name)
    assert len(entry.paper) > 8
    assert 1943 <= entry.year <= 2100
    assert len(entry.input_shape) == 3 and min(entry.input_shape) > 0


@pytest.mark.parametrize('name', NAMES)
def test_uint8_images_are_refused_in_one_sentence(name):
    model, shape = registry.create(name), registry.entry(name).input_shape
    with pytest.raises(ValueError, match='uint8'):
        jax.eval_shape(
            lambda x: model.init(jax.random.key(0), x), jax.ShapeDtypeStruct((2, *shape), jnp.uint8)
        )


@pytest.mark.parametrize('name', NAMES)
def test_what_is_no_batch_of_images_is_refused_in_one_sentence(name):
    model, shape = registry.create(name), registry.entry(name).input_shape
    for wrong in (shape, (2, *shape[:2])):
        with pytest.raises(
            ValueError, match=r'got an array of shape .*; it takes \(n, height, width, channels\)'
        ):
            jax.eval_shape(
                lambda x: model.init(jax.random.key(0), x), jax.ShapeDtypeStruct(wrong, jnp.float32)
            )


def literal_registrations():
    """Every name that stands in quotes as the first argument of a call outside of functions and
    loops, anywhere in the models' folder.
    """
    for path in pathlib.Path(models.__path__[0]).glob('*.py'):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.args:
                first = node.value.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_every_network_is_registered_by_a_line_of_its_own_that_a_search_for_its_name_finds():
    found = collections.Counter(literal_registrations())
    aliases = set(found) - set(NAMES)
    assert [name for name in NAMES if found[name] != 1] == []
    assert all(registry.resolve(name) in NAMES for name in aliases)


def test_a_network_is_found_by_its_file_alone(tmp_path):
    (tmp_path / 'newnet.py').write_text(
        'from cnnlab.models.linear import SoftmaxLinear\n'
        'from cnnlab.models.registry import register\n'
        'register("newnet", SoftmaxLinear, family="New", paper="none", year=2026, params=30_730)\n'
    )
    code = (
        'from cnnlab import models, names\n'
        'from cnnlab.models import registry\n'
        f'models.__path__.append({str(tmp_path)!r})\n'
        'assert registry.entry("newnet").family == "New"\n'
        'assert registry.families()["New"] == ["newnet"]\n'
        'assert names.registrants() == ()\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_importing_the_registry_imports_no_family():
    code = (
        'import sys\nfrom cnnlab.models import registry\n'
        'def families(): return [m for m in sys.modules if m.startswith("cnnlab.models.")]\n'
        'assert families() == ["cnnlab.models.registry"], families()\n'
        'registry.names()\nassert "cnnlab.models.vgg" in families()\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_no_golden_file_is_left_of_a_network_that_is_gone():
    assert [path.stem for path in golden.FOLDER.glob('*.json') if path.stem not in NAMES] == []


def test_names_are_sorted_and_spelled_alike():
    assert sorted(NAMES) == NAMES
    assert [n for n in NAMES if not n.replace('_', '').isalnum() or n != n.lower()] == []


def with_heads():
    """The first network of each class that has auxiliary heads."""
    return list(
        {
            registry.entry(n).cls: n
            for n in reversed(NAMES)
            if 'aux' in registry.field_names(registry.entry(n).cls)
        }.values()
    )


@pytest.mark.parametrize('name', each(with_heads()))
def test_auxiliary_heads_exist_when_asked_for_and_answer_in_training_only(name):
    model = registry.create(name, aux=True)
    images = jax.ShapeDtypeStruct((2, *registry.entry(name).input_shape), jnp.float32)
    rngs = {'params': jax.random.key(0), 'dropout': jax.random.key(1)}
    with golden.reference_convolution():
        evaluated, variables = jax.eval_shape(lambda x: model.init_with_output(rngs, x), images)
        trained, _ = jax.eval_shape(
            lambda v, x: model.apply(v, x, train=True, rngs=rngs, mutable=['batch_stats']),
            variables,
            images,
        )
    assert tree.count(variables['params']) > registry.entry(name).params
    assert evaluated.shape == (2, model.num_classes)
    assert len(trained) > 1
    assert {(logits.shape, logits.dtype) for logits in trained} == {
        ((2, model.num_classes), jnp.dtype('float32'))
    }


# other than any layer's own
SETTINGS = BatchNormConfig(ghost_batch_size=1, momentum=0.25, eps=0.125, frozen=('^no layer$',))


def batch_norms(model, input_shape):
    """{path: the settings that it follows} of every batch norm that the network calls."""
    found = {}

    def note(call, args, kwargs, context):
        if isinstance(context.module, BatchNorm) and context.method_name == '__call__':
            found['/'.join(context.module.path)] = context.module.norm
        return call(*args, **kwargs)

    images = jax.ShapeDtypeStruct((2, *input_shape), jnp.float32)
    with golden.reference_convolution(), nn.intercept_methods(note):
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), images)
    statistics = {
        path.rpartition('/')[0]
        for path in tree.named_leaves(variables.get('batch_stats', {}))
        if path.endswith('/var')
    }
    # `normalize` holds constants of Keras
    assert statistics - {'normalize'} == set(found)
    return found


@pytest.mark.parametrize('name', each(NAMES))
def test_settings_of_batch_norm_reach_every_batch_norm(name):
    entry = registry.entry(name)
    if has_batch_norm(registry.create(name)):
        heads = {'aux': True} if 'aux' in registry.field_names(entry.cls) else {}
        model = registry.create(name, norm=SETTINGS, **heads)
        assert set(batch_norms(model, entry.input_shape).values()) == {SETTINGS}
    else:
        with pytest.raises(ValueError, match=f'the network {name} has no batch norm'):
            registry.create(name, norm=SETTINGS)
        assert not batch_norms(registry.create(name), entry.input_shape)


@pytest.mark.parametrize('name', ['vgg11', 'googlenet', 'keras_mnist_convnet'])
def test_a_network_that_is_given_batch_norm_takes_its_settings(name):
    model = registry.create(name, batch_norm=True, norm=SETTINGS)
    found = batch_norms(model, registry.entry(name).input_shape)
    assert len(found) > 2 and set(found.values()) == {SETTINGS}


@pytest.mark.parametrize('given', [True, None, {'eps': 1e-3}])
def test_settings_of_batch_norm_are_a_config(given):
    with pytest.raises(ValueError, match='the field norm of ResNet is a BatchNormConfig, got'):
        registry.create('resnet18', norm=given)


class Toy(nn.Module):
    """A class to register, or to fail to."""

    width: int = 3
    num_classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        return x.mean((1, 2))


FACTS = {'family': 'toys', 'paper': 'none, a toy', 'year': 2000, 'params': 0}


def test_a_registered_network_is_created_with_its_fields(own_table):
    registry.register('toy', Toy, width=5, input_shape=(8, 8, 1), **FACTS)
    assert registry.create('toy') == Toy(width=5)
    assert registry.create('toy', width=6, num_classes=2) == Toy(6, 2)
    assert registry.entry('toy').input_shape == (8, 8, 1)
    assert registry.entry('toy').registered_by == __name__
    assert 'toy' in registry.names()


def test_a_name_is_registered_once(own_table):
    taken = registry.entry('lenet5').cls
    with pytest.raises(ValueError, match="'lenet5' is registered already, with LeNet5 of LeCun"):
        registry.register('lenet5', Toy, **FACTS)
    assert registry.entry('lenet5').cls is taken


def test_a_second_name_of_a_network_is_not_given_to_another(own_table):
    with pytest.raises(ValueError, match="'resnet20' is taken: it means cifar_resnet20"):
        registry.register('resnet20', Toy, **FACTS)


def test_registering_an_unknown_field_is_refused(own_table):
    with pytest.raises(ValueError, match="no field of Toy named 'widht'; did you mean width"):
        registry.register('toy', Toy, widht=5, **FACTS)
    assert 'toy' not in registry.names()


@pytest.mark.parametrize('call', [registry.create, registry.entry])
def test_an_unknown_name_suggests_the_nearest(call):
    with pytest.raises(KeyError, match=r"no model named 'lenet_5'; did you mean .*lenet5"):
        call('lenet_5')


def test_an_unknown_field_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"no field of Perceptron named 'num_clases'; did you mean num_classes"
    ):
        registry.create('mlp2', num_clases=3)


@pytest.mark.parametrize('classes', [0, -1])
def test_fewer_than_one_class_is_refused(classes):
    with pytest.raises(ValueError, match=f'num_classes must be at least 1, got {classes}'):
        registry.create('mlp2', num_classes=classes)


def test_the_registrys_counts_are_whole_numbers_within_reason():
    assert all(
        isinstance(registry.entry(n).params, int) and 1 < math.log10(registry.entry(n).params) < 9.5
        for n in NAMES
    )

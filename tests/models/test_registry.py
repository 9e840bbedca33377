"""What holds for every registered network, on shapes only; a new one is under these tests by being
registered.
"""

import difflib
import math

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from cnnlab import tree
from cnnlab.models import registry
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
    """A registered network; all that is asked of its trace is asked in a row, in one process."""
    return request.param


def test_parameters_are_exactly_as_many_as_the_source_says(name):
    assert tree.count(golden.trace(name)[1]['params']) == registry.entry(name).params


def test_variables_have_the_names_and_shapes_of_the_golden_file(name):
    path, content = golden.file(name), golden.content(name)
    assert path.is_file(), (
        f'{name} has no golden file; look at what `python -m tests.golden {name}` writes and '
        f'commit it'
    )
    stored = path.read_text()
    difference = '\n'.join(
        difflib.unified_diff(
            stored.splitlines(), content.splitlines(), 'golden', 'now', lineterm='', n=0
        )
    )
    assert stored == content, (
        f'if this is intended, run `python -m tests.golden {name}`:\n{difference}'
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


class Toy(nn.Module):
    """A class to register, or to fail to."""

    width: int = 3
    num_classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        return x.mean((1, 2))


FACTS = {'paper': 'none, a toy', 'year': 2000, 'params': 0}


@pytest.fixture
def own_table(monkeypatch):
    """Registrations of the test are gone after it."""
    monkeypatch.setattr(registry, '_TABLE', dict(registry._TABLE))


def test_a_registered_network_is_created_with_its_fields(own_table):
    registry.register('toy', Toy, width=5, input_shape=(8, 8, 1), **FACTS)
    assert registry.create('toy') == Toy(width=5)
    assert registry.create('toy', width=6, num_classes=2) == Toy(6, 2)
    assert registry.entry('toy').input_shape == (8, 8, 1)
    assert 'toy' in registry.names()


def test_a_name_is_registered_once(own_table):
    taken = registry.entry('lenet5').cls
    with pytest.raises(ValueError, match="'lenet5' is registered already, with LeNet5 of LeCun"):
        registry.register('lenet5', Toy, **FACTS)
    assert registry.entry('lenet5').cls is taken


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

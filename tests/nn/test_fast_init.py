"""Fast initial variables: the bits of `model.init`, by chunks where draws can be, else plainly."""

import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.models import registry
from cnnlab.nn import fast_init, initializers
from cnnlab.nn.fast_init import initialize
from cnnlab.nn.layers import BatchNorm, Conv, Dense, GlobalAvgPool

KEY = jax.random.key(0)
IMAGES = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
ZEROS = jnp.zeros(IMAGES.shape, IMAGES.dtype)


@pytest.fixture(scope='module', autouse=True)
def optimized(compiling_quickly):
    """XLA's optimizations, which round, are on: other tests of this folder do without."""
    jax.config.update('jax_disable_most_optimizations', False)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.fixture
def in_chunks(monkeypatch):
    """A function that draws, and fails where plain drawing would be needed."""

    def draw(model, rngs, images):
        with monkeypatch.context() as patch:
            patch.setattr(nn.Module, 'lazy_init', None)
            return initialize(model, rngs, images)

    return draw


@pytest.fixture
def plainly(monkeypatch):
    """A function that draws, and fails where no plain drawing happens."""

    def draw(model, rngs, images):
        calls = []
        lazy_init = nn.Module.lazy_init
        with monkeypatch.context() as patch:
            patch.setattr(nn.Module, 'lazy_init', lambda *a: calls.append(a) or lazy_init(*a))
            variables = initialize(model, rngs, images)
        assert len(calls) == 1
        return variables

    return draw


def assert_same_bits(ours, expected):
    assert jax.tree.structure(ours) == jax.tree.structure(expected)
    both = zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(expected), strict=True)
    for (path, a), b in both:
        where = jax.tree_util.keystr(path)
        assert isinstance(a, jax.Array), where
        assert (a.dtype, a.shape, a.weak_type) == (b.dtype, b.shape, b.weak_type), where
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), where


class Values(nn.Module):
    """Parameters of these shapes, all by one initializer, and no layers."""

    drawn: initializers.Initializer
    shapes: tuple[tuple[int, ...], ...] = ((3, 3, 5, 7),)
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        for i, shape in enumerate(self.shapes):
            self.param(f'kernel{i}', self.drawn, shape, self.dtype)
        return x


DRAWS = {
    'constant': initializers.constant(0.1),
    'ones': initializers.ones,
    'gaussian': initializers.gaussian(0.01),
    'xavier uniform': initializers.xavier(),
    'xavier normal': initializers.xavier('normal'),
    'xavier fan_in': initializers.xavier_fan_in(),
    'he fan_in': initializers.he(),
    'he fan_out': initializers.he('fan_out'),
    'lecun1998': initializers.lecun1998,
    'uniform fan_in': initializers.uniform_fan_in,
    "flax's default": nn.initializers.lecun_normal(),
    'truncated normal': nn.initializers.truncated_normal(0.02, lower=-1.5, upper=3.0),
    'uniform': nn.initializers.uniform(0.3),
}


QUICK = ('constant', 'gaussian', 'xavier uniform', 'he fan_in', "flax's default")


@pytest.mark.parametrize(
    'kind', [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in DRAWS]
)
def test_every_distribution_has_the_bits_of_init(in_chunks, kind):
    model = Values(DRAWS[kind])
    assert_same_bits(in_chunks(model, KEY, IMAGES), model.init(KEY, ZEROS))


@pytest.mark.parametrize(
    'shape', [(1, 1), (1, 1, 4, 1), (0, 3), (fast_init.CHUNK, 1), (3, fast_init.CHUNK - 1)]
)
def test_every_size_has_the_bits_of_init(in_chunks, shape):
    model = Values(initializers.gaussian(0.5), (shape,))
    assert_same_bits(in_chunks(model, KEY, IMAGES), model.init(KEY, ZEROS))


@pytest.mark.parametrize('dtype', [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.slow)])
@pytest.mark.parametrize('kind', ['gaussian', 'xavier uniform', 'truncated normal'])
def test_every_dtype_has_the_bits_of_init(in_chunks, kind, dtype):
    model = Values(DRAWS[kind], dtype=dtype)
    assert_same_bits(in_chunks(model, KEY, IMAGES), model.init(KEY, ZEROS))


def test_double_precision_has_the_bits_of_init(in_chunks):
    with jax.enable_x64(True):
        model = Values(initializers.he(), dtype=jnp.float64)
        drawn = in_chunks(model, jax.random.key(0), IMAGES)
        assert_same_bits(drawn, model.init(jax.random.key(0), ZEROS))
    assert drawn['params']['kernel0'].dtype == np.float64


class UserNet(nn.Module):
    """What somebody may write: initializers of their own, a counter, statistics, several rngs."""

    @nn.compact
    def __call__(self, x, train=False):
        def around_one(key, shape, dtype=jnp.float32):
            return 1 + 0.1 * jax.random.normal(key, shape, dtype)

        def mirrored(key, shape):
            return -jax.random.uniform(key, shape, minval=0.5, maxval=jnp.float32(2)) / 3

        table = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
        x = Conv(6, 3, name='conv')(x)
        x = BatchNorm(name='norm')(x, train) * self.param('table', lambda key: jnp.asarray(table))
        x = GlobalAvgPool(name='pool')(x) * self.param('around_one', around_one, (1, 6))
        x = x + self.param('mirrored', mirrored, (1, 6))
        self.variable('batch_stats', 'seen', jnp.zeros, (), jnp.int32)
        self.variable('noise', 'mask', lambda: jax.random.normal(self.make_rng('noise'), (4,)))
        self.variable('noise', 'bits', lambda: jax.random.bits(self.make_rng('noise'), (4,)))
        self.param('number', nn.initializers.normal(), ())
        return Dense(4, name='head')(x)


@pytest.mark.parametrize(
    'rngs',
    [
        pytest.param(KEY, marks=pytest.mark.slow),
        jax.random.PRNGKey(3),
        {'params': jax.random.key(1), 'noise': jax.random.key(2), 'dropout': jax.random.key(3)},
    ],
    ids=['a key', 'a raw key', 'keys by name'],
)
def test_a_module_and_initializers_of_ones_own(in_chunks, rngs):
    assert_same_bits(in_chunks(UserNet(), rngs, IMAGES), UserNet().init(rngs, ZEROS))


def test_another_key_draws_other_values():
    model = Values(initializers.gaussian())
    first, second = (initialize(model, jax.random.key(i), IMAGES)['params'] for i in (0, 1))
    assert (first['kernel0'] != second['kernel0']).all()


def test_metadata_of_parameters_is_kept(in_chunks):
    boxed = nn.with_partitioning(initializers.he(), ('in', 'out'))
    model = Values(boxed, ((4, 5),))
    drawn = in_chunks(model, KEY, IMAGES)
    assert drawn['params']['kernel0'].names == ('in', 'out')
    assert_same_bits(drawn, model.init(KEY, ZEROS))


def normalized(key, shape, dtype=jnp.float32):
    """Unit length: a sum over what was drawn."""
    drawn = jax.random.normal(key, shape, dtype)
    return drawn / jnp.sqrt(jnp.square(drawn).sum())


def by_numpy(key, shape, dtype=jnp.float32):
    """Looks at the key's value, which a trace does not have."""
    return jnp.asarray(
        np.random.default_rng(np.asarray(jax.random.key_data(key))).normal(size=shape), dtype
    )


def antithetic(key, shape, dtype=jnp.float32):
    """One draw used twice, next to each other; a function of several results."""

    @jax.jit
    def both(key):
        drawn = jax.random.normal(key, (*shape[:-1], shape[-1] // 2), dtype)
        return drawn, -drawn

    return jnp.concatenate(both(key), -1)


@functools.partial(jax.jit, static_argnums=(1, 2))
def of_random_scale(key, shape, dtype=jnp.float32):
    """One number, drawn for all values, times a draw."""
    scale = jax.random.uniform(key, (1,) * len(shape), dtype)
    return scale * jax.random.normal(key, shape, dtype)


PLAINLY = {
    'orthogonal': (initializers.orthogonal(), (3, 3, 5, 7)),
    'sum': (normalized, (5, 7)),
    'numpy': (by_numpy, (5, 7)),
    'two results': (antithetic, (5, 6)),
    'a random scale': (of_random_scale, (5, 6)),
}


@pytest.mark.parametrize(('init', 'shape'), PLAINLY.values(), ids=PLAINLY)
def test_what_is_no_elementwise_draw_is_drawn_plainly(plainly, init, shape):
    model = Values(init, (shape,))
    assert_same_bits(plainly(model, KEY, IMAGES), model.init(KEY, ZEROS))


def test_another_generator_is_drawn_from_plainly(plainly):
    key = jax.random.key(0, impl='rbg')
    model = Values(initializers.gaussian())
    assert_same_bits(plainly(model, key, IMAGES), model.init(key, ZEROS))


def test_arrays_that_are_not_drawn_are_arrays_of_jax_where_others_are_drawn_plainly(plainly):
    table = Values(lambda key, shape, dtype: jnp.asarray(np.ones(shape, dtype)), ((2, 3),))
    both = nn.Sequential([table, Values(initializers.orthogonal(), ((2, 3),))])
    assert_same_bits(plainly(both, KEY, IMAGES), both.init(KEY, ZEROS))


def test_threefry_that_does_not_count_is_drawn_from_plainly(plainly):
    model = Values(initializers.gaussian())
    with jax.threefry_partitionable(False):
        drawn = plainly(model, KEY, IMAGES)
        assert_same_bits(drawn, model.init(KEY, ZEROS))
    assert (drawn['params']['kernel0'] != model.init(KEY, ZEROS)['params']['kernel0']).any()


class Centered(nn.Module):
    """Starts from the mean of its input."""

    @nn.compact
    def __call__(self, x):
        return x - self.param('center', lambda key: x.mean((0, 1, 2), keepdims=True))


def test_variables_that_depend_on_images_need_them():
    images = jnp.asarray(np.random.default_rng(0).normal(size=IMAGES.shape), jnp.float32)
    assert_same_bits(initialize(Centered(), KEY, images), Centered().init(KEY, images))
    with pytest.raises(flax.errors.LazyInitError):
        initialize(Centered(), KEY, IMAGES)


def test_within_jit_the_bits_are_those_of_init_within_jit():
    def run(init):
        return jax.jit(lambda key: init(Values(initializers.he()), key, ZEROS))(KEY)

    assert_same_bits(run(initialize), run(Values.init))


def test_all_parameters_of_a_distribution_share_a_compilation():
    fast_init._kernel.cache_clear()
    for shapes in (((3, 4), (5, 6)), ((2, 2, 7, 9), (3, 5))):
        initialize(Values(initializers.he(), shapes), KEY, IMAGES)
    # the normal draw, and its product with the standard deviation
    assert fast_init._kernel.cache_info().misses == 2


FAST = ['softmax_linear', 'mlp3']
PLAIN = ['lenet5', 'airbench94']
SLOW = ['convnetjs_cifar10', 'lenet5_dense', 'cifar_resnet20', 'cifar_nin', 'squeezenet1_1', *PLAIN]


@functools.cache
def zoo(name):
    return registry.create(name), jax.ShapeDtypeStruct(
        (1, *registry.entry(name).input_shape), jnp.float32
    )


@pytest.mark.parametrize(
    'name', [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_networks_begin_with_the_bits_of_init(name):
    model, images = zoo(name)
    assert_same_bits(
        initialize(model, KEY, images), model.init(KEY, jnp.zeros(images.shape, images.dtype))
    )


@pytest.mark.full
@pytest.mark.parametrize('name', [name for name in registry.names() if name not in PLAIN])
def test_all_networks_are_drawn_in_chunks_with_the_bits_of_plain_drawing(in_chunks, name):
    model, images = zoo(name)
    # flax's own lazy initialization draws as `init` does, and leaves out the forward pass
    assert_same_bits(in_chunks(model, KEY, images), model.lazy_init(KEY, images))
    jax.clear_caches()

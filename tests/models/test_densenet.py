"""DenseNet: parameters summed over the paper's tables, dropout as in the authors' code, remat."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnnlab import tree
from cnnlab.analysis import capture
from cnnlab.models import registry
from cnnlab.models.densenet import DenseNet
from cnnlab.nn.layers import Conv

TINY = {'blocks': (3, 2), 'growth': 4, 'stem_features': 8, 'stem': 'cifar', 'num_classes': 3}


def summed(blocks, growth, channels, classes, stem, bottleneck, compression):
    """The parameters by the paper's tables, without our modules: two a channel for a batch norm, no
    biases but the dense layer's.
    """
    total = {'imagenet': 7 * 7 * 3 * channels + 2 * channels, 'cifar': 3 * 3 * 3 * channels}[stem]
    for i, layers in enumerate(blocks):
        for _ in range(layers):
            inner = 4 * growth
            total += 2 * channels + (
                channels * inner + 2 * inner + 9 * inner * growth
                if bottleneck
                else 9 * channels * growth
            )
            channels += growth
        if i + 1 < len(blocks):
            kept = int(channels * compression)
            total += 2 * channels + channels * kept
            channels = kept
    return total + 2 * channels + channels * classes + classes


@pytest.mark.parametrize('name', [n for n in registry.names() if re.match(r'(cifar_)?densenet', n)])
def test_the_registered_count_is_the_sum_over_the_papers_table(name):
    entry = registry.entry(name)
    depth = int(re.search(r'densenet_?(?:bc)?(\d+)', name)[1])
    basic = name.startswith('cifar') and '_bc' not in name
    growth = (
        entry.fields['growth'] if not name.startswith('cifar') else int(name.rpartition('_')[2])
    )
    blocks = (
        entry.fields['blocks']
        if not name.startswith('cifar')
        else ((depth - 4) // (3 if basic else 6),) * 3
    )
    cifar = name.startswith('cifar')
    assert (
        summed(
            blocks,
            growth,
            16 if basic else 2 * growth,
            10 if cifar else 1000,
            'cifar' if cifar else 'imagenet',
            not basic,
            1 if basic else 0.5,
        )
        == entry.params
    )
    # convolutions and the dense layer
    layers = sum(blocks) * (1 if basic else 2) + len(blocks) + 1
    # the table's 264 layers are 265
    assert layers == (265 if depth == 264 else depth)


def test_dropout_follows_every_convolution_but_the_first():
    model = DenseNet(dropout=0.2, **TINY)
    x = jnp.zeros((1, 8, 8, 3))
    found = capture.outputs(model, jax.eval_shape(lambda: model.init(jax.random.key(0), x)), x)
    convs = [p for p, o in found.items() if o.module is Conv]
    dropouts = {p for p, o in found.items() if o.module is nn.Dropout}
    assert dropouts == {p.removesuffix('conv') + 'dropout' for p in convs if p != 'stem'}
    assert len(convs) == 1 + 2 * (3 + 2) + 1


def made(model, x):
    """Variables from numpy: initializers take longer to compile than these nets."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape), jnp.float32), shapes
    )


def losses(remat):
    """((loss, moved statistics), gradients) of a tiny net."""
    model = DenseNet(
        blocks=(2, 1),
        growth=4,
        stem_features=8,
        stem='cifar',
        bottleneck=False,
        num_classes=3,
        dropout=0.2,
        remat=remat,
    )
    x = jnp.asarray(np.random.default_rng(1).standard_normal((4, 8, 8, 3)), jnp.float32)
    variables = made(model, x)

    def loss(params, statistics):
        logits, moved = model.apply(
            {'params': params, 'batch_stats': statistics},
            x,
            train=True,
            mutable=['batch_stats'],
            # compiles faster than the default's bits
            rngs={'dropout': jax.random.key(2, impl='rbg')},
        )
        return jnp.square(logits).sum(), moved

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(
        variables['params'], variables['batch_stats']
    )


@pytest.mark.slow
def test_remat_changes_neither_values_nor_gradients_nor_statistics():
    plain, remat = losses(False), losses(True)
    assert jax.tree.structure(plain) == jax.tree.structure(remat)
    same = jax.tree.map(lambda a, b: bool(jnp.allclose(a, b, rtol=1e-4, atol=1e-5)), plain, remat)
    assert all(jax.tree.leaves(same))


@pytest.mark.slow
def test_remat_keeps_less_for_the_backward_pass():
    # bytes between the two passes; XLA's figure for a CPU does not show it, since its compiler
    # undoes recomputation
    def kept(remat):
        model = DenseNet(
            blocks=(10,),
            growth=12,
            stem_features=16,
            stem='cifar',
            bottleneck=False,
            compression=1.0,
            remat=remat,
        )
        x = jax.ShapeDtypeStruct((16, 16, 16, 3), jnp.float32)
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(1), x), x)

        def backward(params, statistics, x):
            def logits(p):
                return model.apply(
                    {'params': p, 'batch_stats': statistics}, x, train=True, mutable=['batch_stats']
                )[0]

            return jax.vjp(logits, params)[1]

        saved = jax.eval_shape(backward, variables['params'], variables['batch_stats'], x)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(saved))

    assert kept(True) < 0.7 * kept(False)


def test_an_unknown_stem_is_refused_with_the_nearest_name():
    model = DenseNet(blocks=(1,), growth=4, stem_features=8, stem='cifar10')
    with pytest.raises(ValueError, match='cifar'):
        jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3))))


def test_the_output_of_a_block_holds_its_input_unchanged():
    model = DenseNet(**TINY)
    x = jnp.ones((1, 8, 8, 3))
    variables = made(model, x)
    kept = jax.jit(lambda v: capture.apply(model, v, x, keep=['stem', 'block1']))(
        variables
    ).activations
    assert kept['block1'].shape[-1] == 8 + 3 * 4
    assert bool((kept['block1'][..., :8] == kept['stem']).all())
    assert (
        tree.count(variables['params']['head']) == (kept['block1'].shape[-1] // 2 + 2 * 4) * 3 + 3
    )

"""Options of the step: accumulation, frozen layers, penalties, auxiliary heads, soft labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from cnnlab import losses, tree
from cnnlab.nn.layers import BatchNorm, Dense, flatten
from cnnlab.nn.norms import BatchNormConfig
from cnnlab.optim import transforms
from cnnlab.train.distributed import sharding
from cnnlab.train.on_device import mixing
from cnnlab.train.state import init_state
from cnnlab.train.step import train_step
from cnnlab.train.step_config import StepConfig

N, CLASSES = 16, 5


class NormNet(nn.Module):
    """A hidden layer with batch norm; with `aux` a second head in training."""

    aux: bool = False
    norm: BatchNormConfig = BatchNormConfig()

    @nn.compact
    def __call__(self, x, train=False):
        x = Dense(6, name='hidden')(flatten(x))
        x = nn.relu(BatchNorm(norm=self.norm, name='norm')(x, train))
        heads = [
            Dense(CLASSES, name=name)(x) for name in (('head', 'aux') if self.aux else ('head',))
        ]
        return tuple(heads) if self.aux and train else heads[0]


RNG = np.random.default_rng(0)
BATCH = {
    'image': RNG.integers(0, 256, (N, 2, 2, 1), np.uint8),
    'label': RNG.integers(0, CLASSES, N).astype(np.int32),
}
TX = optax.sgd(optax.piecewise_constant_schedule(0.1, {1: 0.1}), 0.9)
NORM_NET = NormNet()


def start(model=NORM_NET, tx=TX, dtype=jnp.float32):
    return jax.device_get(
        init_state(model, tx, np.uint32(0), jax.ShapeDtypeStruct((1, 2, 2, 1), dtype))
    )


def run(
    batch=BATCH,
    state=None,
    model=NORM_NET,
    tx=TX,
    devices=1,
    loss=losses.softmax,
    turns=1,
    **options,
):
    """(state, metrics) after one step, or `turns` of them on the same batch, on so many devices."""
    mesh = sharding.data_mesh(devices)
    step = sharding.parallel_train(
        functools.partial(
            train_step,
            StepConfig(
                model=model, tx=tx, loss=loss, mean=np.float32(127), std=np.float32(64), **options
            ),
        ),
        mesh,
    )
    state = sharding.replicate(
        start(model, tx, options.get('dtype', jnp.float32)) if state is None else state, mesh
    )
    for _ in range(turns):
        state, found = step(state, sharding.shard_batch(batch, mesh), np.uint32(7))
    return jax.device_get((state, found))


def close(a, b, atol=1e-6):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=atol)


@pytest.mark.slow
def test_accumulation_is_ghost_batches_of_a_parts_size():
    """Four parts, each normalized by itself, and one move of the running statistics by their mean:
    ghost batches of 4 images.
    """
    order = np.arange(N).reshape(4, 4).T.ravel()
    with jax.enable_x64(True):
        parts, found = run(accumulate=4, dtype=jnp.float64, turns=20)
        spans, wanted = run(
            {k: v[order] for k, v in BATCH.items()},
            model=NormNet(norm=BatchNormConfig(ghost_batch_size=4)),
            dtype=jnp.float64,
            turns=20,
        )
    close(parts, spans, 1e-9)
    close(found, wanted, 1e-9)
    assert (
        np.abs(parts.batch_stats['norm']['var'] - run(turns=20)[0].batch_stats['norm']['var']).max()
        > 1e-4
    )


@pytest.mark.slow
def test_a_step_with_accumulation_is_one_update():
    state, _ = run(accumulate=4)
    counts = [int(x) for x in jax.tree.leaves(state.opt_state) if x.dtype == np.int32]
    assert int(state.step) == 1 and counts == [1]


@pytest.mark.slow
def test_accumulation_on_eight_devices_equals_one():
    batch = {k: np.concatenate([v, v]) for k, v in BATCH.items()}
    (one, a), (eight, b) = (run(batch, accumulate=4, devices=d) for d in (1, 8))
    close(one, eight, 1e-5)
    close(a, b, 1e-5)


def test_frozen_parameters_stay_and_have_no_part_in_the_gradient():
    frozen = ('^hidden', 'head/bias')
    tx = transforms.freezing(
        frozen, optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1, 0.9))
    )
    before = start(tx=tx)
    after, found = run(state=before, tx=tx, frozen=frozen)
    plain, whole = run()
    moved = {
        k
        for k, v in tree.named_leaves(after.params).items()
        if not np.array_equal(v, tree.named_leaves(before.params)[k])
    }
    assert moved == {'head/kernel', 'norm/scale', 'norm/bias'}
    assert float(found['grad_norm']) < float(whole['grad_norm']) and float(
        found['loss']
    ) == pytest.approx(float(whole['loss']))
    # nor do they cost state
    assert not any('hidden' in name for name in tree.named_leaves(after.opt_state))
    assert not np.array_equal(after.batch_stats['norm']['mean'], before.batch_stats['norm']['mean'])


def test_frozen_batch_norm_keeps_its_statistics_and_trains_its_scale():
    before = start()
    before = before.replace(
        batch_stats={
            'norm': {'mean': np.full(6, 0.3, np.float32), 'var': np.full(6, 2.0, np.float32)}
        }
    )
    model = NormNet(norm=BatchNormConfig(frozen=('norm$',)))
    after, found = run(state=before, model=model)
    close(after.batch_stats, before.batch_stats, 0)
    assert not np.array_equal(after.params['norm']['scale'], before.params['norm']['scale'])
    image = (BATCH['image'].astype(np.float32) - 127) / 64
    logits = NormNet().apply({'params': before.params, 'batch_stats': before.batch_stats}, image)
    assert float(found['loss']) == pytest.approx(
        float(losses.softmax(logits, BATCH['label']).mean()), rel=1e-5
    )


def test_a_penalty_raises_the_loss_and_its_gradient_is_coupled_decay():
    before = start()

    def penalty(params):
        mask = tree.mask(params, ('kernel$',))
        return 0.5 * losses.l2(params, mask)

    after, found = run(penalty=penalty)
    kernels = [w for k, w in tree.named_leaves(before.params).items() if k.endswith('kernel')]
    assert float(found['loss'] - run()[1]['loss']) == pytest.approx(
        0.25 * sum(np.square(w).sum() for w in kernels), rel=1e-4
    )
    tx = optax.chain(optax.add_decayed_weights(0.5, lambda p: tree.mask(p, ('kernel$',))), TX)
    close(after.params, run(tx=tx)[0].params)


def test_auxiliary_heads_add_their_share_of_the_loss():
    model = NormNet(aux=True)
    heads = model.apply(
        {'params': start(model).params, 'batch_stats': start(model).batch_stats},
        (BATCH['image'].astype(np.float32) - 127) / 64,
        train=True,
        mutable=['batch_stats'],
    )[0]
    main, aux = (float(losses.softmax(logits, BATCH['label']).mean()) for logits in heads)
    after, found = run(model=model, aux_weight=0.3)
    assert float(found['loss']) == pytest.approx(main + 0.3 * aux, rel=1e-5)
    assert not np.array_equal(after.params['aux']['kernel'], start(model).params['aux']['kernel'])
    assert float(found['top1']) == pytest.approx(
        float((heads[0].argmax(1) == BATCH['label']).mean())
    )


@pytest.mark.slow
def test_mixed_labels_reach_the_loss_as_shares():
    """Binary cross-entropy with a threshold under both shares counts both classes in full, which no
    mean of two losses does.
    """
    loss = functools.partial(losses.binary_cross_entropy, threshold=0.0)
    seen = {}

    def watching(logits, labels):
        seen.setdefault('shape', labels.shape)
        return loss(logits, labels)

    state = start()
    _, found = run(loss=watching, mixup=0.4)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(np.uint32(7)), 0), 2)
    image = (jnp.asarray(BATCH['image'], jnp.float32) - 127) / 64
    mixed = mixing.mix(key, image, jnp.asarray(BATCH['label']), mixup=0.4)
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    logits = NormNet().apply(variables, mixed.image, train=True, mutable=['batch_stats'])[0]
    both = np.maximum(*(jax.nn.one_hot(label, CLASSES) for label in (mixed.label, mixed.other)))
    wanted = optax.sigmoid_binary_cross_entropy(logits, both).mean()
    assert seen['shape'] == (N, CLASSES) and float(found['loss']) == pytest.approx(
        float(wanted), rel=1e-5
    )

"""The train step and the evaluation step: pure functions of (state, batch), jitted by
`sharding.parallel`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab import tree
from cnnlab.data.preprocess import normalize as normalized
from cnnlab.losses import Loss
from cnnlab.nn.norms import BatchNormConfig, batch_norm_settings
from cnnlab.optim.average import Average
from cnnlab.train.on_device import adversarial, mixing, tta
from cnnlab.train.state import TrainState

Metrics = dict[str, jax.Array]
# what random numbers are for, besides dropout
_FLIP, _MIX, _PARTS, _ATTACK = 1, 2, 3, 4


def train_step(
    state: TrainState,
    batch: dict[str, jax.Array],
    seed: jax.Array,
    *,
    model: nn.Module,
    tx: optax.GradientTransformation,
    loss: Loss,
    mean: Any,
    std: Any,
    dtype: Any = jnp.float32,
    norm: BatchNormConfig = BatchNormConfig(),  # noqa: B008
    average: Average | None = None,
    flip: bool = False,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    accumulate: int = 1,
    penalty: Callable[[Any], jax.Array] | None = None,
    frozen: Sequence[str] = (),
    aux_weight: float = 0.3,
    adversary: adversarial.Adversary | None = None,
) -> tuple[TrainState, Metrics]:
    """One optimizer update.

    Args:
      state: the state before; its buffers may be donated.
      batch: {'image': uint8 (n, h, w, c), 'label': int32 (n,)}.
      seed: uint32; dropout's key is fold_in(key(seed), step), so no key needs to be kept.
      loss: per image, of the logits.
      norm: what is said about every batch norm.
      average: how `state.ema` moves, where there is one.
      flip, mixup, cutmix: see `mixing`; images are mirrored before the mean is taken off, and mixed
        after. With them, 'loss' is that of the mixed labels and 'top1' counts the label with the
        larger share.
      accumulate: the batch goes through the network in so many parts, one after another, and the
        gradient is their mean. Every part is normalized by its own batch statistics; the running
        ones move once, by the mean over the parts: as with a span of a part's size.
      penalty: what is added to the loss for these parameters.
      frozen: patterns of the parameters that get no gradient; `tx` must leave them alone
        (`optim.transforms.freezing`).
      aux_weight: of the loss of each auxiliary head, for networks that return (logits, aux, ...) in
        training.
      adversary: what changes the mirrored images before the mean is taken off; 'loss' and 'top1'
        are then those of the changed images.

    Returns:
      The state after, and means over the batch before the update: {'loss': of all that is
      minimized, 'top1', 'grad_norm'}.
    """
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    image = (
        mixing.mirrored(jax.random.fold_in(key, _FLIP), batch['image']) if flip else batch['image']
    )
    if adversary is not None:
        with batch_norm_settings(norm):
            image = adversarial.examples(
                adversary,
                jax.random.fold_in(key, _ATTACK),
                state.params,
                state.batch_stats,
                image,
                batch['label'],
                model=model,
                mean=mean,
                std=std,
                dtype=dtype,
            )
    rows = {'image': normalized(image, mean, std, dtype), 'label': batch['label']}
    share = jnp.ones(())
    if mixup or cutmix:
        mixed = mixing.mix(jax.random.fold_in(key, _MIX), **rows, mixup=mixup, cutmix=cutmix)
        rows, share = (
            {'image': mixed.image, 'label': mixed.label, 'other': mixed.other},
            mixed.weight,
        )

    def objective(params, rows, key):
        if frozen:
            params = jax.tree.map(
                lambda w, f: jax.lax.stop_gradient(w) if f else w, params, tree.mask(params, frozen)
            )
        with batch_norm_settings(norm):
            found, moved = model.apply(
                {'params': params, 'batch_stats': state.batch_stats},
                rows['image'],
                train=True,
                rngs={'dropout': key},
                mutable=['batch_stats'],
            )
        logits, *aux = found if isinstance(found, tuple) else (found,)
        label = truth = rows['label']
        if 'other' in rows:
            label = mixing.soft_labels(label, rows['other'], share, logits.shape[-1])
            truth = jnp.where(share >= 0.5, truth, rows['other'])
        value = loss(logits, label).mean() + sum(aux_weight * loss(a, label).mean() for a in aux)
        if penalty is not None:
            value = value + penalty(params)
        batch_stats = moved.get('batch_stats', {})
        # a sum of what stays as it is would be rounded
        if accumulate > 1:
            batch_stats = jax.tree.map(jnp.subtract, batch_stats, state.batch_stats)
        return value, ((rank_of_truth(logits, truth) < 1).mean(), batch_stats)

    graded = jax.value_and_grad(objective, has_aux=True)
    if accumulate == 1:
        (value, (top1, batch_stats)), grads = graded(state.params, rows, key)
    else:
        (value, (top1, moved)), grads = _accumulated(
            graded, state.params, rows, jax.random.fold_in(key, _PARTS), accumulate
        )
        batch_stats = jax.tree.map(jnp.add, state.batch_stats, moved)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = state.ema
    if average is not None:
        ema = average.update(ema, {'params': params, 'batch_stats': batch_stats}, state.step + 1)
    new = state.replace(
        step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state, ema=ema
    )
    return new, {'loss': value, 'top1': top1, 'grad_norm': optax.tree.norm(grads)}


def _accumulated(
    graded: Callable, params: Any, rows: dict[str, jax.Array], key: jax.Array, parts: int
) -> Any:
    """The mean of `graded(params, rows, key)` over the parts of a batch; part i is rows i, i +
    parts, ..., a share of every device's.

    A scan: one part's activations are held at a time, and one sum.
    """

    def part(x):
        return jnp.moveaxis(x.reshape(-1, parts, *x.shape[1:]), 1, 0)

    def add(total, turn):
        return jax.tree.map(jnp.add, total, graded(params, *turn)), None

    turns = jax.tree.map(part, rows), jax.random.split(key, parts)
    like = jax.eval_shape(graded, params, *jax.tree.map(lambda x: x[0], turns))
    total, _ = jax.lax.scan(add, jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like), turns)
    return jax.tree.map(lambda x: x / parts, total)


def rank_of_truth(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How many classes stand before the true one, int32 (n,): 0 is right at top-1, under 5 right at
    top-5.

    Ties go by index, so a constant network scores 1 / k; a NaN anywhere in the row puts the truth
    last.
    """
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), 1)
    index = jnp.arange(logits.shape[1], dtype=labels.dtype).reshape(1, -1)
    before = (logits > own) | ((logits == own) & (index < labels.reshape(-1, 1)))
    return jnp.where(jnp.isnan(logits).any(1), logits.shape[1], before.sum(1))


def eval_step(
    state: TrainState,
    batch: dict[str, jax.Array],
    *,
    model: nn.Module,
    loss: Loss,
    mean: Any,
    std: Any,
    dtype: Any = jnp.float32,
    norm: BatchNormConfig = BatchNormConfig(),  # noqa: B008
    augmentation: str = 'none',
) -> Metrics:
    """Sums over the images whose mask is 1: {'n', 'top1', 'top5', 'loss', 'confusion'}; uses the
    moving average where there is one.

    Where `augmentation` names views (`tta`), the logits are their mean.

    'confusion' is int32 (k, k), counts of (true class, predicted class); images with a NaN logit
    are in no column. Counts are int32, 'loss' is float32.
    """
    variables = state.ema or {'params': state.params, 'batch_stats': state.batch_stats}
    with batch_norm_settings(norm):
        logits = tta.averaged(
            lambda image: model.apply(variables, image, train=False),
            normalized(batch['image'], mean, std, dtype),
            augmentation,
        )
    labels, mask = batch['label'], batch['mask'] > 0
    rank = rank_of_truth(logits, labels)
    known = mask & ~jnp.isnan(logits).any(1)
    classes = logits.shape[1]
    pair = jnp.where(
        known, labels * classes + logits.argmax(1).astype(labels.dtype), classes * classes
    )
    return {
        'n': mask.sum(dtype=jnp.int32),
        'top1': (mask & (rank < 1)).sum(dtype=jnp.int32),
        'top5': (mask & (rank < 5)).sum(dtype=jnp.int32),
        'loss': jnp.where(mask, loss(logits, labels), 0).sum(),
        'confusion': jnp.bincount(pair, length=classes * classes + 1)[:-1]
        .reshape(classes, classes)
        .astype(jnp.int32),
    }

"""The train step and the evaluation step: pure functions of (state, batch), jitted by `mesh.parallel`."""
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab.losses import Loss
from cnnlab.nn.layers import batch_norm_span
from cnnlab.train.state import TrainState

Metrics = dict[str, jax.Array]


def normalised(image: jax.Array, mean: Any, std: Any, dtype: Any) -> jax.Array:
    """uint8 (n, h, w, c) -> (image - mean) / std in `dtype`; mean and std are in pixel units and broadcast over the batch."""
    wide = jnp.promote_types(dtype, jnp.float32)
    rank = image.ndim
    mean, std = (jnp.asarray(a, wide).reshape((1,) * (rank - jnp.ndim(a)) + jnp.shape(a)) for a in (mean, std))
    return ((image.astype(wide) - mean) / std).astype(dtype)


def train_step(state: TrainState, batch: dict[str, jax.Array], seed: jax.Array, *, model: nn.Module, tx: optax.GradientTransformation,
               loss: Loss, mean: Any, std: Any, dtype: Any = jnp.float32, norm_span: int | None = None,
               ema: float = 0.0) -> tuple[TrainState, Metrics]:
    """One optimiser update.

    Args:
      state: the state before; its buffers may be donated.
      batch: {'image': uint8 (n, h, w, c), 'label': int32 (n,)}.
      seed: uint32; dropout's key is fold_in(key(seed), step), so no key needs to be kept.
      loss: per image, of the main logits; auxiliary heads are not part of it.

    Returns:
      The state after, and means over the batch before the update: {'loss', 'top1', 'grad_norm'}.
    """
    image = normalised(batch['image'], mean, std, dtype)
    key = jax.random.fold_in(jax.random.key(seed), state.step)

    def objective(params):
        with batch_norm_span(norm_span):
            logits, moved = model.apply({'params': params, 'batch_stats': state.batch_stats}, image, train=True,
                                        rngs={'dropout': key}, mutable=['batch_stats'])
        return loss(logits, batch['label']).mean(), (logits, moved.get('batch_stats', {}))

    (value, (logits, batch_stats)), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    average = state.ema
    if ema:
        average = optax.incremental_update({'params': params, 'batch_stats': batch_stats}, state.ema, 1 - ema)
    new = state.replace(step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state, ema=average)
    top1 = (rank_of_truth(logits, batch['label']) < 1).mean()
    return new, {'loss': value, 'top1': top1, 'grad_norm': optax.tree.norm(grads)}


def rank_of_truth(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How many classes stand before the true one, int32 (n,): 0 is right at top-1, under 5 right at top-5.

    Ties go by index, so a constant network scores 1 / k; a NaN anywhere in the row puts the truth last.
    """
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), 1)
    index = jnp.arange(logits.shape[1], dtype=labels.dtype).reshape(1, -1)
    before = (logits > own) | ((logits == own) & (index < labels.reshape(-1, 1)))
    return jnp.where(jnp.isnan(logits).any(1), logits.shape[1], before.sum(1))


def eval_step(state: TrainState, batch: dict[str, jax.Array], *, model: nn.Module, loss: Loss, mean: Any, std: Any,
              dtype: Any = jnp.float32) -> Metrics:
    """Sums over the images whose mask is 1: {'n', 'top1', 'top5', 'loss', 'confusion'}; uses the moving average where there is one.

    'confusion' is int32 (k, k), counts of (true class, predicted class); images with a NaN logit are in no column.
    Counts are int32, 'loss' is float32.
    """
    variables = state.ema or {'params': state.params, 'batch_stats': state.batch_stats}
    logits = model.apply(variables, normalised(batch['image'], mean, std, dtype), train=False)
    labels, mask = batch['label'], batch['mask'] > 0
    rank = rank_of_truth(logits, labels)
    known = mask & ~jnp.isnan(logits).any(1)
    classes = logits.shape[1]
    pair = jnp.where(known, labels * classes + logits.argmax(1).astype(labels.dtype), classes * classes)
    return {
        'n': mask.sum(dtype=jnp.int32),
        'top1': (mask & (rank < 1)).sum(dtype=jnp.int32),
        'top5': (mask & (rank < 5)).sum(dtype=jnp.int32),
        'loss': jnp.where(mask, loss(logits, labels), 0).sum(),
        'confusion': jnp.bincount(pair, length=classes * classes + 1)[:-1].reshape(classes, classes).astype(jnp.int32)}

"""The train step and the evaluation step: pure functions of (state, batch), jitted by `mesh.parallel`."""
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab.losses import Loss
from cnnlab.nn.layers import batch_norm_span
from cnnlab.train import mixing
from cnnlab.train.state import TrainState

Metrics = dict[str, jax.Array]
_FLIP, _MIX = 1, 2  # what random numbers are for, besides dropout


def normalised(image: jax.Array, mean: Any, std: Any, dtype: Any) -> jax.Array:
    """uint8 (n, h, w, c) -> (image - mean) / std in `dtype`; mean and std are in pixel units and broadcast over the batch.

    A `std` of shape (d, d), d = h w c, is a whitening matrix (`normalise.statistics`) instead: (image - mean) @ std, in the image's shape.
    """
    wide = jnp.promote_types(dtype, jnp.float32)
    if jnp.ndim(std) == 2:
        centred = (image.astype(wide) - jnp.asarray(mean, wide)[None]).reshape(len(image), -1)
        return jnp.matmul(centred, jnp.asarray(std, wide), precision='highest').reshape(image.shape).astype(dtype)
    rank = image.ndim
    mean, std = (jnp.asarray(a, wide).reshape((1,) * (rank - jnp.ndim(a)) + jnp.shape(a)) for a in (mean, std))
    return ((image.astype(wide) - mean) / std).astype(dtype)


def train_step(state: TrainState, batch: dict[str, jax.Array], seed: jax.Array, *, model: nn.Module, tx: optax.GradientTransformation,
               loss: Loss, mean: Any, std: Any, dtype: Any = jnp.float32, norm_span: int | None = None,
               ema: float = 0.0, flip: bool = False, mixup: float = 0.0, cutmix: float = 0.0, hosts: int = 1) -> tuple[TrainState, Metrics]:
    """One optimiser update.

    Args:
      state: the state before; its buffers may be donated.
      batch: {'image': uint8 (n, h, w, c), 'label': int32 (n,)}.
      seed: uint32; dropout's key is fold_in(key(seed), step), so no key needs to be kept.
      loss: per image, of the main logits; auxiliary heads are not part of it.
      flip, mixup, cutmix: see `mixing`; images are mirrored before the mean is taken off, and mixed after. With them, 'loss' is that of
        the mixed labels and 'top1' counts the label with the larger share.
      hosts: over how many processes the batch is spread, see `mixing.positions`.

    Returns:
      The state after, and means over the batch before the update: {'loss', 'top1', 'grad_norm'}.
    """
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    image = mixing.mirrored(jax.random.fold_in(key, _FLIP), batch['image'], hosts) if flip else batch['image']
    image, label = normalised(image, mean, std, dtype), batch['label']
    mixed = None
    if mixup or cutmix:
        mixed = mixing.mix(jax.random.fold_in(key, _MIX), image, label, mixup=mixup, cutmix=cutmix, hosts=hosts)
        image = mixed.image

    def objective(params):
        with batch_norm_span(norm_span):
            logits, moved = model.apply({'params': params, 'batch_stats': state.batch_stats}, image, train=True,
                                        rngs={'dropout': key}, mutable=['batch_stats'])
        values = loss(logits, label)
        if mixed is not None:
            values = mixed.weight * values + (1 - mixed.weight) * loss(logits, mixed.other)
        return values.mean(), (logits, moved.get('batch_stats', {}))

    (value, (logits, batch_stats)), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    average = state.ema
    if ema:
        average = optax.incremental_update({'params': params, 'batch_stats': batch_stats}, state.ema, 1 - ema)
    new = state.replace(step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state, ema=average)
    truth = label if mixed is None else jnp.where(mixed.weight >= 0.5, label, mixed.other)
    top1 = (rank_of_truth(logits, truth) < 1).mean()
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

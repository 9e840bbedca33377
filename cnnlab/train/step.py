"""The train step and the evaluation step: pure functions of (state, batch), to be jitted by
`sharding.parallel_train` and `sharding.parallel_eval`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cnnlab import tree
from cnnlab.train.on_device import adversarial, mixing, tta
from cnnlab.train.state import TrainState
from cnnlab.train.step_config import EvalConfig, StepConfig

Metrics = dict[str, jax.Array]
Rows = dict[str, jax.Array]
# folded into the step's key, to give each use besides dropout a key of its own
_FLIP, _MIX, _PARTS, _ATTACK = 1, 2, 3, 4


def train_step(
    config: StepConfig, state: TrainState, batch: Rows, seed: jax.Array
) -> tuple[TrainState, Metrics]:
    """Makes one optimizer update.

    Args:
      config: all that is the same for every step.
      state: before the step; the caller may donate its buffers.
      batch: {'image': uint8 (n, h, w, c), 'label': int32 (n,)}.
      seed: uint32. The key of a step is fold_in(key(seed), step), so the state holds no key.

    Returns:
      The state after the step, and {'loss', 'top1', 'grad_norm'}, means over the batch before the
      update. 'loss' includes penalties and auxiliary losses. With mixup or cutmix it is the loss of
      the mixed labels, and 'top1' counts the label with the larger share. With an adversary both
      are for the attacked images.
    """
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    rows, share = _prepared(config, state, batch, key)
    graded = jax.value_and_grad(_objective(config, state.batch_stats, share), has_aux=True)
    if config.accumulate == 1:
        (value, (top1, batch_stats)), grads = graded(state.params, rows, key)
    else:
        (value, (top1, moved)), grads = _accumulated(
            graded, state.params, rows, jax.random.fold_in(key, _PARTS), config.accumulate
        )
        batch_stats = jax.tree.map(jnp.add, state.batch_stats, moved)
    updates, opt_state = config.tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = state.ema
    if config.average is not None:
        now = {'params': params, 'batch_stats': batch_stats}
        ema = config.average.update(ema, now, state.step + 1)
    new = state.replace(
        step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state, ema=ema
    )
    return new, {'loss': value, 'top1': top1, 'grad_norm': optax.tree.norm(grads)}


def _prepared(
    config: StepConfig, state: TrainState, batch: Rows, key: jax.Array
) -> tuple[Rows, jax.Array]:
    """Flips, attacks, normalizes and mixes the images, as the config says.

    Returns:
      The rows for the network, and the share of 'label' in mixed rows. Mixed rows have a second
      label, 'other'.
    """
    image, label = batch['image'], batch['label']
    if config.flip:
        image = mixing.mirrored(jax.random.fold_in(key, _FLIP), image)
    if config.adversary is not None:
        image = adversarial.examples(
            config.adversary,
            jax.random.fold_in(key, _ATTACK),
            state.params,
            state.batch_stats,
            image,
            label,
            model=config.model,
            mean=config.mean,
            std=config.std,
            dtype=config.dtype,
        )
    image = config.inputs(image)
    if not (config.mixup or config.cutmix):
        return {'image': image, 'label': label}, jnp.ones(())
    mixed = mixing.mix(
        jax.random.fold_in(key, _MIX), image, label, mixup=config.mixup, cutmix=config.cutmix
    )
    return {'image': mixed.image, 'label': mixed.label, 'other': mixed.other}, mixed.weight


def _objective(
    config: StepConfig, batch_stats: Any, share: jax.Array
) -> Callable[[Any, Rows, jax.Array], Any]:
    """Builds the function to differentiate: (params, rows, dropout key) -> (loss, (top-1, stats)).

    With gradient accumulation, 'stats' are the changes of the batch statistics, else their values.
    """

    def objective(params, rows, key):
        if config.frozen:
            params = jax.tree.map(
                lambda w, f: jax.lax.stop_gradient(w) if f else w,
                params,
                tree.mask(params, config.frozen),
            )
        outputs, updated = config.model.apply(
            {'params': params, 'batch_stats': batch_stats},
            rows['image'],
            train=True,
            rngs={'dropout': key},
            mutable=['batch_stats'],
        )
        logits, *aux = outputs if isinstance(outputs, tuple) else (outputs,)
        label = truth = rows['label']
        if 'other' in rows:
            label = mixing.soft_labels(label, rows['other'], share, logits.shape[-1])
            truth = jnp.where(share >= 0.5, truth, rows['other'])
        value = config.loss(logits, label).mean()
        value = value + sum(config.aux_weight * config.loss(a, label).mean() for a in aux)
        if config.penalty is not None:
            value = value + config.penalty(params)
        new_stats = updated.get('batch_stats', {})
        # the parts' statistics are summed: summing changes keeps unchanged statistics exact
        if config.accumulate > 1:
            new_stats = jax.tree.map(jnp.subtract, new_stats, batch_stats)
        return value, ((rank_of_truth(logits, truth) < 1).mean(), new_stats)

    return objective


def _accumulated(graded: Callable, params: Any, rows: Rows, key: jax.Array, parts: int) -> Any:
    """Averages `graded(params, rows, key)` over the parts of a batch.

    Part i has the rows i, i + parts, i + 2 * parts, ..., so that every device has its share of each
    part. A scan keeps the activations of one part at a time, and one running sum.
    """

    def split(array):
        # (n, ...) -> (parts, n / parts, ...)
        return jnp.moveaxis(array.reshape(-1, parts, *array.shape[1:]), 1, 0)

    def add_part(total, part):
        part_rows, part_key = part
        return jax.tree.map(jnp.add, total, graded(params, part_rows, part_key)), None

    all_rows, all_keys = jax.tree.map(split, rows), jax.random.split(key, parts)
    first_rows = jax.tree.map(lambda array: array[0], all_rows)
    shapes = jax.eval_shape(graded, params, first_rows, all_keys[0])
    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    total, _ = jax.lax.scan(add_part, zeros, (all_rows, all_keys))
    return jax.tree.map(lambda x: x / parts, total)


def rank_of_truth(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Counts the classes ranked before the true one.

    Ties go by index, so that a constant network scores 1 / k. A NaN anywhere in a row ranks the
    truth last.

    Args:
      logits: (n, k).
      labels: int (n,).

    Returns:
      int32 (n,): 0 is right at top-1, below 5 right at top-5.
    """
    own = jnp.take_along_axis(logits, labels.reshape(-1, 1), 1)
    index = jnp.arange(logits.shape[1], dtype=labels.dtype).reshape(1, -1)
    before = (logits > own) | ((logits == own) & (index < labels.reshape(-1, 1)))
    return jnp.where(jnp.isnan(logits).any(1), logits.shape[1], before.sum(1))


def eval_step(config: EvalConfig, state: TrainState, batch: Rows) -> Metrics:
    """Evaluates a batch with `state.evaluation_variables`, averaging logits over `config.tta`.

    Args:
      config: of the evaluation.
      state: of the run.
      batch: {'image': uint8 (n, h, w, c), 'label': int32 (n,), 'mask': (n,)}.

    Returns:
      Sums over the images whose mask is 1: int32 'n', 'top1' and 'top5'; float32 'loss';
      'confusion', int32 (k, k), counts of (true class, predicted class) without the images that
      have a NaN logit.
    """
    variables = state.evaluation_variables
    logits = tta.averaged(
        lambda image: config.model.apply(variables, image, train=False),
        config.inputs(batch['image']),
        config.tta,
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
        'loss': jnp.where(mask, config.loss(logits, labels), 0).sum(),
        'confusion': jnp.bincount(pair, length=classes * classes + 1)[:-1]
        .reshape(classes, classes)
        .astype(jnp.int32),
    }

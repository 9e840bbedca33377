"""Recomputes the batch statistics of a trained network over many training images, in place of the
running averages of training.

He et al. released their ResNets with such statistics (README of
github.com/KaimingHe/deep-residual-networks). A mean of networks (SWA) needs them, since it has none
of its own. Each batch is normalized by its own statistics, as in training. The variance of a
channel over all images is exactly the mean of its variances within batches plus the variance of its
batch means.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from cnnlab.nn.norms import replace_norm
from cnnlab.train.state import TrainState
from cnnlab.train.step_config import ForwardConfig


def moments(
    config: ForwardConfig, state: TrainState, batch: dict[str, jax.Array], key: jax.Array
) -> Any:
    """Computes each layer's mean and variance over one batch, in the structure of `batch_stats`.

    Uses `state.evaluation_variables`. Frozen layers keep their statistics.

    Args:
      config: of the forward pass.
      state: of the run.
      batch: {'image': uint8 (n, h, w, c), ...}.
      key: uint32, the seed of dropout.
    """
    # with momentum 0 nothing of the earlier statistics remains
    model = replace_norm(config.model, ghost_batch_size=None, momentum=0.0)
    _, moved = model.apply(
        state.evaluation_variables,
        config.inputs(batch['image']),
        train=True,
        rngs={'dropout': jax.random.key(key)},
        mutable=['batch_stats'],
    )
    return moved.get('batch_stats', {})


class _Pooled:
    """Mean and variance of a layer over batches of one size, by Welford's method in float64."""

    def __init__(self):
        self.n = 0
        self.mean: Any = 0.0
        # mean of the variances within batches
        self.within: Any = 0.0
        # sum of squared deviations of the batch means
        self.between: Any = 0.0

    def add(self, mean, var):
        self.n += 1
        delta = mean.astype(np.float64) - self.mean
        self.mean = self.mean + delta / self.n
        self.between = self.between + delta * (mean - self.mean)
        self.within = self.within + (var - self.within) / self.n

    def statistics(self, like):
        pooled = {'mean': self.mean, 'var': self.within + self.between / self.n}
        return {k: pooled[k].astype(like[k].dtype) for k in like}


def _pool(tree: Any, layers: dict[tuple[str, ...], _Pooled], path: tuple[str, ...] = ()) -> None:
    if set(tree) == {'mean', 'var'}:
        layers.setdefault(path, _Pooled()).add(tree['mean'], tree['var'])
        return
    for name, inner in tree.items():
        _pool(inner, layers, (*path, name))


def _filled(tree: Any, layers: dict[tuple[str, ...], _Pooled], path: tuple[str, ...] = ()) -> Any:
    if path in layers:
        return layers[path].statistics(tree)
    return {name: _filled(inner, layers, (*path, name)) for name, inner in tree.items()}


def recompute(
    step: Callable, state: TrainState, batches: Iterable[dict[str, jax.Array]]
) -> TrainState:
    """Returns the state with batch statistics recomputed from batches, as numpy arrays.

    If the state has a moving average, its batch statistics are the ones replaced.

    Args:
      step: `moments`, jitted.
      state: of the run.
      batches: as `train_step` takes them.
    """
    layers: dict[tuple[str, ...], _Pooled] = {}
    for i, batch in enumerate(batches):
        _pool(jax.device_get(step(state, batch, np.uint32(i))), layers)
    if state.ema:
        return state.replace(
            ema={
                **state.ema,
                'batch_stats': _filled(jax.device_get(state.ema['batch_stats']), layers),
            }
        )
    return state.replace(batch_stats=_filled(jax.device_get(state.batch_stats), layers))

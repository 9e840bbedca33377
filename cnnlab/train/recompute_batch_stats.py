"""Batch statistics of a trained network over many training images, in place of the running averages
of training.

He et al. released their ResNets with such statistics (README of
github.com/KaimingHe/deep-residual-networks), and a mean of networks (SWA) has none of its own. Each
batch is normalized by itself as in training; the variance of a channel over all images is the mean
of its variances within batches plus the variance of its means, which is exact.
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
    """What `batch_stats` would be if this batch alone had made it: each layer's mean and variance
    over the whole batch.

    It is of `state.evaluation_variables`. Frozen layers keep theirs. `key`, a uint32, is of
    dropout.
    """
    # momentum 0 keeps nothing of the statistics before
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
    """Mean and variance of a layer over the batches so far, all of one size: Welford's sums, in
    float64.
    """

    def __init__(self):
        self.n = 0
        self.mean: Any = 0.0
        self.within: Any = 0.0
        self.spread: Any = 0.0

    def add(self, mean, var):
        self.n += 1
        off = mean.astype(np.float64) - self.mean
        self.mean = self.mean + off / self.n
        self.spread = self.spread + off * (mean - self.mean)
        self.within = self.within + (var - self.within) / self.n

    def statistics(self, like):
        found = {'mean': self.mean, 'var': self.within + self.spread / self.n}
        return {k: found[k].astype(like[k].dtype) for k in like}


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
    """The state with the batch statistics of these batches, as numpy arrays; they are those of the
    average where there is one.

    Args:
      step: `moments`, jitted.
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

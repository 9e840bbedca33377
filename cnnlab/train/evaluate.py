"""Evaluation of a split: sums over every image exactly once, on any number of devices and hosts."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cnnlab.data import loader
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform
from cnnlab.train.distributed import sharding
from cnnlab.train.state import TrainState


def evaluate(
    step: Callable,
    state: TrainState,
    source: ImageSource,
    transform: Transform,
    *,
    batch: int,
    mesh: Mesh,
    advance: Callable[[int], None] = lambda images: None,
) -> dict[str, np.ndarray]:
    """Evaluates a state on a split.

    Args:
      step: `step.eval_step`, jitted by `sharding.parallel_eval`.
      state: to evaluate.
      source: the images of the split.
      transform: of each image.
      batch: images per step, over all devices; the last batch is padded and masked.
      mesh: of `sharding.data_mesh`.
      advance: called after each step with the number of its images, for a progress bar.

    Returns:
      {'n': int, 'top1', 'top5', 'loss': means as floats, 'confusion': int64 (k, k)}. With five
      classes or fewer, top-5 is 1.

    Raises:
      RuntimeError: the number of images counted is not the size of the split.
    """
    sums: dict[str, Any] = {}
    for rows in loader.eval_batches(
        source, transform, batch=batch, host=jax.process_index(), hosts=jax.process_count()
    ):
        batch_sums = jax.device_get(step(state, sharding.shard_batch(rows, mesh)))
        for key, value in batch_sums.items():
            sums[key] = sums.get(key, 0) + np.asarray(
                value, np.int64 if np.issubdtype(value.dtype, np.integer) else np.float64
            )
        advance(int(batch_sums['n']))
    n = int(sums['n'])
    if n != len(source):
        raise RuntimeError(f'evaluation counted {n} images of a split of {len(source)}')
    return {
        'n': n,
        **{k: float(sums[k]) / n for k in ('top1', 'top5', 'loss')},
        'confusion': sums['confusion'],
    }

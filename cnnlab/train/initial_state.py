"""The state at step 0: drawn from the seed, then changed as the recipe's section `start` says."""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import tree
from cnnlab.data import preprocessing
from cnnlab.train import whitening, workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.setup import Setup
from cnnlab.train.state import TrainState


def initial_state(setup: Setup, seed: np.uint32) -> TrainState:
    """Builds the state of a setup at step 0.

    Args:
      setup: of the run.
      seed: of the run.

    Raises:
      FileNotFoundError: `start_from` is not a run, or has no checkpoint.
      ValueError: no layer of that run fits, or the network has no whitening layer.
    """
    recipe, state = setup.recipe, setup.init(seed)
    start = recipe.start
    if not (start.start_from or start.whiten):
        return state
    params, batch_stats = state.params, state.batch_stats
    if start.start_from:
        donor = weights_of(start.start_from)
        params, copied_params = copy_matching(params, donor.get('params') or {}, start.start_layers)
        batch_stats, copied_stats = copy_matching(
            batch_stats, donor.get('batch_stats') or {}, start.start_layers
        )
        if not copied_params + copied_stats:
            raise ValueError(
                f'no layer of {recipe.model} has the path and shape of a layer of '
                f'{start.start_from} that start_layers={",".join(start.start_layers)} matches'
            )
    if start.whiten:
        batch_stats = whitened(setup, batch_stats)
    average = {'params': params, 'batch_stats': batch_stats} if state.ema is not None else None
    return state.replace(
        params=params,
        batch_stats=batch_stats,
        ema=average,
        opt_state=jax.jit(setup.tx.init)(params),
    )


def weights_of(run: str) -> dict[str, Any]:
    """Reads {'params', 'batch_stats'} of the newest checkpoint of a run of any recipe.

    Args:
      run: a run directory.

    Returns:
      Nested dicts of numpy arrays.

    Raises:
      FileNotFoundError: it is not a run directory, or has no complete checkpoint.
    """
    where = workdir.checkpoints(pathlib.Path(run).expanduser())
    steps = Checkpoints.steps_in(where)
    if not where.exists():
        raise FileNotFoundError(
            f'start_from={run} is not a run directory with checkpoints; train that network first, '
            f'or name another run'
        )
    if not steps:
        raise FileNotFoundError(f'start_from={run} has no complete checkpoint yet')
    checkpoints = Checkpoints(where, read_only=True)
    try:
        return checkpoints.variables(steps[-1])
    finally:
        checkpoints.close()


def copy_matching(here: Any, donor: Any, patterns: Sequence[str]) -> tuple[Any, list[str]]:
    """Copies leaves from `donor` to `here` where path and shape agree and a pattern matches.

    Args:
      here: the tree to fill.
      donor: the tree to copy from.
      patterns: regular expressions, searched for in the path.

    Returns:
      The filled tree, and the paths of the copied leaves.
    """
    donor_leaves, copied = tree.named_leaves(donor), []

    def choose(path, leaf):
        donated = donor_leaves.get(path)
        if (
            donated is None
            or donated.shape != leaf.shape
            or not any(re.search(pattern, path) for pattern in patterns)
        ):
            return leaf
        copied.append(path)
        return jnp.asarray(donated, leaf.dtype)

    return tree.map_with_name(choose, here), copied


def whitened(setup: Setup, batch_stats: Any) -> Any:
    """Returns `batch_stats` with the whitening layer's kernel computed from the training images.

    Raises:
      ValueError: the network has no whitening layer, or one of another shape.
    """
    if 'kernel' not in batch_stats.get('whiten', {}):
        raise ValueError(
            f'{setup.recipe.model} has no whitening layer; whiten=True is for networks such as '
            f'airbench94'
        )
    kernel = whitening.kernel(
        setup.data['train'],
        setup.transform,
        *preprocessing.statistics(setup.data['train'], setup.recipe.data.normalize),
    )
    old = batch_stats['whiten']['kernel']
    if kernel.shape != old.shape:
        raise ValueError(
            f'the whitening layer of {setup.recipe.model} has a kernel of {old.shape}, but the '
            f'images give one of {kernel.shape}'
        )
    return {
        **batch_stats,
        'whiten': {**batch_stats['whiten'], 'kernel': jnp.asarray(kernel, old.dtype)},
    }

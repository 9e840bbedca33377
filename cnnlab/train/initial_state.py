"""The state at step 0: drawn from the seed, and then what the recipe takes from another run or
computes from the images.
"""

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
    """The state of a setup at step 0.

    Raises:
      FileNotFoundError: `start_from` is no run, or has no checkpoint. ValueError: none of its
        layers fits; or the network has no layer to whiten with.
    """
    recipe, state = setup.recipe, setup.init(seed)
    start = recipe.start
    if not (start.start_from or start.whiten):
        return state
    params, batch_stats = state.params, state.batch_stats
    if start.start_from:
        donor = weights_of(start.start_from)
        params, some = copy_matching(params, donor.get('params') or {}, start.start_layers)
        batch_stats, more = copy_matching(
            batch_stats, donor.get('batch_stats') or {}, start.start_layers
        )
        if not some + more:
            raise ValueError(
                f'no layer of {recipe.model} has the path and the shape of one in '
                f'{start.start_from} that start_layers='
                f'{",".join(start.start_layers)} lets through'
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
    """{'params', 'batch_stats'} of the newest checkpoint of a run of any recipe, as nested dicts of
    numpy arrays.

    Raises:
      FileNotFoundError: it is no run directory, or has no complete checkpoint.
    """
    where = workdir.checkpoints(pathlib.Path(run).expanduser())
    steps = Checkpoints.steps_in(where)
    if not where.exists():
        raise FileNotFoundError(
            f'start_from={run} is no run directory with checkpoints: train that network first, or '
            f'name another run'
        )
    if not steps:
        raise FileNotFoundError(f'start_from={run} has no complete checkpoint yet')
    checkpoints = Checkpoints(where, read_only=True)
    try:
        return checkpoints.variables(steps[-1])
    finally:
        checkpoints.close()


def copy_matching(here: Any, donor: Any, patterns: Sequence[str]) -> tuple[Any, list[str]]:
    """`here` with the leaves of `donor` that have the same path and shape and match a pattern, and
    the paths of these.
    """
    theirs, names = tree.named_leaves(donor), []

    def choose(path, leaf):
        found = theirs.get(path)
        if (
            found is None
            or found.shape != leaf.shape
            or not any(re.search(p, path) for p in patterns)
        ):
            return leaf
        names.append(path)
        return jnp.asarray(found, leaf.dtype)

    return tree.map_with_name(choose, here), names


def whitened(setup: Setup, batch_stats: Any) -> Any:
    """`batch_stats` with the kernel of the whitening layer computed from the training images."""
    if 'kernel' not in batch_stats.get('whiten', {}):
        raise ValueError(
            f'{setup.recipe.model} has no whitening layer; whiten=True is for networks such as '
            f'airbench94'
        )
    found = whitening.kernel(
        setup.data['train'],
        setup.transform,
        *preprocessing.statistics(setup.data['train'], setup.recipe.data.normalize),
    )
    old = batch_stats['whiten']['kernel']
    if found.shape != old.shape:
        raise ValueError(
            f'the whitening layer of {setup.recipe.model} has a kernel of {old.shape} and the '
            f'images give one of {found.shape}'
        )
    return {
        **batch_stats,
        'whiten': {**batch_stats['whiten'], 'kernel': jnp.asarray(found, old.dtype)},
    }

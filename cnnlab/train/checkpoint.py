"""Checkpoints by orbax: written in the background, whole or not at all; the newest few are kept and the best.

What is stored are host arrays without a sharding, so that a run can go on with another number of devices.
"""
import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from cnnlab.train.state import TrainState


class Checkpoints:
    """The checkpoints of one run, in `directory`/<step>.

    Args:
      directory: made where it is missing.
      keep: how many of the newest to keep; the one with the highest validation top-1 is kept besides.
      read_only: nothing is written, moved or deleted.
    """

    def __init__(self, directory: pathlib.Path, keep: int = 2, read_only: bool = False):
        best = policies.BestN(get_metric_fn=lambda m: m['top1'], n=1, keep_checkpoints_without_metrics=False)
        self.directory = pathlib.Path(directory).absolute()
        self._manager = ocp.CheckpointManager(self.directory, options=ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(max(keep, 1)), best]),
            enable_async_checkpointing=not read_only, cleanup_tmp_directories=not read_only, read_only=read_only))

    @staticmethod
    def steps_in(directory: pathlib.Path) -> list[int]:
        """The steps that have a complete checkpoint in a directory, rising, without opening it for writing."""
        return sorted(int(p.name) for p in pathlib.Path(directory).iterdir() if p.name.isdigit() and (p / '_CHECKPOINT_METADATA').exists())

    def steps(self) -> list[int]:
        """The steps that have a complete checkpoint, rising."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The newest step, or None."""
        return max(self.steps(), default=None)

    def save(self, state: TrainState, validation: dict[str, float] | None = None) -> None:
        """Stores the state under its step and returns at once; `validation` ({'top1', ...}) makes it a candidate for the best."""
        self._manager.save(int(state.step), args=ocp.args.StandardSave(jax.device_get(state)), metrics=validation)

    def wait(self) -> None:
        """Until all that was saved is on disk."""
        self._manager.wait_until_finished()

    def restore(self, like: TrainState, step: int | None = None) -> TrainState:
        """The state of `step` (default: the newest) as numpy arrays in the structure of `like` (arrays or shapes).

        Raises:
          FileNotFoundError: there is no such checkpoint. ValueError: it is corrupt, or of another network or optimiser.
        """
        steps = self.steps()
        if step is None:
            step = self.latest()
        if step not in steps:
            raise FileNotFoundError(f'no checkpoint of step {step} in {self.directory}; there are {", ".join(map(str, steps)) or "none"}')
        shapes = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), like)
        try:
            found = self._manager.restore(step, args=ocp.args.StandardRestore(shapes))
        except Exception as error:  # orbax, tensorstore and json each raise their own
            where = self.directory / str(step)
            raise ValueError(f'the checkpoint {where} is corrupt or of another network: {_first_line(error)}') from error
        return jax.tree.map(_checked(step), shapes, found)

    def variables(self, step: int) -> dict[str, Any]:
        """{'params', 'batch_stats', ...} of a checkpoint of any network as nested dicts of numpy arrays, without a structure to compare to.

        Raises:
          ValueError: it is corrupt.
        """
        try:
            found = self._manager.restore(step, args=ocp.args.StandardRestore())
        except Exception as error:  # orbax, tensorstore and json each raise their own
            raise ValueError(f'the checkpoint {self.directory / str(step)} is corrupt: {_first_line(error)}') from error
        return jax.tree.map(np.asarray, {k: found[k] for k in ('params', 'batch_stats') if found.get(k)})

    def close(self) -> None:
        """Waits, and lets go of the directory."""
        self._manager.close()


def _checked(step):
    def check(wanted: np.ndarray, found: Any) -> np.ndarray:
        if wanted.shape != found.shape:
            raise ValueError(f'the checkpoint of step {step} is of another network: an array of shape {found.shape} '
                             f'where {wanted.shape} is needed')
        return np.asarray(found)
    return check


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

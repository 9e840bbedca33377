"""The checkpoints of a run as each of its processes sees them: process 0 has the files, the others
get what it reads.
"""

from typing import Any

import jax
import numpy as np

from cnnlab.recipes import recipe as recipes
from cnnlab.recipes.recipe import Recipe
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.distributed import hosts, sharding
from cnnlab.train.monitor import run_log
from cnnlab.train.nan_policy import NotFinite
from cnnlab.train.state import TrainState


class SharedCheckpoints:
    """Every process must call each method alike.

    Args:
      checkpoints: on process 0; None elsewhere.
      like: the shapes of the state.
      placement: how it lies on the devices, see `sharding.state_sharding`.
      recipe: the run's, with its seed; noted in each checkpoint, as a directory of checkpoints may
        be given to another run by mistake.
    """

    def __init__(
        self, checkpoints: Checkpoints | None, like: TrainState, placement: Any, recipe: Recipe
    ):
        self._checkpoints, self._like, self._placement, self._recipe = (
            checkpoints,
            like,
            placement,
            recipe,
        )
        # the step that was saved last
        self.last: int | None = None

    def newest(self) -> tuple[TrainState | None, dict[str, Any]]:
        """(state, note) of the newest whole checkpoint, as numpy arrays; (None, {}) where there is
        none.

        Raises:
          ValueError: it is of another recipe or seed, or see `Checkpoints.resume`.
        """
        saved = self._checkpoints.resume(self._like) if self._checkpoints else None
        note = hosts.broadcast(lambda: saved and self._own(saved.note))
        return (
            (None, {})
            if note is None
            else (hosts.broadcast_arrays(saved and saved.state, self._like), note)
        )

    def _own(self, note: dict[str, Any]) -> dict[str, Any]:
        there = note.pop('recipe', None)
        if there and (different := recipes.differences(recipes.from_json(there), self._recipe)):
            directory = self._checkpoints.directory if self._checkpoints else ''
            raise ValueError(
                f'{directory} holds checkpoints of another run '
                f'({"; ".join(different)}); choose another '
                '--checkpoint_dir'
            )
        return note

    def best(self, records: list[run_log.Record]) -> tuple[int, TrainState]:
        """(step, state on the devices) of the highest validation top-1 of those kept."""
        self.wait()
        scored = dict(zip(*run_log.series(records, 'validation', 'top1'), strict=True))
        kept = self._checkpoints.steps() if self._checkpoints else []
        step = hosts.broadcast(
            lambda: max((s for s in kept if s in scored), key=scored.__getitem__)
        )
        state = hosts.broadcast_arrays(
            self._checkpoints and self._checkpoints.restore(self._like, step), self._like
        )
        return step, sharding.shard(state, self._placement)

    def save(
        self,
        state: TrainState,
        validation: dict[str, float] | None = None,
        note: dict[str, Any] | None = None,
    ) -> None:
        """Stores the state, see `Checkpoints.save`.

        Raises:
          NotFinite: it has parameters that are not finite. They can overflow in the very update
            whose loss was finite; such a state must not replace a good checkpoint. OSError: it
            cannot be written.
        """
        whole = sharding.gather(state)
        if not all(bool(np.isfinite(a).all()) for a in jax.tree.leaves(whole.params)):
            raise NotFinite(
                f'the parameters became NaN or infinite in step {int(whole.step)}; '
                f'{self.last_good()}'
            )
        if self._checkpoints:
            self._checkpoints.save(
                whole, validation, {**(note or {}), 'recipe': self._recipe.to_json()}
            )
        self.last = int(whole.step)

    def wait(self) -> None:
        """Until all that was saved is on disk."""
        if self._checkpoints:
            self._checkpoints.wait()

    def last_good(self) -> str:
        """Half a sentence on the newest checkpoint."""
        if not self._checkpoints:
            return 'process 0 has the checkpoints'
        self._checkpoints.wait()
        good = self._checkpoints.latest()
        return (
            'no checkpoint was written before'
            if good is None
            else f'the last good checkpoint is of step {good}'
        )

"""The checkpoints of a run with several processes: process 0 reads and writes the files and
broadcasts what it reads.
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
    """Checkpoints shared by the processes of a run. Every process must make the same calls.

    Args:
      checkpoints: on process 0; None elsewhere.
      like: the shapes of the state.
      placement: the sharding of the state, see `sharding.state_sharding`.
      recipe: of the run, with its seed. Each checkpoint stores it, so that a checkpoint directory
        given to another run by mistake is refused.
    """

    def __init__(
        self, checkpoints: Checkpoints | None, like: TrainState, placement: Any, recipe: Recipe
    ):
        self._checkpoints, self._like = checkpoints, like
        self._placement, self._recipe = placement, recipe
        # the last saved step
        self.last: int | None = None

    def newest(self) -> tuple[TrainState | None, dict[str, Any]]:
        """Returns (state, note) of the newest undamaged checkpoint, as numpy arrays; (None, {}) if
        there is none.

        Raises:
          ValueError: it is of another recipe or seed, or see `Checkpoints.resume`.
        """
        saved = self._checkpoints.resume(self._like) if self._checkpoints else None
        note = hosts.broadcast(lambda: saved and self._checked(saved.note))
        if note is None:
            return None, {}
        return hosts.broadcast_arrays(saved and saved.state, self._like), note

    def _checked(self, note: dict[str, Any]) -> dict[str, Any]:
        """Returns the note without its recipe, which must be this run's."""
        text = note.pop('recipe', None)
        different = recipes.differences(recipes.from_json(text), self._recipe) if text else []
        if different:
            directory = self._checkpoints.directory if self._checkpoints else ''
            raise ValueError(
                f'{directory} holds checkpoints of another run '
                f'({"; ".join(different)}); choose another --checkpoint_dir'
            )
        return note

    def best(self, records: list[run_log.Record]) -> tuple[int, TrainState]:
        """Returns (step, state on the devices) of the checkpoint with the highest validation top-1.

        Args:
          records: of the log, with the validation top-1 by step.
        """
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
        """Saves the state, see `Checkpoints.save`.

        Raises:
          NotFinite: a parameter is not finite. An update can overflow although its loss was finite;
            such a state must not replace a good checkpoint.
          OSError: the checkpoint cannot be written.
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
        """Waits until every saved checkpoint is written."""
        if self._checkpoints:
            self._checkpoints.wait()

    def last_good(self) -> str:
        """Returns a clause about the newest checkpoint, for error messages."""
        if not self._checkpoints:
            return 'process 0 holds the checkpoints'
        self._checkpoints.wait()
        good = self._checkpoints.latest()
        return (
            'no checkpoint was written before'
            if good is None
            else f'the last good checkpoint is of step {good}'
        )

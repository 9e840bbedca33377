"""The records of training in the log: means over a window of steps, how large the updates were, and
where the time went.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from cnnlab.recipes.recipe import Recipe
from cnnlab.train import babysit, control, guard, metrics
from cnnlab.train import mesh as meshes
from cnnlab.train.guard import NotFinite
from cnnlab.train.job import Job
from cnnlab.train.state import TrainState
from cnnlab.train.watch import Watch
from cnnlab.train.window import Window


class Recorder:
    """The steps of one process since the last record.

    Args:
      log: where records go.
      window: the steps within the window that an earlier process made, see `Window.note`.
    """

    def __init__(self, job: Job, recipe: Recipe, log: metrics.Log, window: Sequence[Any] = ()):
        self.log, self.watch = log, Watch()
        # of training
        self.seconds = log.last('seconds', 0.0)
        self.every = job.steps(recipe.log_every)
        self._job, self._recipe, self._window = job, recipe, Window(window)
        # the parameters before a step that is watched: one in so many, as the others cost nothing
        self._before: Any = None
        # of the last update of the window, where it was watched
        self._norms: jax.Array | None = None
        self._compiled = False

    def before(self, step: int, params: Any) -> None:
        """`step` is about to be made, which may reuse the buffers of the parameters."""
        self._before = babysit.copied(params) if step % self.every == 0 else None

    def after(self, step: int, params: Any, found: dict[str, jax.Array]) -> None:
        """It was made, or is under way, with these metrics."""
        self._norms = (
            babysit.update_norms(self._before, params) if self._before is not None else None
        )
        self._before = None
        self._window.add(step, found)

    def settle(self) -> None:
        """Waits until one step at most is under way, so that no more than two batches wait on the
        devices.
        """
        if self._compiled:
            with self.watch.waiting('device'):
                jax.block_until_ready(self._window.behind())
        else:
            # the first step of a process compiles, so it is not timed
            jax.block_until_ready(self._window.last())
            self._compiled = True
            self._window.untimed += 1
            self.watch.restart()

    def record(self, step: int, state: TrainState, last_good: Callable[[], str]) -> None:
        """Means over the window go to the log, and a new one begins.

        Args:
          last_good: half a sentence on the newest checkpoint.

        Raises:
          NotFinite: a loss or gradient of the window is not finite, and the recipe does not let
            that pass.
        """
        window, recipe = self._window, self._recipe
        with self.watch.waiting('device'):
            window.fetch()
        counts = control.counts(state)
        self._judge(counts['skipped'], last_good)
        elapsed, timed, self._window = (
            self.watch.seconds(),
            len(window.steps) - window.untimed,
            Window(),
        )
        self.seconds += elapsed
        epoch, rate = (
            step * recipe.batch / len(self._job.data['train']),
            control.rate(self._job.schedule(step - 1), state),
        )
        record = {
            'step': step,
            'split': 'train',
            'epoch': epoch,
            **window.mean(),
            'rate': rate,
            'seconds': self.seconds,
        }
        if self._norms is not None:
            record |= babysit.ratios(meshes.fetched(self._norms), state.params)
        if recipe.on_nan != 'stop':
            record |= counts
        if timed:
            record |= {
                'images_per_second': timed * recipe.batch / elapsed,
                **self.watch.per_step(timed),
            }
        self.log.append(record)

    def _judge(self, skipped: int, last_good: Callable[[], str]) -> None:
        window, policy, limit = self._window, self._recipe.on_nan, self._recipe.nan_limit
        bad = len(window.steps) > len(window.good())
        if bad and (policy != 'skip' or skipped > limit):
            told = f'{skipped} steps were skipped, more than nan_limit={limit}; ' * (
                policy == 'skip'
            )
            raise NotFinite(
                f'{guard.told(window.steps)}, within steps {window.steps[0][0]} to '
                f'{window.steps[-1][0]}; {told}'
                f'{last_good()}; lower the rate, warm up, or clip the gradient (--set clip=1)'
            )

    def forget(self, step: int) -> None:
        """The run went back to `step`: the log and the window know nothing after it."""
        self.log.cut(step)
        self._window = Window()

    def note(self) -> list[tuple[int, dict[str, float]]]:
        """The steps that no record has yet, for a checkpoint; see `Window.note`."""
        return self._window.note()

    def newest(self) -> metrics.Record:
        """The newest record of training; no 'loss' and 'top1' where no step of it was finite."""
        return next(r for r in reversed(self.log.records) if r['split'] == 'train')

"""The records of training in the log: means over a window of steps, how large the updates were, and
where the time went.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from cnnlab.recipes.recipe import Recipe
from cnnlab.train import control, nan_policy
from cnnlab.train.distributed import sharding
from cnnlab.train.monitor import diagnostics, run_log
from cnnlab.train.monitor.metric_buffer import MetricBuffer
from cnnlab.train.monitor.step_timer import StepTimer
from cnnlab.train.nan_policy import NotFinite
from cnnlab.train.setup import Setup
from cnnlab.train.state import TrainState


class TrainLogger:
    """The steps of one process since the last record.

    Args:
      log: where records go.
      window: the steps within the window that an earlier process made, see `Window.note`.
    """

    def __init__(self, setup: Setup, recipe: Recipe, log: run_log.Log, window: Sequence[Any] = ()):
        self.log, self.step_timer = log, StepTimer()
        # of training
        self.seconds = log.last('seconds', 0.0)
        self.every = setup.steps(recipe.run.log_every)
        self._setup, self._recipe, self._buffer = setup, recipe, MetricBuffer(window)
        # the parameters before a step that is watched: one in so many, as the others cost nothing
        self._before: Any = None
        # of the last update of the window, where it was watched
        self._norms: jax.Array | None = None
        self._compiled = False

    def before(self, step: int, params: Any) -> None:
        """`step` is about to be made, which may reuse the buffers of the parameters."""
        self._before = diagnostics.copied(params) if step % self.every == 0 else None

    def after(self, step: int, params: Any, found: dict[str, jax.Array]) -> None:
        """It was made, or is under way, with these metrics."""
        self._norms = (
            diagnostics.update_norms(self._before, params) if self._before is not None else None
        )
        self._before = None
        self._buffer.add(step, found)

    def settle(self) -> None:
        """Waits until one step at most is under way, so that no more than two batches wait on the
        devices.
        """
        if self._compiled:
            with self.step_timer.waiting('device'):
                jax.block_until_ready(self._buffer.behind())
        else:
            # the first step of a process compiles, so it is not timed
            jax.block_until_ready(self._buffer.last())
            self._compiled = True
            self._buffer.untimed += 1
            self.step_timer.restart()

    def record(self, step: int, state: TrainState, last_good: Callable[[], str]) -> None:
        """Means over the window go to the log, and a new one begins.

        Args:
          last_good: half a sentence on the newest checkpoint.

        Raises:
          NotFinite: a loss or gradient of the window is not finite, and the recipe does not let
            that pass.
        """
        window, recipe = self._buffer, self._recipe
        with self.step_timer.waiting('device'):
            window.fetch()
        counts = control.counts(state)
        self._judge(counts['skipped'], last_good)
        elapsed, timed, self._buffer = (
            self.step_timer.seconds(),
            len(window.steps) - window.untimed,
            MetricBuffer(),
        )
        self.seconds += elapsed
        epoch, learning_rate = (
            step * recipe.run.batch_size / len(self._setup.data['train']),
            control.rate(self._setup.schedule(step - 1), state),
        )
        record = {
            'step': step,
            'split': 'train',
            'epoch': epoch,
            **window.mean(),
            'learning_rate': learning_rate,
            'seconds': self.seconds,
        }
        if self._norms is not None:
            record |= diagnostics.ratios(sharding.gather(self._norms), state.params)
        if recipe.run.on_nan != 'stop':
            record |= counts
        if timed:
            record |= {
                'images_per_second': timed * recipe.run.batch_size / elapsed,
                **self.step_timer.per_step(timed),
            }
        self.log.append(record)

    def _judge(self, skipped: int, last_good: Callable[[], str]) -> None:
        window, run = self._buffer, self._recipe.run
        bad = len(window.steps) > len(window.good())
        if bad and (run.on_nan != 'skip' or skipped > run.nan_limit):
            told = f'{skipped} steps were skipped, more than nan_limit={run.nan_limit}; ' * (
                run.on_nan == 'skip'
            )
            raise NotFinite(
                f'{nan_policy.describe(window.steps)}, within steps {window.steps[0][0]} to '
                f'{window.steps[-1][0]}; {told}'
                f'{last_good()}; lower the rate, warm up, or clip the gradient (--set clip_norm=1)'
            )

    def forget(self, step: int) -> None:
        """The run went back to `step`: the log and the window know nothing after it."""
        self.log.cut(step)
        self._buffer = MetricBuffer()

    def note(self) -> list[tuple[int, dict[str, float]]]:
        """The steps that no record has yet, for a checkpoint; see `Window.note`."""
        return self._buffer.note()

    def newest(self) -> run_log.Record:
        """The newest record of training; no 'loss' and 'top1' where no step of it was finite."""
        return next(r for r in reversed(self.log.records) if r['split'] == 'train')

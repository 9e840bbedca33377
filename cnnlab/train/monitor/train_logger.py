"""Training records of the log: means over the steps since the last record, the size of the updates,
and where the time went.
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
    """Collects the metrics of steps and writes their means to the log.

    Args:
      setup: of the run.
      recipe: of the run.
      log: where records go.
      pending: the steps that an earlier process made since its last record, see
        `MetricBuffer.pending`.
    """

    def __init__(self, setup: Setup, recipe: Recipe, log: run_log.Log, pending: Sequence[Any] = ()):
        self.log, self.step_timer = log, StepTimer()
        # seconds of training so far, over all processes of the run
        self.seconds = log.last('seconds', 0.0)
        self.every = setup.steps(recipe.run.log_every)
        self._setup, self._recipe, self._buffer = setup, recipe, MetricBuffer(pending)
        # parameters before the step that is about to be logged; copying them each step costs time
        self._before: Any = None
        self._norms: jax.Array | None = None
        self._compiled = False

    def before_step(self, step: int, params: Any) -> None:
        """Call before each step: the step may donate `params`."""
        self._before = diagnostics.copy_params(params) if step % self.every == 0 else None

    def after_step(self, step: int, params: Any, metrics: dict[str, jax.Array]) -> None:
        """Call after each step is dispatched; it need not have finished."""
        self._norms = None
        if self._before is not None:
            self._norms = diagnostics.update_norms(self._before, params)
        self._before = None
        self._buffer.add(step, metrics)

    def throttle(self) -> None:
        """Waits until at most one step is running, so that at most two batches are on the
        devices.
        """
        if self._compiled:
            with self.step_timer.waiting('device'):
                jax.block_until_ready(self._buffer.second_last())
        else:
            # the first step of a process compiles, so it is not timed
            jax.block_until_ready(self._buffer.last())
            self._compiled = True
            self._buffer.untimed += 1
            self.step_timer.restart()

    def record(self, step: int, state: TrainState, last_good: Callable[[], str]) -> None:
        """Writes the means of the buffered steps to the log and empties the buffer.

        Args:
          step: of the last buffered step.
          state: the state after it.
          last_good: gives a clause about the newest checkpoint, for the error.

        Raises:
          NotFinite: a loss or gradient is not finite, and the recipe's `on_nan` does not allow it.
        """
        recipe, buffer = self._recipe, self._buffer
        with self.step_timer.waiting('device'):
            buffer.fetch()
        counts = control.counts(state)
        self._check_finite(counts['skipped'], last_good)
        elapsed = self.step_timer.seconds()
        timed = len(buffer.steps) - buffer.untimed
        self._buffer = MetricBuffer()
        self.seconds += elapsed
        record = {
            'step': step,
            'split': 'train',
            'epoch': step * recipe.run.batch_size / len(self._setup.data['train']),
            **buffer.mean(),
            'learning_rate': control.learning_rate(self._setup.schedule(step - 1), state),
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

    def _check_finite(self, skipped: int, last_good: Callable[[], str]) -> None:
        buffer, run = self._buffer, self._recipe.run
        if len(buffer.finite()) == len(buffer.steps):
            return
        if run.on_nan == 'skip' and skipped <= run.nan_limit:
            return
        limit = ''
        if run.on_nan == 'skip':
            limit = f'{skipped} steps were skipped, more than nan_limit={run.nan_limit}; '
        raise NotFinite(
            f'{nan_policy.describe(buffer.steps)}, within steps {buffer.steps[0][0]} to '
            f'{buffer.steps[-1][0]}; {limit}{last_good()}; lower the learning rate, warm up, or '
            f'clip the gradient (--set clip_norm=1)'
        )

    def rewind(self, step: int) -> None:
        """Drops all records and buffered metrics after `step`, for a rollback."""
        self.log.cut(step)
        self._buffer = MetricBuffer()

    def pending(self) -> list[tuple[int, dict[str, float]]]:
        """Returns the steps without a record yet, for a checkpoint."""
        return self._buffer.pending()

    def newest(self) -> run_log.Record:
        """Returns the newest training record; it lacks 'loss' and 'top1' if no step was finite."""
        return next(r for r in reversed(self.log.records) if r['split'] == 'train')

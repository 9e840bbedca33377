"""The training loop: steps, log, validation and checkpoints. Started again in the same directory, a
run resumes bit for bit.

With several hosts every process runs this; process 0 alone reads and writes the directory (see
`distributed.hosts`).
"""

import pathlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from cnnlab.data import loader
from cnnlab.recipes.recipe import Recipe
from cnnlab.report.progress import Progress
from cnnlab.train import control, nan_policy, recompute_batch_stats, results, runs, workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints, writable
from cnnlab.train.checkpoint.shared import SharedCheckpoints
from cnnlab.train.distributed import hosts, sharding
from cnnlab.train.evaluate import evaluate
from cnnlab.train.exit_codes import AGAIN
from cnnlab.train.initial_state import initial_state
from cnnlab.train.monitor import diagnostics, run_log
from cnnlab.train.monitor.heartbeat import Heartbeat
from cnnlab.train.monitor.profile import Profile
from cnnlab.train.monitor.train_logger import TrainLogger
from cnnlab.train.nan_policy import NotFinite
from cnnlab.train.options import Options
from cnnlab.train.preemption import Preempted, Preemption
from cnnlab.train.prefetch import Prefetcher
from cnnlab.train.results import Result
from cnnlab.train.setup import Setup, build_setup
from cnnlab.train.state import TrainState


def run(
    recipe: Recipe,
    directory: str,
    data_dir: str | None = None,
    options: Options = Options(),  # noqa: B008 (frozen)
    shard: str = 'none',
) -> Result:
    """Trains by a recipe, or resumes the run in the directory.

    Args:
      recipe: what to train.
      directory: of the run, created if missing; `run_setup` lists its files.
      data_dir: where prepared data sets are.
      options: how to run; they do not change the result.
      shard: see `sharding.state_sharding`.

    Returns:
      The results of the run, also in its result.json.

    Raises:
      KeyError, ValueError, FileNotFoundError: see `build_setup`.
      NotFinite, OSError, Preempted, LoaderDied: see `run_setup`.

    Example:
      >>> result = run(registry.get('digits'), 'runs/digits')
      >>> result.final['test']['top1']
    """
    with workdir.naming_imports(pathlib.Path(directory).expanduser()):
        setup = build_setup(recipe, data_dir, shard=shard)
    return run_setup(setup, recipe.run.seed, directory, options)


def run_setup(
    setup: Setup,
    seed: int,
    directory: str | pathlib.Path,
    options: Options = Options(),  # noqa: B008 (frozen)
    validated: Callable[[int, dict[str, float]], None] = lambda step, figures: None,
) -> Result:
    """Trains one seed of a setup, or resumes the run in the directory.

    The directory holds recipe.json, manifest.json (versions, devices, commit),
    network.safetensors (the network without its weights), heartbeat.json, metrics.jsonl,
    tensorboard/, checkpoints/ and, at the end, loss.png, top1.png and result.json.

    Args:
      setup: see `build_setup`.
      seed: of the run; it replaces the recipe's.
      directory: of the run, created if missing.
      options: how to run; they do not change the result.
      validated: called with the step and its metrics after each validation. An exception from it
        ends the run, which can be resumed later.

    Returns:
      The results of the run, also in its result.json.

    Raises:
      ValueError: the directory holds a run of another recipe.
      NotFinite: the loss diverged; the last good checkpoint is kept.
      OSError: a write failed; the last good checkpoint is kept.
      Preempted: SIGTERM arrived; a checkpoint was written.
      LoaderDied: the loader's processes died several times in a row, see `Prefetcher`.
    """
    path = pathlib.Path(hosts.broadcast(lambda: str(workdir.writable(directory))))
    recipe = setup.recipe.replace(seed=seed)
    data = {split: s.fingerprint() for split, s in setup.data.items()}

    def claim():
        # checked before the manifest records it
        where = str(writable(options.checkpoint_dir)) if options.checkpoint_dir else ''
        workdir.claim(
            path,
            recipe,
            data,
            {'shard': setup.shard, 'workers': options.workers, 'checkpoint_dir': where},
        )
        runs.write_network(path, setup)

    hosts.broadcast(claim)
    checkpoints = None
    with (
        Preemption() as preemption,
        Heartbeat(
            path / 'heartbeat.json' if hosts.is_primary() else None, 60 * options.stall_minutes
        ) as heartbeat,
    ):
        try:
            if hosts.is_primary():
                keep_every = setup.steps(recipe.run.keep_every) if recipe.run.keep_every else 0
                checkpoints = Checkpoints(workdir.checkpoints(path), recipe.run.keep, keep_every)
            shapes = jax.eval_shape(setup.init, np.uint32(seed))
            shared = SharedCheckpoints(checkpoints, shapes, setup.placement, recipe)
            return _Run(
                setup, recipe, path, shared, options, preemption, heartbeat, validated
            ).finish()
        except jax.errors.JaxRuntimeError as error:
            if sentence := hosts.lost(error):
                hosts.leave(AGAIN, sentence)
            raise
        finally:
            if checkpoints is not None:
                checkpoints.close()


class _Run:
    """One process of a run: its train state and step, and the metrics it has not yet logged."""

    def __init__(
        self,
        setup: Setup,
        recipe: Recipe,
        path: pathlib.Path,
        checkpoints: SharedCheckpoints,
        options: Options,
        preemption: Preemption,
        heartbeat: Heartbeat,
        validated: Callable[[int, dict[str, float]], None],
    ):
        self.setup, self.recipe, self.path = setup, recipe, path
        self.checkpoints, self.options = checkpoints, options
        self.preemption, self.heartbeat = preemption, heartbeat
        self.validated = validated
        self.seed = np.uint32(recipe.run.seed)
        state, note = checkpoints.newest()
        self.state = sharding.shard(
            initial_state(setup, self.seed) if state is None else state, setup.placement
        )
        self.step = int(self.state.step)
        self.log = run_log.Log(path, self.step)
        self.train_logger = TrainLogger(setup, recipe, self.log, note.get('metric_buffer', []))
        self.validation_due = note.get('validation_due', False)
        self.prefetcher = self._prefetcher()
        self.profile = Profile(
            path / 'profile', options.profile_steps if hosts.is_primary() else ''
        )
        self.progress = Progress(
            '/'.join(path.parts[-2:]),
            setup.total,
            recipe.run.batch_size,
            self.step,
            options.quiet or not hosts.is_primary(),
        )
        self.evaluate_every = setup.steps(recipe.run.evaluate_every)
        self.checkpoint_every = setup.steps(recipe.run.checkpoint_every)
        self.stopped = control.stopped(self.state, recipe)

    def _prefetcher(self) -> Prefetcher:
        """Prefetches the batches from the current step on."""
        return Prefetcher(
            self._batches,
            lambda batch: sharding.shard_batch(batch, self.setup.mesh),
            self.step,
            self.train_logger.step_timer,
        )

    def _batches(self, step: int) -> Iterator[loader.Batch]:
        return self.setup.batches(int(self.seed), step, self.options.workers)

    def finish(self) -> Result:
        """Trains to the end and writes the result."""
        try:
            self._train()
            self.checkpoints.wait()
            chosen = self.step
            if self.recipe.run.stop_patience:
                chosen, self.state = self.checkpoints.best(self.log.records)
            final: dict[str, dict[str, float]] = {
                split: self._final(split, chosen)
                for split in ('validation', 'test')
                if split in self.setup.data
            }
            result = Result(
                self.step,
                self.train_logger.seconds,
                results.speed(self.log.records),
                final,
                int(self.state.control['best_step']),
                self.path,
            )
            if hosts.is_primary():
                results.draw(self.path, self.log.records)
        finally:
            self.profile.close()
            self.prefetcher.close()
            self.progress.close()
            self.log.close()
        if hosts.is_primary():
            results.write(result)
        return result

    def _train(self) -> None:
        # SIGTERM interrupted the validation of this step
        if self.validation_due:
            self._validate_and_save(evaluation=True)
        self.train_logger.step_timer.restart()
        while not self._finished():
            try:
                self._advance()
                if due := self._due():
                    self._pause(**due)
            except NotFinite as error:
                if self.recipe.run.on_nan != 'rollback':
                    raise
                self._roll_back(error)
                continue
            if self.preemption.at(self.step) and not self._finished():
                self._preempt()

    def _finished(self) -> bool:
        return self.step >= self.setup.total or self.stopped

    def _advance(self) -> None:
        """Makes one step."""
        batch = self.prefetcher.take()
        self.profile.before(self.step + 1)
        self.train_logger.before_step(self.step + 1, self.state.params)
        self.state, metrics = self.setup.train_step(self.state, batch, self.seed)
        self.step += 1
        self.train_logger.after_step(self.step, self.state.params, metrics)
        if self.step < self.setup.total:
            # while the device works
            self.prefetcher.prepare()
        self.train_logger.throttle()
        self.profile.after(self.step, metrics)
        self.heartbeat.beat(self.step, 'training')
        self.progress.advance(self.step)

    def _due(self) -> dict[str, bool]:
        """Returns the arguments of `_pause` after this step; {} where there is nothing to do."""
        last = self.step == self.setup.total
        evaluation = 'validation' in self.setup.data and (
            last or self.step % self.evaluate_every == 0
        )
        save = last or evaluation or self.step % self.checkpoint_every == 0
        if save or self.step % self.train_logger.every == 0:
            return {'evaluation': evaluation, 'save': save}
        return {}

    def _pause(self, evaluation: bool, save: bool) -> None:
        """Logs, and validates and saves where asked.

        Every checkpoint but that of SIGTERM follows a log record, so it needs no pending metrics.
        """
        self.train_logger.record(self.step, self.state, self.checkpoints.last_good)
        record = self.train_logger.newest()
        if 'loss' in record:
            self.progress.show(
                self.step, record['loss'], record['top1'], record.get('images_per_second', 0.0)
            )
        if self.step == self.setup.total:
            self._recompute_batch_stats()
        if save:
            self._validate_and_save(evaluation)
        self.train_logger.step_timer.restart()

    def _validate_and_save(self, evaluation: bool) -> None:
        validation = None
        if evaluation:
            try:
                validation = self._evaluate('validation')
            except Preempted:
                self.checkpoints.save(self.state, note={'validation_due': True})
                self.checkpoints.wait()
                raise
            self.log.append({'step': self.step, 'split': 'validation', **validation})
            best_before = float(self.state.control['best'])
            self._set(control.validated(self.state, self.recipe, validation, self.step))
            self.validated(self.step, validation)
        record = self.train_logger.newest()
        self._report(record, validation)
        if validation and 'loss' in record:
            self.progress.say(
                diagnostics.diagnosis(
                    record, validation, best_before, self.recipe.optimizer.learning_rate
                )
            )
        self.checkpoints.save(self.state, validation and {'top1': validation['top1']})

    def _set(self, state: TrainState) -> None:
        """Replaces the state, and takes the step and early stopping from it."""
        self.state, self.step = sharding.shard(state, self.setup.placement), int(state.step)
        self.stopped = control.stopped(state, self.recipe)

    def _preempt(self) -> None:
        """Writes a checkpoint, with the metrics that are not logged yet, and raises Preempted."""
        start = time.perf_counter()
        if self.checkpoints.last != self.step:
            self.checkpoints.save(self.state, note={'metric_buffer': self.train_logger.pending()})
        self.checkpoints.wait()
        raise Preempted(
            f'SIGTERM: stopped after step {self.step} of {self.setup.total} with a checkpoint, '
            f'written in {time.perf_counter() - start:.1f} s; start the run again with the same '
            f'command to resume there'
        )

    def _roll_back(self, error: NotFinite) -> None:
        """Goes back to the last good checkpoint, or to the start, with a lower learning rate.

        Raises:
          NotFinite: the recipe's `nan_limit` is reached.
        """

        def last_good():
            self.checkpoints.wait()
            state, _ = self.checkpoints.newest()
            return jax.device_get(initial_state(self.setup, self.seed)) if state is None else state

        self._set(control.rolled_back(self.state, self.recipe, error, last_good))
        rollbacks = control.counts(self.state)['rollbacks']
        warnings.warn(
            f'{error}; rolled back to step {self.step} (time {rollbacks} of at most '
            f'{self.recipe.run.nan_limit}), with the learning rate times '
            f'{nan_policy.ROLLBACK_FACTOR**rollbacks:g} from here',
            RuntimeWarning,
            stacklevel=2,
        )
        self.train_logger.rewind(self.step)
        self.prefetcher.close()
        self.prefetcher = self._prefetcher()
        self.train_logger.step_timer.restart()

    def _recompute_batch_stats(self) -> None:
        """Recomputes the batch statistics from training batches, if the recipe asks for it."""
        setup = self.setup
        n = setup.timeline.steps(self.recipe.run.recompute_batch_stats)
        if n:
            # the last batches of the run, since their images have the final size
            batches = self._batches(max(setup.total - n, 0))
            state = recompute_batch_stats.recompute(
                setup.moments_step,
                self.state,
                (sharding.shard_batch(next(batches), setup.mesh) for _ in range(n)),
            )
            getattr(batches, 'close', lambda: None)()
            self.state = sharding.shard(state, setup.placement)

    def _report(self, record: run_log.Record, validation: dict[str, float] | None) -> None:
        train = {'loss': np.nan, 'top1': np.nan, **record}
        speed = self.log.last('images_per_second', 0)
        shown = {
            'loss': f'{train["loss"]:.4f}',
            'top-1': f'{train["top1"]:.2%}',
            'images/s': f'{speed:,.0f}',
        }
        if validation:
            shown['validation top-1'] = f'{validation["top1"]:.2%}'
        self.progress.line(
            self.step,
            self.train_logger.seconds / self.step * (self.setup.total - self.step),
            **shown,
        )

    def _final(self, split: str, step: int) -> dict[str, Any]:
        """Returns the metrics of a split for the current state, that of `step`: from the log if
        they are there, else by evaluating.
        """
        record = next(
            (r for r in reversed(self.log.records) if (r['step'], r['split']) == (step, split)),
            None,
        )
        return results.figures(record) if record else self._evaluate(split)

    def _evaluate(self, split: str) -> dict[str, Any]:
        """Returns the metrics of a split for the current state.

        Raises:
          Preempted: SIGTERM arrived meanwhile. (Several hosts stop after the next step instead.)
        """
        setup = self.setup

        def advance(images: int) -> None:
            self.heartbeat.beat(self.step, f'evaluating {split}')
            if self.preemption.requested:
                raise Preempted(
                    f'SIGTERM: stopped at step {self.step} of {setup.total}, with a checkpoint, '
                    f'while evaluating {split}; start the run again with the same command to '
                    f'resume there'
                )

        return results.figures(
            evaluate(
                setup.eval_step,
                self.state,
                setup.data[split],
                setup.transform,
                batch=setup.recipe.run.batch_size,
                mesh=setup.mesh,
                advance=advance,
            )
        )

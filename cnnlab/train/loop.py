"""The training loop: steps, a log, validation, checkpoints; started again in the same directory it
goes on where it was, bit for bit.

On several hosts every process runs this; process 0 alone reads and writes the directory (`hosts`).
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
    """Trains by a recipe in a directory, or goes on with the run that is there.

    See `run_setup`; `shard` is that of `sharding.state_sharding`.
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
    """Trains one seed of a setup.

    The directory holds recipe.json, manifest.json (versions, devices, commit),
    network.safetensors (the network without its weights), heartbeat.json,
    metrics.jsonl, tensorboard/, checkpoints/ and, in the end, loss.png, top1.png and result.json.

    Args:
      validated: called with the step and its figures after each validation; what it raises ends the
        run, which can go on later.

    Raises:
      ValueError: the directory holds another recipe's run. NotFinite: the loss diverged; the last
        good checkpoint is kept.
      OSError: a file cannot be written; so is it then. Preempted: SIGTERM came. LoaderDied: see
        `Feed`.
    """
    path = pathlib.Path(hosts.broadcast(lambda: str(workdir.writable(directory))))
    recipe = setup.recipe.replace(seed=seed)
    data = {split: s.fingerprint() for split, s in setup.data.items()}

    def claimed():
        # before the run notes it
        where = str(writable(options.checkpoint_dir)) if options.checkpoint_dir else ''
        workdir.claim(
            path,
            recipe,
            data,
            {'shard': setup.shard, 'workers': options.workers, 'checkpoint_dir': where},
        )
        runs.write_network(path, setup)

    hosts.broadcast(claimed)
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
            like = jax.eval_shape(setup.init, np.uint32(seed))
            shared = SharedCheckpoints(checkpoints, like, setup.placement, recipe)
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
    """The state of one process of a run: where it is, and what it has not yet written."""

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
        self.setup, self.recipe, self.path, self.checkpoints = setup, recipe, path, checkpoints
        self.options, self.preemption, self.heartbeat, self.validated = (
            options,
            preemption,
            heartbeat,
            validated,
        )
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
        """The batches from this step on."""
        return Prefetcher(
            self._batches,
            lambda rows: sharding.shard_batch(rows, self.setup.mesh),
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
                s: self._final(s, chosen) for s in ('validation', 'test') if s in self.setup.data
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
        # SIGTERM came while this step was validated
        if self.validation_due:
            self._validate_and_save(evaluation=True)
        self.train_logger.step_timer.restart()
        while self._going():
            try:
                self._advance()
                if due := self._due():
                    self._pause(**due)
            except NotFinite as error:
                if self.recipe.run.on_nan != 'rollback':
                    raise
                self._roll_back(error)
                continue
            if self.preemption.at(self.step) and self._going():
                self._stop()

    def _going(self) -> bool:
        return self.step < self.setup.total and not self.stopped

    def _advance(self) -> None:
        """One step."""
        batch = self.prefetcher.take()
        self.profile.before(self.step + 1)
        self.train_logger.before(self.step + 1, self.state.params)
        self.state, found = self.setup.train_step(self.state, batch, self.seed)
        self.step += 1
        self.train_logger.after(self.step, self.state.params, found)
        if self.step < self.setup.total:
            # while the device works
            self.prefetcher.prepare()
        self.train_logger.settle()
        self.profile.after(self.step, found)
        self.heartbeat.beat(self.step, 'training')
        self.progress.advance(self.step)

    def _due(self) -> dict[str, bool]:
        """What is to be done after this step; {} where it is nothing."""
        last = self.step == self.setup.total
        evaluation = 'validation' in self.setup.data and (
            last or self.step % self.evaluate_every == 0
        )
        save = last or evaluation or self.step % self.checkpoint_every == 0
        if save or self.step % self.train_logger.every == 0:
            return {'evaluation': evaluation, 'save': save}
        return {}

    def _pause(self, evaluation: bool, save: bool) -> None:
        """Logs, validates and saves.

        A checkpoint always ends a window of the log, but for the one that SIGTERM asks for.
        """
        self.train_logger.record(self.step, self.state, self.checkpoints.last_good)
        record = self.train_logger.newest()
        if 'loss' in record:
            self.progress.show(
                self.step, record['loss'], record['top1'], record.get('images_per_second', 0.0)
            )
        if self.step == self.setup.total:
            self._exact_statistics()
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
            before = float(self.state.control['best'])
            self._set(control.validated(self.state, self.recipe, validation, self.step))
            self.validated(self.step, validation)
        record = self.train_logger.newest()
        self._report(record, validation)
        if validation and 'loss' in record:
            self.progress.say(
                diagnostics.reading(record, validation, before, self.recipe.optimizer.learning_rate)
            )
        self.checkpoints.save(self.state, validation and {'top1': validation['top1']})

    def _set(self, state: TrainState) -> None:
        """Another state, with what it says about the end of the run."""
        self.state, self.step = sharding.shard(state, self.setup.placement), int(state.step)
        self.stopped = control.stopped(state, self.recipe)

    def _stop(self) -> None:
        """Ends the run after this step with a checkpoint, whose note keeps what the log has not
        yet.
        """
        begun = time.perf_counter()
        if self.checkpoints.last != self.step:
            self.checkpoints.save(self.state, note={'metric_buffer': self.train_logger.note()})
        self.checkpoints.wait()
        raise Preempted(
            f'SIGTERM: stopped after step {self.step} of {self.setup.total} with a checkpoint, '
            f'written in '
            f'{time.perf_counter() - begun:.1f} s; started again with the same command the run '
            f'goes on there'
        )

    def _roll_back(self, error: NotFinite) -> None:
        """Goes back to the last good checkpoint, or to the start, with a lower rate; raises
        NotFinite where the limit is reached.
        """

        def last_good():
            self.checkpoints.wait()
            state, _ = self.checkpoints.newest()
            return jax.device_get(initial_state(self.setup, self.seed)) if state is None else state

        self._set(control.rolled_back(self.state, self.recipe, error, last_good))
        rollbacks = control.counts(self.state)['rollbacks']
        warnings.warn(
            f'{error}; rolled back to step {self.step} (time {rollbacks} of at most '
            f'{self.recipe.run.nan_limit}), the rate times '
            f'{nan_policy.LOWERED**rollbacks:g} from here',
            RuntimeWarning,
            stacklevel=2,
        )
        self.train_logger.forget(self.step)
        self.prefetcher.close()
        self.prefetcher = self._prefetcher()
        self.train_logger.step_timer.restart()

    def _exact_statistics(self) -> None:
        """Batch statistics computed anew at the end, where the recipe asks for it."""
        setup = self.setup
        n = setup.timeline.steps(self.recipe.run.recompute_batch_stats)
        if n:
            # the last ones, whose images have their final size
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
        """The figures of a split for the present state, that of `step`; its validation stands in
        the log already.
        """
        record = next(
            (r for r in reversed(self.log.records) if (r['step'], r['split']) == (step, split)),
            None,
        )
        return results.figures(record) if record else self._evaluate(split)

    def _evaluate(self, split: str) -> dict[str, Any]:
        """The figures of a split; raises Preempted in between where SIGTERM comes (several hosts
        stop after the next step instead).
        """
        setup = self.setup

        def advance(images: int) -> None:
            self.heartbeat.beat(self.step, f'evaluating {split}')
            if self.preemption.requested:
                raise Preempted(
                    f'SIGTERM: stopped at step {self.step} of {setup.total}, with a checkpoint, '
                    f'while evaluating {split}; '
                    'started again with the same command the run goes on there'
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

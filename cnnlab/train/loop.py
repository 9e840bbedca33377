"""The training loop: steps, a log, validation, checkpoints; started again in the same directory it goes on where it was, bit for bit.

On several hosts every process runs this; process 0 alone reads and writes the directory (`hosts`).
"""
import dataclasses
import json
import pathlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from cnnlab.data import stream
from cnnlab.optim import plateau
from cnnlab.recipes.recipe import Recipe
from cnnlab.report import plots
from cnnlab.report.files import write_text
from cnnlab.train import babysit, exact_norm, guard, hosts, metrics, start, stopping, workdir
from cnnlab.train import job as jobs
from cnnlab.train import mesh as meshes
from cnnlab.train.checkpoint import Checkpoints
from cnnlab.train.evaluate import evaluate
from cnnlab.train.feed import Feed
from cnnlab.train.guard import NotFinite
from cnnlab.train.job import Job
from cnnlab.train.options import Options
from cnnlab.train.preemption import Preempted, Preemption
from cnnlab.train.profile import Profile
from cnnlab.train.progress import Progress
from cnnlab.train.pulse import Pulse
from cnnlab.train.shared_checkpoints import SharedCheckpoints
from cnnlab.train.status import AGAIN
from cnnlab.train.watch import Watch
from cnnlab.train.window import Window


@dataclasses.dataclass(frozen=True)
class Result:
    """What a finished run leaves: also in its `result.json`."""
    steps: int
    seconds: float  # of training, evaluation and compilation not counted
    images_per_second: float
    final: dict[str, dict[str, float]]  # split -> {'n', 'top1', 'top5', 'loss'} of the last state; of the best where it may stop early
    best_step: int  # of the highest validation top-1; 0 where there was no validation
    directory: pathlib.Path


def run(recipe: Recipe, directory: str, data_dir: str | None = None, options: Options = Options(),  # noqa: B008 (frozen)
        spread: str = 'nothing') -> Result:
    """Trains by a recipe in a directory, or goes on with the run that is there.

    See `run_job`; `spread` is that of `mesh.state_sharding`.
    """
    return run_job(jobs.build(recipe, data_dir, spread=spread), recipe.seed, directory, options)


def run_job(job: Job, seed: int, directory: str, options: Options = Options(),  # noqa: B008 (frozen)
            validated: Callable[[int, dict[str, float]], None] = lambda step, figures: None) -> Result:
    """Trains one seed of a job.

    The directory holds recipe.json, manifest.json (versions, devices, commit), heartbeat.json, metrics.jsonl, tensorboard/, checkpoints/
    and, in the end, loss.png, top1.png and result.json.

    Args:
      validated: called with the step and its figures after each validation; what it raises ends the run, which can go on later.

    Raises:
      ValueError: the directory holds another recipe's run. NotFinite: the loss diverged; the last good checkpoint is kept.
      OSError: a file cannot be written; so is it then. Preempted: SIGTERM came. LoaderDied: see `Feed`.
    """
    path = pathlib.Path(hosts.told(lambda: str(workdir.writable(directory))))
    recipe = dataclasses.replace(job.recipe, seed=seed)
    data = {split: s.fingerprint() for split, s in job.data.items()}
    how = {'spread': job.spread, 'workers': options.workers}
    hosts.told(lambda: workdir.claim(path, recipe, data, how))
    checkpoints = None
    with Preemption() as preemption, Pulse(path / 'heartbeat.json' if hosts.first() else None, 60 * options.stall_minutes) as pulse:
        try:
            if hosts.first():
                keep_every = job.steps(recipe.keep_every) if recipe.keep_every else 0
                checkpoints = Checkpoints(options.checkpoint_dir or path / 'checkpoints', recipe.keep, keep_every)
            like = jax.eval_shape(job.init, np.uint32(seed))
            shared = SharedCheckpoints(checkpoints, like, job.placement)
            return _Run(job, recipe, path, shared, options, preemption, pulse, validated).finish()
        except jax.errors.JaxRuntimeError as error:
            if sentence := hosts.lost(error):
                hosts.leave(AGAIN, sentence)
            raise
        finally:
            if checkpoints is not None:
                checkpoints.close()


class _Run:
    """The state of one process of a run: where it is, and what it has not yet written."""

    def __init__(self, job: Job, recipe: Recipe, path: pathlib.Path, checkpoints: SharedCheckpoints, options: Options,
                 preemption: Preemption, pulse: Pulse, validated: Callable[[int, dict[str, float]], None]):
        self.job, self.recipe, self.path, self.checkpoints = job, recipe, path, checkpoints
        self.options, self.preemption, self.pulse, self.validated = options, preemption, pulse, validated
        self.seed = np.uint32(recipe.seed)
        state, note = checkpoints.newest()
        self.state = meshes.placed(start.first(job, self.seed) if state is None else state, job.placement)
        self.step = int(self.state.step)
        self.log = metrics.Log(path, self.step)
        self.seconds = self.log.last('seconds', 0.0)
        self.window = Window(note.get('window', []))
        self.norms: jax.Array | None = None  # of the last update of the window, where it was watched
        self.validation_due = note.get('validation_due', False)
        self.compiled = False
        self.watch = Watch()
        self.feed = self._feed()
        self.profile = Profile(path / 'profile', options.profile_steps if hosts.first() else '')
        self.progress = Progress('/'.join(path.parts[-2:]), job.total, recipe.batch, self.step, options.quiet or not hosts.first())
        self.evaluate_every = job.steps(recipe.evaluate_every)
        self.checkpoint_every = job.steps(recipe.checkpoint_every)
        self.log_every = job.steps(recipe.log_every)
        self.stopped = stopping.over(self.state.control, recipe.stop_patience)

    def _feed(self) -> Feed:
        """The batches from this step on."""
        return Feed(self._batches, lambda rows: meshes.split(rows, self.job.mesh), self.step, self.watch)

    def _batches(self, step: int) -> Iterator[stream.Batch]:
        """This host's rows of the batches from that step on."""
        return stream.train_batches(self.job.data['train'], self.job.train_view, seed=int(self.seed), batch=self.recipe.batch, step=step,
                                    host=jax.process_index(), hosts=jax.process_count(), workers=self.options.workers, **self.job.order)

    def finish(self) -> Result:
        """Trains to the end and writes the result."""
        try:
            self._train()
            self.checkpoints.wait()
            chosen = self.step
            if self.recipe.stop_patience:
                chosen, self.state = self.checkpoints.best(self.log.records)
            final = {s: self._final(s, chosen) for s in ('validation', 'test') if s in self.job.data}
            result = self._result(final)
            if hosts.first():
                for key in ('loss', 'top1'):
                    curve = {self.path.name: metrics.curve([self.log.records], key)}
                    plots.save(plots.learning_curves(curve, key), self.path / f'{key}.png')
        finally:
            self.profile.close()
            self.feed.close()
            self.progress.close()
            self.log.close()
        if hosts.first():
            written = {**dataclasses.asdict(result), 'directory': self.path.name}
            write_text(self.path / 'result.json', json.dumps(written, indent=1) + '\n')
        return result

    def _train(self) -> None:
        if self.validation_due:  # SIGTERM came while this step was validated
            self._validate_and_save(evaluation=True)
        self.watch.restart()
        while self.step < self.job.total and not self.stopped:
            try:
                self._advance()
                if due := self._due():
                    self._pause(**due)
            except NotFinite as error:
                if self.recipe.on_nan != 'rollback':
                    raise
                self._roll_back(error)
                continue
            if self.preemption.at(self.step) and self.step < self.job.total and not self.stopped:
                self._stop()

    def _advance(self) -> None:
        """One step. At most two are under way at a time, so that no more batches than that wait on the devices."""
        batch = self.feed.take()
        self.profile.before(self.step + 1)
        watched = (self.step + 1) % self.log_every == 0  # one update in so many: the others cost nothing
        before = babysit.copied(self.state.params) if watched else None
        self.state, found = self.job.train_step(self.state, batch, self.seed)
        self.norms = babysit.update_norms(before, self.state.params) if watched else None
        self.step += 1
        self.window.add(self.step, found)
        if self.step < self.job.total:
            self.feed.prepare()  # while the device works
        if self.compiled:
            with self.watch.waiting('device'):
                jax.block_until_ready(self.window.behind())
        else:
            jax.block_until_ready(found)  # the first step of a process compiles, so it is not timed
            self.compiled = True
            self.window.untimed += 1
            self.watch.restart()
        self.profile.after(self.step, found)
        self.pulse.beat(self.step, 'training')
        self.progress.advance(self.step)

    def _due(self) -> dict[str, bool]:
        """What is to be done after this step; {} where it is nothing."""
        last = self.step == self.job.total
        evaluation = 'validation' in self.job.data and (last or self.step % self.evaluate_every == 0)
        save = last or evaluation or self.step % self.checkpoint_every == 0
        if save or self.step % self.log_every == 0:
            return {'evaluation': evaluation, 'save': save}
        return {}

    def _pause(self, evaluation: bool, save: bool) -> None:
        """Logs, validates and saves. A checkpoint always ends a window of the log, but for the one that SIGTERM asks for."""
        self._record()
        if self.step == self.job.total:
            self._exact_statistics()
        if save:
            self._validate_and_save(evaluation)
        self.watch.restart()

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
            self._remember(validation)
            self.validated(self.step, validation)
        self._report(validation)
        if validation and 'loss' in self._last_window():
            self.progress.say(babysit.reading(self._last_window(), validation, before, self.recipe.rate))
        self.checkpoints.save(self.state, validation and {'top1': validation['top1']})

    def _stop(self) -> None:
        """Ends the run after this step with a checkpoint, whose note keeps what the log has not yet."""
        begun = time.perf_counter()
        if self.checkpoints.last != self.step:
            self.checkpoints.save(self.state, note={'window': self.window.note()})
        self.checkpoints.wait()
        raise Preempted(f'SIGTERM: stopped after step {self.step} of {self.job.total} with a checkpoint, written in '
                        f'{time.perf_counter() - begun:.1f} s; started again with the same command the run goes on there')

    def _record(self) -> None:
        """Means over the window go to the log; raises NotFinite where one of its losses or gradients is not, and may not be."""
        window = self.window
        with self.watch.waiting('device'):
            window.fetch()
        counts = self._counts()
        self._judge(window, counts)
        elapsed, timed, self.window = self.watch.seconds(), len(window.steps) - window.untimed, Window()
        self.seconds += elapsed
        epoch, rate = self.step * self.recipe.batch / len(self.job.data['train']), self._rate()
        record = {'step': self.step, 'split': 'train', 'epoch': epoch, **window.mean(), 'rate': rate, 'seconds': self.seconds}
        if self.norms is not None:
            record |= babysit.ratios(meshes.fetched(self.norms), self.state.params)
        if self.recipe.on_nan != 'stop':
            record |= counts
        if timed:
            record |= {'images_per_second': timed * self.recipe.batch / elapsed, **self.watch.per_step(timed)}
        self.log.append(record)
        if 'loss' in record:
            self.progress.show(self.step, record['loss'], record['top1'], record.get('images_per_second', 0.0))

    def _judge(self, window: Window, counts: dict[str, int]) -> None:
        bad, policy, limit = len(window.steps) > len(window.good()), self.recipe.on_nan, self.recipe.nan_limit
        if bad and (policy != 'skip' or counts['skipped'] > limit):
            skipped = f'{counts["skipped"]} steps were skipped, more than nan_limit={limit}; ' * (policy == 'skip')
            raise NotFinite(f'{guard.told(window.steps)}, within steps {window.steps[0][0]} to {window.steps[-1][0]}; {skipped}'
                            f'{self.checkpoints.last_good()}; lower the rate, warm up, or clip the gradient (--set clip=1)')

    def _counts(self) -> dict[str, int]:
        """How often the guard acted so far."""
        return {k: int(self.state.control[k]) for k in ('skipped', 'rollbacks')}

    def _roll_back(self, error: NotFinite) -> None:
        """Goes back to the last good checkpoint, or to the start, with a lower rate; raises NotFinite where the limit is reached."""
        rollbacks = self._counts()['rollbacks'] + 1
        if rollbacks > self.recipe.nan_limit:
            raise NotFinite(f'{error}; the run was rolled back {rollbacks - 1} times already (nan_limit)') from error
        self.checkpoints.wait()
        state, _ = self.checkpoints.newest()
        state = guard.lower(jax.device_get(start.first(self.job, self.seed)) if state is None else state, rollbacks)
        self.state, self.step = meshes.placed(state, self.job.placement), int(state.step)
        warnings.warn(f'{error}; rolled back to step {self.step} (time {rollbacks} of at most {self.recipe.nan_limit}), the rate times '
                      f'{guard.LOWERED ** rollbacks:g} from here', RuntimeWarning, stacklevel=2)
        self.stopped = stopping.over(self.state.control, self.recipe.stop_patience)
        self.log.cut(self.step)
        self.window = Window()
        self.feed.close()
        self.feed = self._feed()
        self.watch.restart()

    def _rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.job.schedule(self.step - 1)) * plateau.scale(self.state.opt_state) * guard.rate_share(self.state.opt_state)

    def _remember(self, validation: dict[str, float]) -> None:
        """What validation decides is part of the state, so that it survives a restart: the best so far, early stopping, a plateau."""
        recipe = self.recipe
        control = {**self.state.control, **stopping.remember(self.state.control, validation['top1'], self.step)}
        self.stopped = stopping.over(control, recipe.stop_patience)
        state = self.state.replace(control=control)
        if recipe.schedule == 'plateau':
            opt_state = plateau.observe(state.opt_state, validation['loss'], factor=recipe.factor, patience=recipe.patience)
            state = state.replace(opt_state=opt_state)
        self.state = meshes.placed(state, self.job.placement)

    def _exact_statistics(self) -> None:
        """Batch statistics computed anew at the end, where the recipe asks for it."""
        job = self.job
        n = self.recipe.steps(self.recipe.norm_exact, len(job.data['train']))
        if n:
            batches = self._batches(max(job.total - n, 0))  # the last ones, whose images have their final size
            state = exact_norm.recomputed(job.moments_step, self.state, (meshes.split(next(batches), job.mesh) for _ in range(n)))
            getattr(batches, 'close', lambda: None)()
            self.state = meshes.placed(state, job.placement)

    def _last_window(self) -> metrics.Record:
        """The newest record of training; without 'loss' and 'top1' where no step of it was finite."""
        return next(r for r in reversed(self.log.records) if r['split'] == 'train')

    def _report(self, validation: dict[str, float] | None) -> None:
        train = {'loss': np.nan, 'top1': np.nan, **self._last_window()}
        speed = self.log.last('images_per_second', 0)
        shown = {'loss': f'{train["loss"]:.4f}', 'top-1': f'{train["top1"]:.2%}', 'images/s': f'{speed:,.0f}'}
        if validation:
            shown['validation top-1'] = f'{validation["top1"]:.2%}'
        self.progress.line(self.step, self.seconds / self.step * (self.job.total - self.step), **shown)

    def _final(self, split: str, step: int) -> dict[str, Any]:
        """The figures of a split for the present state, that of `step`; its validation stands in the log already."""
        record = next((r for r in reversed(self.log.records) if (r['step'], r['split']) == (step, split)), None)
        return {k: record[k] for k in ('n', 'top1', 'top5', 'loss')} if record else self._evaluate(split)

    def _evaluate(self, split: str) -> dict[str, Any]:
        """The figures of a split; raises Preempted in between where SIGTERM comes (several hosts stop after the next step instead)."""
        job = self.job

        def advance(images: int) -> None:
            self.pulse.beat(self.step, f'evaluating {split}')
            if self.preemption.told:
                raise Preempted(f'SIGTERM: stopped at step {self.step} of {job.total}, with a checkpoint, while evaluating {split}; '
                                'started again with the same command the run goes on there')
        found = evaluate(job.eval_step, self.state, job.data[split], job.view, batch=job.recipe.batch, mesh=job.mesh, advance=advance)
        return {k: found[k] for k in ('n', 'top1', 'top5', 'loss')}

    def _result(self, final: dict[str, dict[str, float]]) -> Result:
        speeds = metrics.series(self.log.records, 'train', 'images_per_second')[1]
        speed = float(np.median(speeds)) if speeds else 0.0
        return Result(self.step, self.seconds, speed, final, int(self.state.control['best_step']), self.path)

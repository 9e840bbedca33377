"""The training loop: steps, a log, validation, checkpoints; started again in the same directory it goes on where it was, bit for bit."""
import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from cnnlab.data import stream
from cnnlab.optim import plateau
from cnnlab.recipes.recipe import Recipe
from cnnlab.report import plots
from cnnlab.report.files import write_text
from cnnlab.train import babysit, exact_norm, metrics, start, stopping, workdir
from cnnlab.train import job as jobs
from cnnlab.train import mesh as meshes
from cnnlab.train.checkpoint import Checkpoints
from cnnlab.train.evaluate import evaluate
from cnnlab.train.job import Job
from cnnlab.train.progress import Progress
from cnnlab.train.state import TrainState


class NotFinite(FloatingPointError):
    """The loss or the gradient became NaN or infinite."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What a finished run leaves: also in its `result.json`."""
    steps: int
    seconds: float  # of training, evaluation and compilation not counted
    images_per_second: float
    final: dict[str, dict[str, float]]  # split -> {'n', 'top1', 'top5', 'loss'} of the last state; of the best where it may stop early
    best_step: int  # of the highest validation top-1; 0 where there was no validation
    directory: pathlib.Path


def run(recipe: Recipe, directory: str, data_dir: str | None = None, quiet: bool = False, workers: int = 0) -> Result:
    """Trains by a recipe in a directory, or goes on with the run that is there. See `run_job`."""
    return run_job(jobs.build(recipe, data_dir), recipe.seed, directory, quiet, workers)


def run_job(job: Job, seed: int, directory: str, quiet: bool = False, workers: int = 0,
            validated: Callable[[int, dict[str, float]], None] = lambda step, figures: None) -> Result:
    """Trains one seed of a job, its batches prepared by threads or, where `workers` is above 0, by so many processes: the same batches.

    The directory holds recipe.json, manifest.json (versions, devices, commit), metrics.jsonl, tensorboard/, checkpoints/ and, in the end,
    loss.png, top1.png and result.json.

    Args:
      validated: called with the step and its figures after each validation; what it raises ends the run, which can go on later.

    Raises:
      ValueError: the directory holds another recipe's run. NotFinite: the loss diverged; the last good checkpoint is kept.
    """
    path = workdir.writable(directory)
    recipe = dataclasses.replace(job.recipe, seed=seed)
    workdir.claim(path, recipe, {split: s.fingerprint() for split, s in job.data.items()})
    checkpoints = Checkpoints(path / 'checkpoints', recipe.keep)
    try:
        return _Run(job, recipe, path, checkpoints, quiet, workers, validated).finish()
    finally:
        checkpoints.close()


class _Run:
    """The state of one process of a run: where it is, and what it has not yet written."""

    def __init__(self, job: Job, recipe: Recipe, path: pathlib.Path, checkpoints: Checkpoints, quiet: bool, workers: int,
                 validated: Callable[[int, dict[str, float]], None]):
        self.job, self.path, self.checkpoints, self.workers, self.validated = job, path, checkpoints, workers, validated
        self.seed = np.uint32(recipe.seed)
        self.state = self._start()
        self.step = int(self.state.step)
        self.log = metrics.Log(path, self.step)
        self.seconds = self.log.last('seconds', 0.0)
        self.window: list[tuple[int, dict[str, jax.Array]]] = []  # metrics of the steps since the last record
        self.norms: jax.Array | None = None  # of the last update of the window, where it was watched
        label = '/'.join(path.parts[-2:])
        self.untimed: int | None = None  # steps of the window that the clock left out; None before the first step of this process
        self.progress = Progress(label, job.total, recipe.batch, self.step, quiet)
        self.evaluate_every = job.steps(recipe.evaluate_every)
        self.checkpoint_every = job.steps(recipe.checkpoint_every)
        self.log_every = job.steps(recipe.log_every)
        self.stopped = stopping.over(self.state.control, recipe.stop_patience)

    def _start(self) -> TrainState:
        """The newest checkpoint, else the state at step 0."""
        if self.checkpoints.latest() is None:
            state = start.first(self.job, self.seed)
        else:
            state = self.checkpoints.restore(jax.eval_shape(self.job.init, self.seed))
        return meshes.replicated(state, self.job.mesh)

    def finish(self) -> Result:
        """Trains to the end and writes the result."""
        try:
            self._train()
            chosen = self._choose()
            final = {s: self._final(s, chosen) for s in ('validation', 'test') if s in self.job.data}
            result = self._result(final)
            for key in ('loss', 'top1'):
                plots.save(plots.learning_curves({self.path.name: metrics.curve([self.log.records], key)}, key), self.path / f'{key}.png')
        finally:
            self.progress.close()
            self.log.close()
        self.checkpoints.wait()
        written = {**dataclasses.asdict(result), 'directory': self.path.name}
        write_text(self.path / 'result.json', json.dumps(written, indent=1) + '\n')
        return result

    def _train(self) -> None:
        job, total = self.job, self.job.total
        if self.stopped:
            return
        batches = self._batches(self.step)
        clock = time.perf_counter()
        ready = meshes.split(next(batches), job.mesh)
        while self.step < total and not self.stopped:
            watched = (self.step + 1) % self.log_every == 0  # one update in so many: the others cost nothing
            before = babysit.copied(self.state.params) if watched else None
            self.state, found = job.train_step(self.state, ready, self.seed)
            self.norms = babysit.update_norms(before, self.state.params) if watched else None
            self.step += 1
            self.window.append((self.step, found))
            if self.step < total:
                ready = meshes.split(next(batches), job.mesh)  # while the device works
            if self.untimed is None:
                jax.block_until_ready(found)  # the first step of a process compiles, so it is not timed
                self.untimed, clock = 1, time.perf_counter()
            self.progress.advance(self.step)
            due = self._due()
            if due:
                clock = self._pause(clock, **due)
        getattr(batches, 'close', lambda: None)()

    def _batches(self, step: int) -> Iterator[dict[str, np.ndarray]]:
        """This host's rows of the batches from that step on."""
        job = self.job
        return stream.train_batches(job.data['train'], job.train_view, seed=int(self.seed), batch=job.recipe.batch, step=step,
                                    host=jax.process_index(), hosts=jax.process_count(), workers=self.workers, **job.order)

    def _due(self) -> dict[str, bool]:
        """What is to be done after this step; {} where it is nothing."""
        last = self.step == self.job.total
        evaluation = 'validation' in self.job.data and (last or self.step % self.evaluate_every == 0)
        save = last or evaluation or self.step % self.checkpoint_every == 0
        if save or self.step % self.log_every == 0:
            return {'evaluation': evaluation, 'save': save}
        return {}

    def _pause(self, clock: float, evaluation: bool, save: bool) -> float:
        """Logs, validates and saves; returns the time at which training goes on. A checkpoint always ends a window of the log."""
        self._record(clock)
        if self.step == self.job.total:
            self._exact_statistics()
        validation = None
        if evaluation:
            validation = self._evaluate('validation')
            self.log.append({'step': self.step, 'split': 'validation', **validation})
            before = float(self.state.control['best'])
            self._remember(validation)
            self.validated(self.step, validation)
        if save:
            self._report(validation)
            if validation:
                self.progress.say(babysit.reading(self._last_window(), validation, before, self.job.recipe.rate))
            self._refuse_broken(self.state)
            self.checkpoints.save(self.state, validation and {'top1': validation['top1']})
        return time.perf_counter()

    def _record(self, clock: float) -> None:
        """Means over the window go to the log; raises NotFinite where one of its losses or gradients is not."""
        window, self.window = self.window, []
        values = jax.device_get([found for _, found in window])
        elapsed = time.perf_counter() - clock
        self.seconds += elapsed
        for (step, _), found in zip(window, values, strict=True):
            if not all(np.isfinite(found[k]) for k in ('loss', 'grad_norm')):
                raise NotFinite(f'the loss became {float(found["loss"])} (gradient norm {float(found["grad_norm"])}) at step {step}, '
                                f'within steps {window[0][0]} to {window[-1][0]}; {self._last_good()}; '
                                'lower the rate, warm up, or clip the gradient (--set clip=1)')
        mean = {k: float(np.mean([v[k] for v in values], dtype=np.float64)) for k in ('loss', 'top1', 'grad_norm')}
        timed, self.untimed = len(window) - self.untimed, 0
        speed = timed * self.job.recipe.batch / elapsed if timed else 0.0
        record = {'step': self.step, 'split': 'train', 'epoch': self.step * self.job.recipe.batch / len(self.job.data['train']), **mean,
                  'rate': float(self.job.schedule(self.step - 1)) * plateau.scale(self.state.opt_state), 'seconds': self.seconds}
        if self.norms is not None:
            record |= babysit.ratios(self.norms, self.state.params)
        self.log.append({**record, 'images_per_second': speed} if timed else record)
        self.progress.show(self.step, mean['loss'], mean['top1'], speed)

    def _remember(self, validation: dict[str, float]) -> None:
        """What validation decides is part of the state, so that it survives a restart: the best so far, early stopping, a plateau."""
        recipe = self.job.recipe
        control = stopping.remember(self.state.control, validation['top1'], self.step)
        self.stopped = stopping.over(control, recipe.stop_patience)
        self.state = self.state.replace(control=meshes.replicated(control, self.job.mesh))
        if recipe.schedule == 'plateau':
            opt_state = plateau.observe(self.state.opt_state, validation['loss'], factor=recipe.factor, patience=recipe.patience)
            self.state = self.state.replace(opt_state=meshes.replicated(opt_state, self.job.mesh))

    def _exact_statistics(self) -> None:
        """Batch statistics computed anew at the end, where the recipe asks for it."""
        job = self.job
        n = job.recipe.steps(job.recipe.norm_exact, len(job.data['train']))
        if n:
            batches = self._batches(0)
            state = exact_norm.recomputed(job.moments_step, self.state, (meshes.split(next(batches), job.mesh) for _ in range(n)))
            getattr(batches, 'close', lambda: None)()
            self.state = meshes.replicated(state, job.mesh)

    def _choose(self) -> int:
        """The step whose state counts, made the present one: the last, or the best one kept where the run may stop early."""
        if not self.job.recipe.stop_patience:
            return self.step
        self.checkpoints.wait()
        scored = dict(zip(*metrics.series(self.log.records, 'validation', 'top1'), strict=True))
        best = max((s for s in self.checkpoints.steps() if s in scored), key=scored.get)
        self.state = meshes.replicated(self.checkpoints.restore(jax.eval_shape(self.job.init, self.seed), best), self.job.mesh)
        return best

    def _refuse_broken(self, state: TrainState) -> None:
        """The parameters can overflow in the very update whose loss was finite; such a state must not replace a good checkpoint."""
        if not all(bool(np.isfinite(a).all()) for a in jax.tree.leaves(jax.device_get(state.params))):
            raise NotFinite(f'the parameters became NaN or infinite in step {self.step}; {self._last_good()}')

    def _last_good(self) -> str:
        self.checkpoints.wait()
        good = self.checkpoints.latest()
        return 'no checkpoint was written before' if good is None else f'the last good checkpoint is of step {good}'

    def _last_window(self) -> metrics.Record:
        """The newest record of training."""
        return next(r for r in reversed(self.log.records) if r['split'] == 'train')

    def _report(self, validation: dict[str, float] | None) -> None:
        train = self._last_window()
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
        job = self.job
        found = evaluate(job.eval_step, self.state, job.data[split], job.view, batch=job.recipe.batch, mesh=job.mesh)
        return {k: found[k] for k in ('n', 'top1', 'top5', 'loss')}

    def _result(self, final: dict[str, dict[str, float]]) -> Result:
        speeds = metrics.series(self.log.records, 'train', 'images_per_second')[1]
        speed = float(np.median(speeds)) if speeds else 0.0
        return Result(self.step, self.seconds, speed, final, int(self.state.control['best_step']), self.path)

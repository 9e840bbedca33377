"""Soak test of training: kills, preemptions, damaged checkpoints and a long run must lose nothing.

    python -m benchmarks.soak                                        # a few of each, minutes
    python -m benchmarks.soak --kills=20 --preemptions=8 --corruptions=20 --steps=20000

One run is not disturbed. A second run of the same recipe is killed by SIGKILL while it starts,
steps, writes a checkpoint and evaluates; it is preempted by SIGTERM; files of its newest checkpoint
are truncated, changed and deleted. Each time it is started again. At the end parameters, optimizer,
moving average, batch statistics and all log fields but the times must have the same bits as in the
undisturbed run. A third run makes --steps steps while its memory is measured. The exit status is 1
if anything was lost.
"""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from absl import flags
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlab.train import compare_runs
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.exit_codes import AGAIN
from cnnlab.train.monitor import run_log
from experiments import common

_KILLS = flags.DEFINE_integer('kills', 4, 'Number of SIGKILLs.', lower_bound=0)
_PREEMPTIONS = flags.DEFINE_integer('preemptions', 2, 'Number of SIGTERMs.', lower_bound=0)
_CORRUPTIONS = flags.DEFINE_integer(
    'corruptions', 4, 'Number of damaged checkpoints.', lower_bound=0
)
_STEPS = flags.DEFINE_integer('steps', 2000, 'Steps of the long run; 0 skips it.', lower_bound=0)
_SEED = flags.DEFINE_integer('random_seed', 0, 'Seed of the moments and the damage.')

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOMENTS = ('start', 'step', 'checkpoint', 'evaluation')
DAMAGES = ('cut', 'flip', 'delete')
# steps per epoch of digits at batch size 64, and so between checkpoints; every second checkpoint
# comes with an evaluation
EVERY = 18
# Batch norm, stochastic depth, a moving average, augmentation and mixup: every kind of state.
RECIPE = (
    '--recipe=digits',
    '--set=model=cifar_resnet110_stochastic_depth',
    '--set=model_fields.blocks=1',
    '--set=average=ema',
    '--set=average.decay=0.9',
    '--set=mixup=0.2',
    '--set=checkpoint_every=1 epochs',
    '--set=evaluate_every=2 epochs',
    '--set=log_every=5 steps',
    '--set=warmup=0 steps',
    '--set=keep=3',
)
# A small network, for many steps: memory could leak in the loop, the input, the log or the
# checkpoints, not in the network.
LONG = (
    '--recipe=digits',
    '--set=model=mlp2',
    '--set=checkpoint_every=10 epochs',
    '--set=evaluate_every=20 epochs',
    '--set=log_every=50 steps',
)
# seconds after which a process counts as hanging
_LONGEST = 600.0


class Lost(AssertionError):
    """A run lost something, or did not end as it must."""


def command(workdir: pathlib.Path, epochs: int, recipe: Sequence[str] = RECIPE) -> list[str]:
    """Returns the command that starts the run."""
    return [
        sys.executable,
        '-m',
        'experiments.train',
        *recipe,
        f'--set=duration={epochs} epochs',
        f'--workdir={workdir}',
    ]


def started(
    workdir: pathlib.Path, epochs: int, cache: pathlib.Path, recipe: Sequence[str] = RECIPE
) -> subprocess.Popen:
    """Starts the run; compiled programs are cached in `cache`, so that it restarts fast."""
    environment = {
        **os.environ,
        'JAX_COMPILATION_CACHE_DIR': str(cache),
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    }
    return subprocess.Popen(
        command(workdir, epochs, recipe),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(workdir: pathlib.Path, epochs: int, cache: pathlib.Path) -> str:
    """Runs to the end; returns the output.

    Raises:
      Lost: the exit status is not 0.
    """
    process = started(workdir, epochs, cache)
    _, output = process.communicate(timeout=_LONGEST)
    if process.returncode:
        raise Lost(f'{workdir} ended with status {process.returncode}: {output[-2000:]}')
    return output


def _last(workdir: pathlib.Path) -> run_log.Record:
    return (run_log.read(workdir / 'metrics.jsonl') or [{'step': 0, 'split': 'none'}])[-1]


def _reached(moment: str, workdir: pathlib.Path, first: int) -> bool:
    """Whether the run is at a moment of MOMENTS, and beyond step `first`."""
    last = _last(workdir)
    if moment == 'checkpoint':
        return (
            any('tmp' in path.name for path in (workdir / 'checkpoints').glob('*'))
            and last['step'] > first
        )
    if moment == 'evaluation':
        return last['split'] == 'train' and last['step'] % (2 * EVERY) == 0 and last['step'] > first
    return last['step'] > first


def wait_for(
    process: subprocess.Popen, moment: str, workdir: pathlib.Path, draw: random.Random
) -> None:
    """Waits until the run is at a moment of MOMENTS, or has ended."""
    if moment == 'start':
        time.sleep(draw.uniform(0, 4))
        return
    first, start = _last(workdir)['step'], time.monotonic()
    while process.poll() is None and not _reached(moment, workdir, first):
        if time.monotonic() - start > _LONGEST:
            raise Lost(f'{workdir} did not get to {moment} within {_LONGEST:.0f} s')
        time.sleep(0.001)
    if moment == 'step':
        time.sleep(draw.uniform(0, 0.2))


def kill(
    workdir: pathlib.Path, moment: str, epochs: int, cache: pathlib.Path, draw: random.Random
) -> bool:
    """Starts the run and kills it at a moment of MOMENTS; returns whether it was still running."""
    process = started(workdir, epochs, cache)
    wait_for(process, moment, workdir, draw)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def preempt(
    workdir: pathlib.Path, moment: str, epochs: int, cache: pathlib.Path, draw: random.Random
) -> float | None:
    """Starts the run and sends SIGTERM at a moment of MOMENTS.

    Returns:
      Seconds until the process ended; None if the run had finished.

    Raises:
      Lost: it ended with another status, or without a checkpoint.
    """
    process = started(workdir, epochs, cache)
    wait_for(process, moment, workdir, draw)
    signaled = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=_LONGEST)
    if process.returncode == 0:
        return None
    if process.returncode != AGAIN or 'SIGTERM: stopped' not in output:
        raise Lost(
            f'SIGTERM ended the run with status {process.returncode}, not {AGAIN}: {output[-2000:]}'
        )
    return time.monotonic() - signaled


def damage(workdir: pathlib.Path, kind: str, draw: random.Random) -> pathlib.Path:
    """Truncates a file of the newest checkpoint, flips a bit of it or deletes it; returns which."""
    newest = workdir / 'checkpoints' / str(Checkpoints.steps_in(workdir / 'checkpoints')[-1])
    file = draw.choice(sorted(p for p in newest.rglob('*') if p.is_file() and p.stat().st_size))
    content = bytearray(file.read_bytes())
    if kind == 'delete':
        file.unlink()
    elif kind == 'cut':
        file.write_bytes(content[: draw.randrange(len(content))])
    else:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)
    return file.relative_to(workdir)


def losses(whole: pathlib.Path, broken: pathlib.Path) -> list[str]:
    """Lists what the disturbed run lost against the undisturbed one, or recorded twice."""
    differences = compare_runs.differences(whole, broken)
    marks = [(r['step'], r['split']) for r in run_log.read(broken / 'metrics.jsonl')]
    if len(marks) != len(set(marks)):
        differences.append('the log has a record twice')
    events = EventAccumulator(str(broken / 'tensorboard'), size_guidance={'scalars': 0})
    events.Reload()
    for tag in events.Tags()['scalars']:
        steps = [e.step for e in events.Scalars(tag)]
        if steps != sorted(set(steps)):
            differences.append(f'TensorBoard has a step of {tag} twice, or out of order')
    return differences


def own_mib(pid: int) -> float:
    """Returns the anonymous memory of a process in MiB, without mapped files and libraries."""
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    return (
        int(next(line.split()[1] for line in status.splitlines() if line.startswith('RssAnon:')))
        / 1024
    )


def memory_growth(workdir: pathlib.Path, steps: int, cache: pathlib.Path) -> tuple[float, float]:
    """Returns (MiB after a tenth of the steps, growth in MiB from there to the end)."""
    process = started(workdir, max(steps // EVERY, 1), cache, LONG)
    early = late = 0.0
    while process.poll() is None:
        step = _last(workdir)['step']
        try:
            now = own_mib(process.pid)
        except (OSError, StopIteration):
            # the process has ended
            break
        if step < steps // 10:
            early = now
        late = now or late
        time.sleep(0.5)
    if process.wait():
        raise Lost(
            f'the long run ended with status {process.returncode}: {process.stderr.read()[-2000:]}'
        )
    return early, late - early


def turns(kinds: Sequence[str], count: int) -> list[str]:
    """Returns `count` of the kinds, in turn."""
    return [kinds[i % len(kinds)] for i in range(count)]


def main(_):
    """Runs the soak test and prints the result."""
    draw, root = random.Random(_SEED.value), pathlib.Path(tempfile.mkdtemp(prefix='soak'))
    whole, broken, cache = root / 'whole', root / 'broken', root / 'cache'
    epochs = 20 + 4 * (_KILLS.value + _PREEMPTIONS.value + _CORRUPTIONS.value)
    killed = damaged = 0
    seconds: list[float] = []
    try:
        finished(whole, epochs, cache)
        for moment in turns(MOMENTS, _KILLS.value):
            killed += kill(broken, moment, epochs, cache, draw)
        for moment in turns(MOMENTS[1:], _PREEMPTIONS.value):
            took = preempt(broken, moment, epochs, cache, draw)
            seconds += [] if took is None else [took]
        for kind in turns(DAMAGES, _CORRUPTIONS.value):
            killed += kill(broken, 'step', epochs, cache, draw)
            damage(broken, kind, draw)
            damaged += 1
        finished(broken, epochs, cache)
        lost = losses(whole, broken)
        base = growth = 0.0
        if _STEPS.value:
            base, growth = memory_growth(root / 'long', _STEPS.value, cache)
    except Lost as error:
        lost, base, growth = [str(error)], 0.0, 0.0
    print(f'kills survived       {killed}')
    print(
        f'preemptions survived {len(seconds)}'
        + (f', ended after at most {max(seconds):.1f} s' if seconds else '')
    )
    print(f'corruptions survived {damaged}')
    print(
        f'steps                {epochs * EVERY:,} of the disturbed run, {_STEPS.value:,} of the '
        f'long one'
    )
    print(
        f'memory growth        {growth * 2**20:,.0f} bytes over {_STEPS.value * 9 // 10:,} steps, '
        f'from {base:.0f} MiB'
    )
    print('lost                 ' + ('none' if not lost else '; '.join(lost[:10])))
    shutil.rmtree(root, ignore_errors=True)
    sys.exit(bool(lost))


if __name__ == '__main__':
    common.start(main)

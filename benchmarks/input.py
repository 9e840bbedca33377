"""Speed of the ImageNet input pipeline against tf.data and torch's DataLoader, on the same JPEGs.

    # the interpreter of the peers has tensorflow, torch and pillow
    python -m benchmarks.input --source=/dir/of/the/tars --peer_python=/path/to/python
    # the share of time that ResNet-50 waits for data
    python -m benchmarks.input --source=... --only=step
    # memory over many batches of 8
    python -m benchmarks.input --source=... --only=soak --batches=20000

The images of --source are prepared below --workdir (created if missing) in three forms: the
original files, JPEGs of 256 pixels, and uncompressed images of 256 pixels. The peers read the same
bytes as files, and are measured in turns with cnnlab. Each image is decoded, randomly cropped,
resized to 224x224, and flipped with probability 1/2.

"per core" is images per processor second of the whole process tree, user and system time, with all
buffers full before and after; it is meaningful on a shared machine too. "images/s" is by the clock.
"""

import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
from absl import flags

from benchmarks import processes
from benchmarks.input_ours import TRANSFORMS
from cnnlab.data import loader, sources
from cnnlab.data.prepare import form, inputs, run
from cnnlab.data.transforms import parse
from experiments import common

_SOURCE = flags.DEFINE_string(
    'source', None, 'Images, as experiments.prepare_imagenet takes them; without, nothing is done.'
)
_PEER = flags.DEFINE_string(
    'peer_python',
    None,
    'An interpreter that has tensorflow, torch and pillow; without, only cnnlab is measured.',
)
_ONLY = flags.DEFINE_enum(
    'only', None, ['speed', 'step', 'soak'], 'One of the measurements; default: speed and step.'
)
_SETS = flags.DEFINE_list('sets', ['original', 'jpeg256', 'pixels256'], 'Forms of the images.')
_COUNTS = flags.DEFINE_list('counts', ['1', '2'], 'Workers of each side.')
_SPLIT = flags.DEFINE_string(
    'split', 'validation', 'Split of the images; in the miniature, validation has the usual sizes.'
)
_BATCH = flags.DEFINE_integer(
    'batch', 32, 'Images per batch of the speed measurement.', lower_bound=1
)
_WINDOW = flags.DEFINE_integer('window', 30, 'Batches per measurement.', lower_bound=2)
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Measurements of each, in turns.', lower_bound=1)
_BATCHES = flags.DEFINE_integer('batches', 2000, 'Batches of 8 of the soak test.', lower_bound=10)
_STEPS = flags.DEFINE_integer('steps', 8, 'Steps of ResNet-50, of 8 images each.', lower_bound=2)

FORMS = {
    'original': form.Form(),
    'jpeg256': form.Form(256),
    'pixels256': form.Form(256, encoding='pixels'),
}
MODULE = 'benchmarks.input_ours'


class Side:
    """One input pipeline, in a process of its own.

    Args:
      label: of the pipeline.
      *command: starts the process, which answers a line N with the seconds that N batches take.
    """

    def __init__(self, label, *command):
        self.label = label
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = self.process.stdout.readline().strip()
        if not self.version:
            raise ValueError(f'{" ".join(command)} did not start; is a package missing?')
        self.per_core, self.total, self.memory = [], [], []

    def take(self, batches):
        """Takes a number of batches; returns the seconds."""
        self.process.stdin.write(f'{batches}\n')
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def measure(self):
        """Adds one measurement of speed and memory."""
        before = processes.settled(self.process.pid)
        # buffered batches would make the clock too fast, so more than any side buffers are taken
        # before it starts; processor time counts all batches
        ready = 8
        self.take(ready)
        seconds = self.take(_WINDOW.value)
        images = _BATCH.value * _WINDOW.value
        self.total.append(images / seconds)
        used = processes.settled(self.process.pid) - before
        self.per_core.append((images + _BATCH.value * ready) / used)
        self.memory.append(sum(map(processes.resident_mib, processes.tree(self.process.pid))))

    def close(self):
        process_tree = processes.tree(self.process.pid)
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in process_tree:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


def files_of(name, data_dir):
    """Writes the images of a prepared set as files for the peers; returns the folder."""
    folder = data_dir / f'{name}_files'
    source = sources.load(name, _SPLIT.value, data_dir=data_dir)
    if not folder.is_dir():
        folder.mkdir()
        for i in range(len(source)):
            [example] = source.encoded([i])
            (folder / f'{i:07}.jpg').write_bytes(example['image'].data)
    return folder


def speed(name, count, data_dir):
    """Measures all sides and prints a line for each.

    Returns:
      Medians of images per processor second of cnnlab with processes, and of the better peer.
    """
    ours = (
        sys.executable,
        '-m',
        MODULE,
        str(data_dir),
        name,
        _SPLIT.value,
        str(_BATCH.value),
        str(count),
    )
    sides = [
        Side('cnnlab, processes', *ours, 'processes'),
        Side('cnnlab, threads', *ours, 'threads'),
    ]
    if _PEER.value and name != 'pixels256':
        peer = (_PEER.value, str(pathlib.Path(__file__).with_name('input_peer.py')))
        sides += [
            Side(kind, *peer, kind, str(files_of(name, data_dir)), str(_BATCH.value), str(count))
            for kind in ('tf', 'torch')
        ]
    for _ in range(_REPEATS.value):
        for side in sides:
            side.measure()
    best = max((statistics.median(s.per_core) for s in sides[2:]), default=float('nan'))
    for side in sides:
        core, total = statistics.median(side.per_core), statistics.median(side.total)
        print(
            f'{name:10} {count} workers  {side.label:17} {side.version:28} per core {core:7,.0f} '
            f'({min(side.per_core):,.0f} to {max(side.per_core):,.0f})  images/s {total:7,.0f}  '
            f'memory {statistics.median(side.memory):6,.0f} MiB  ratio to the better peer per core '
            f'{core / best:5.2f}',
            flush=True,
        )
        side.close()
    return statistics.median(sides[0].per_core), best


def waiting(data_dir):
    """Prints the share of time that ResNet-50 waits for a batch, for each form of the images."""
    import functools

    import optax

    from cnnlab import losses
    from cnnlab.models import registry
    from cnnlab.train.distributed import sharding
    from cnnlab.train.state import init_state
    from cnnlab.train.step import train_step
    from cnnlab.train.step_config import StepConfig

    model, tx, mesh = registry.create('resnet50'), optax.sgd(0.1, 0.9), sharding.data_mesh(1)
    train = sharding.parallel_train(
        functools.partial(
            train_step,
            StepConfig(
                model=model, tx=tx, loss=losses.softmax, mean=np.float32(127), std=np.float32(64)
            ),
        ),
        mesh,
    )
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32)
    state = sharding.replicate(
        jax.jit(functools.partial(init_state, model, tx, image=image))(np.uint32(0)), mesh
    )
    for name in _SETS.value:
        batches = loader.train_batches(
            sources.load(name, _SPLIT.value, data_dir=data_dir),
            parse.parse(*TRANSFORMS),
            seed=0,
            batch=8,
        )
        # the first step compiles
        state, metrics = train(state, sharding.shard_batch(next(batches), mesh), np.uint32(0))
        jax.block_until_ready(metrics)
        waited, start = 0.0, time.perf_counter()
        for _ in range(_STEPS.value):
            wait_start = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - wait_start
            state, metrics = train(state, sharding.shard_batch(batch, mesh), np.uint32(0))
            jax.block_until_ready(metrics)
        seconds = time.perf_counter() - start
        batches.close()
        print(
            f'{name:10} ResNet-50 on {jax.default_backend()}, batch 8: '
            f'{8 * _STEPS.value / seconds:.1f} images/s, {waited / seconds:.2%} of the time '
            f'waiting for data',
            flush=True,
        )


def soak(name, data_dir):
    """Prints the memory of the consumer and of its two workers over many batches of 8."""
    side = Side(
        'cnnlab',
        sys.executable,
        '-m',
        MODULE,
        str(data_dir),
        name,
        _SPLIT.value,
        '8',
        '2',
        'processes',
    )
    part = _BATCHES.value // 10
    for k in range(11):
        if k:
            side.take(part)
        consumer, *workers = sorted(processes.tree(side.process.pid))
        each = [processes.resident_mib(w) for w in workers]
        print(
            f'{name:10} after {k * part:6,} batches of 8: consumer '
            f'{processes.resident_mib(consumer):6.1f} MiB, '
            f'{len(each)} workers {" ".join(f"{m:.1f}" for m in each)} MiB',
            flush=True,
        )
    side.close()


def main(_):
    """Prepares the missing sets, then measures."""
    if not _SOURCE.value:
        print('no --source: not measured')
        return
    data_dir = pathlib.Path(common.WORKDIR.value or tempfile.mkdtemp(prefix='input'))
    for name in _SETS.value:
        run.prepare(inputs.open_input(_SOURCE.value), data_dir, name=name, form=FORMS[name])
        train = sources.load(name, _SPLIT.value, data_dir=data_dir)
        sizes = [len(e['image'].data) for e in train.encoded(range(min(200, len(train))))]
        print(
            f'{name}: {len(train):,} images, {statistics.mean(sizes) / 1000:.0f} kB each',
            flush=True,
        )
    if _ONLY.value in (None, 'speed'):
        speeds = {
            (name, count): speed(name, int(count), data_dir)
            for name in _SETS.value
            for count in _COUNTS.value
        }
        for count in _COUNTS.value:
            if _PEER.value and ('original', count) in speeds:
                for name in _SETS.value:
                    ratio = speeds[name, count][0] / speeds['original', count][1]
                    print(
                        f'{count} workers: cnnlab on {name} per core is {ratio:.2f} times the '
                        f'better peer on the originals'
                    )
    if _ONLY.value in (None, 'step'):
        waiting(data_dir)
    if _ONLY.value == 'soak':
        soak(_SETS.value[0], data_dir)


if __name__ == '__main__':
    common.start(main)

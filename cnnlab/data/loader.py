"""Batches as a pure function of (seed, step), whatever the number of hosts, threads or processes.

Example p of training is number p mod n of the permutation of epoch p // n, seen through a transform
that draws from a stream of random numbers which belongs to (seed, p). Where its image cannot be
read, the next one of the source that can takes its place, so that this does not depend on what
happened before. The global batch of step t is the examples t b .. t b + b - 1; host k of H takes
the k-th of H equal runs of them, so that the rows of the global array stand in one order whatever
the hosts (what is drawn for a row on the device, dropout for one, is then the same too). So a run
resumes at any step, on any number of hosts, from the step alone.

With repeated augmentation, r examples in a row are one image in r transforms: example p is number
(p mod n) // r of its permutation, and an epoch of n examples shows n / r of the images, as
torchvision's RASampler has it (references/classification/sampler.py).

Grain runs these functions ahead of the consumer, in threads or processes. They take whole batches
because that is what its cost per element allows: MNIST in memory with pad(2), one thread of Grain
0.2.18, costs 70 us an image by
`MapDataset.source(s).seed(k).shuffle().repeat().random_map(transform).batch(128)`, of which the
shuffled indices alone are 20, and 8 us by this; the consumer, LeNet-5 on the same two cores, takes
77.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator

import cv2
import grain
import numpy as np

from cnnlab.data.decoding.allocator import keep_freed_memory
from cnnlab.data.decoding.decode import Unreadable
from cnnlab.data.parent_watchdog import end_with_parent
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform
from cnnlab.data.transforms.flip import flip_left_right
from cnnlab.data.unreadable_images import UnreadableImages

Batch = dict[str, np.ndarray]
# what random numbers are for: independent streams of the same seed
_SHUFFLE, _VIEW, _MIRROR = range(3)
_MOST_THREADS = 16
_ENDLESS = 2**62


class PerExampleRng:
    """One generator, put at the start of the stream that belongs to (seed, position).

    A new Philox per image takes 18 us; setting the counter of one takes 2. Streams are 2**192
    numbers apart.
    """

    def __init__(self, seed: int):
        key = np.random.SeedSequence(seed, spawn_key=(_VIEW,)).generate_state(2, np.uint64)
        self._bits = np.random.Philox(key=key)
        self._generator = np.random.Generator(self._bits)
        self._start = self._bits.state

    def at(self, position: int) -> np.random.Generator:
        """The generator, valid until the next call."""
        self._start['state']['counter'][3] = position
        self._bits.state = self._start
        return self._generator


# a batch may lie across two epochs
@functools.lru_cache(maxsize=2)
def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of epoch `epoch`: int (n,).

    By sorting Philox's raw numbers, a stream that numpy keeps fixed.
    """
    key = np.random.SeedSequence(seed, spawn_key=(_SHUFFLE, epoch)).generate_state(2, np.uint64)
    order = np.argsort(np.random.Philox(key=key).random_raw(n), kind='stable')
    order.flags.writeable = False
    return order


@functools.lru_cache(maxsize=2)
def mirrored_first(n: int, seed: int) -> np.ndarray:
    """bool (n,): which images alternating flips mirror in the first epoch, about half of them; in
    the next it is the others.
    """
    key = np.random.SeedSequence(seed, spawn_key=(_MIRROR,)).generate_state(2, np.uint64)
    return np.random.Philox(key=key).random_raw(n) % 2 == 1


@dataclasses.dataclass(frozen=True)
class ProgressiveTransforms:
    """Transforms that follow one another in the course of training: progressive resizing.

    `transforms` are (first step, transform), the first from step 0 on, steps rising.
    """

    transforms: tuple[tuple[int, Transform], ...]

    def __post_init__(self) -> None:
        firsts = [step for step, _ in self.transforms]
        if not firsts or firsts[0] != 0 or firsts != sorted(set(firsts)):
            raise ValueError(f'stages begin at step 0 and rise, not at {firsts}')

    def at(self, step: int) -> Transform:
        """The transform of a step."""
        return [transform for first, transform in self.transforms if first <= step][-1]


@dataclasses.dataclass(frozen=True)
class TrainBatch:
    """step -> this host's rows of the global batch; the arguments of `train_batches`."""

    source: ImageSource
    transform: Transform | ProgressiveTransforms
    seed: int
    batch: int
    host: int = 0
    hosts: int = 1
    # None: an image that cannot be read is an error
    skips: UnreadableImages | None = None
    repeats: int = 1
    alternating_flip: bool = False

    def __call__(self, step: int) -> Batch:
        n = len(self.source)
        first, size = step * self.batch, self.batch // self.hosts
        positions = range(first + self.host * size, first + (self.host + 1) * size)
        rows = [int(permutation(n, self.seed, p // n)[p % n // self.repeats]) for p in positions]
        transform = (
            self.transform.at(step)
            if isinstance(self.transform, ProgressiveTransforms)
            else self.transform
        )
        found = _stack(self.source, transform, rows, self.seed, positions, self.skips)
        if self.alternating_flip:
            for image, row, p in zip(found['image'], rows, positions, strict=True):
                if mirrored_first(n, self.seed)[row] ^ (p // n % 2 == 1):
                    image[:] = flip_left_right(image)
        return found


@dataclasses.dataclass(frozen=True)
class EvalBatch:
    """step -> this host's rows of examples step * batch ..

    (step + 1) * batch - 1; the arguments of `eval_batches`.
    """

    source: ImageSource
    transform: Transform
    batch: int
    host: int = 0
    hosts: int = 1

    def __call__(self, step: int) -> Batch:
        n, size = len(self.source), self.batch // self.hosts
        rows = range(step * self.batch + self.host, min((step + 1) * self.batch, n), self.hosts)
        # no row left: the first, for its shape
        found = _stack(self.source, self.transform, list(rows) or [0], 0, rows or [0])
        out = {key: np.zeros((size, *a.shape[1:]), a.dtype) for key, a in found.items()}
        for key, a in found.items():
            out[key][: len(rows)] = a[: len(rows)]
        out['mask'] = (np.arange(size) < len(rows)).astype(np.float32)
        return out


@dataclasses.dataclass(frozen=True)
class _OnOneThread:
    """`batch_of` as a process that does little else runs it: without threads of OpenCV, with memory
    kept, and no longer than that.
    """

    batch_of: Callable[[int], Batch]

    def __call__(self, step: int) -> Batch:
        cv2.setNumThreads(0)
        keep_freed_memory()
        end_with_parent()
        return self.batch_of(step)


def _stack(
    source: ImageSource,
    transform: Transform,
    rows: list[int],
    seed: int,
    positions: range | list[int],
    skips: UnreadableImages | None = None,
) -> Batch:
    """The transformed images uint8 (b, h, w, c) and labels int32 (b,) of `rows`; `positions` choose
    the random numbers.
    """
    draws = PerExampleRng(seed)
    try:
        images, labels = _viewed(source, transform, rows, draws, positions)
    except Unreadable:
        if skips is None:
            raise
        found = [
            _readable(source, transform, row, draws, p, skips)
            for row, p in zip(rows, positions, strict=True)
        ]
        images, labels = zip(*found, strict=True)
    shape = images[0].shape
    for row, image in zip(rows, images, strict=True):
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(
                f'image {row} of {source.name} {source.split} must leave the transform as '
                f'uint8 (h, w, c), not {image.dtype} {image.shape}'
            )
        if image.shape != shape:
            raise ValueError(
                f'images of {source.name} {source.split} differ in size after the transform, '
                f'{shape} and {image.shape}: add resize((h, w)) or a crop to it'
            )
    return {'image': np.stack(images), 'label': np.array(labels, np.int32)}


def _viewed(
    source: ImageSource,
    transform: Transform,
    rows: list[int],
    draws: PerExampleRng,
    positions: range | list[int],
) -> tuple[list[np.ndarray], list[int]]:
    examples = (
        source.encoded(rows)
        if getattr(transform, 'takes_encoded', False)
        else source.__getitems__(rows)
    )
    if getattr(transform, 'random', True):
        images = [
            transform(e['image'], draws.at(p)) for e, p in zip(examples, positions, strict=True)
        ]
    else:
        # nothing is drawn from it
        rng = draws.at(0)
        images = [transform(e['image'], rng) for e in examples]
    return images, [e['label'] for e in examples]


def _readable(
    source: ImageSource,
    transform: Transform,
    row: int,
    draws: PerExampleRng,
    position: int,
    skips: UnreadableImages,
) -> tuple[np.ndarray, int]:
    """The transformed image and the label of `row`, or of the next one that can be read."""
    for candidate in range(row, row + len(source)):
        index = candidate % len(source)
        try:
            [image], [label] = _viewed(source, transform, [index], draws, [position])
            return image, label
        except Unreadable as error:
            skips.add(index, error)
    raise ValueError(f'no image of {source.name} {source.split} can be read')


def train_batches(
    source: ImageSource,
    transform: Transform | ProgressiveTransforms,
    *,
    seed: int,
    batch: int,
    step: int = 0,
    host: int = 0,
    hosts: int = 1,
    threads: int | None = None,
    workers: int = 0,
    most_skipped: int | None = None,
    repeats: int = 1,
    alternating_flip: bool = False,
) -> Iterator[Batch]:
    """Endless batches {'image': uint8 (b, h, w, c), 'label': int32 (b,)}, b = batch / hosts, from
    `step` on.

    Each epoch is a new permutation; batches run on across its end, so every image is seen equally
    often and none is dropped.

    Args:
      source: of at least `batch` images.
      transform: applied to each image; or `Stages` of transforms, each from its step on, of which
        all images of a step have one size.
      seed: of the order and of the transforms; a whole number, 0 or more.
      batch: the global batch, over all hosts.
      step: the first step.
      host, hosts: which of how many processes this is (`jax.process_index()`,
        `jax.process_count()`).
      threads: that prepare batches ahead; default: one for images in memory, else one a core.
      workers: processes that do so instead. They are spawned: a script needs `if __name__ ==
        '__main__':`.
      most_skipped: how many images of the source may be unreadable; each process counts its own.
        Default: see `unreadable_images.UnreadableImages`.
      repeats: transforms of an image in a row (repeated augmentation: Hoffer et al. 2019,
        arXiv:1901.09335).
      alternating_flip: each image is mirrored after its transform in every other epoch, from a
        first epoch drawn by image and seed: legacy/airbench94.py in
        github.com/KellerJordan/cifar10-airbench.

    Returns:
      An iterator with `close()`.

    Warns:
      RuntimeWarning: once for each image that is passed over, with their number.

    Raises:
      ValueError: at once, for numbers that do not fit; in `next`, where images cannot be stacked or
        too many cannot be read.
    """
    _check(source, batch, host, hosts)
    if batch > len(source):
        raise ValueError(
            f'batch {batch} is larger than {source.name} {source.split} with its {len(source)} '
            f'images'
        )
    if seed < 0 or step < 0:
        raise ValueError(f'seed and step are whole numbers, 0 or more, not {seed} and {step}')
    if repeats < 1:
        raise ValueError(f'repeats is a whole number above 0, not {repeats}')
    batch_of = TrainBatch(
        source,
        transform,
        seed,
        batch,
        host,
        hosts,
        UnreadableImages(source, most_skipped),
        repeats,
        alternating_flip,
    )
    return _ahead(batch_of, grain.MapDataset.range(step, _ENDLESS), threads, workers)


def eval_batches(
    source: ImageSource,
    transform: Transform,
    *,
    batch: int,
    host: int = 0,
    hosts: int = 1,
    threads: int | None = None,
    workers: int = 0,
) -> Iterator[Batch]:
    """Every image once and in order: {'image': uint8 (b, h, w, c), 'label': int32 (b,), 'mask':
    float32 (b,)}.

    There are `steps_per_epoch(source, batch)` batches on every host, all of them full: where images
    run out, rows are zeros with mask 0. A transform that draws random numbers draws the same ones
    for an image whatever the batch.

    Arguments, result and errors are those of `train_batches`, but the batch may be larger than the
    source, and an image that cannot be read is an error.
    """
    _check(source, batch, host, hosts)
    steps = grain.MapDataset.range(steps_per_epoch(source, batch))
    return _ahead(EvalBatch(source, transform, batch, host, hosts), steps, threads, workers)


def steps_per_epoch(source: ImageSource, batch: int) -> int:
    """The fewest steps in which every image is seen: len(source) / batch, rounded up."""
    return math.ceil(len(source) / batch)


def steps_for(source: ImageSource, batch: int, epochs: float) -> int:
    """The fewest steps in which every image is seen `epochs` times; not a multiple of
    `steps_per_epoch`, as batches run on.
    """
    return math.ceil(epochs * len(source) / batch)


def _check(source: ImageSource, batch: int, host: int, hosts: int) -> None:
    if not len(source):
        raise ValueError(f'{source.name} {source.split} has no images')
    if batch < 1:
        raise ValueError(f'batch is a whole number above 0, not {batch}')
    if hosts < 1 or not 0 <= host < hosts:
        raise ValueError(f'host must be in 0 .. hosts - 1, not {host} of {hosts}')
    if batch % hosts:
        raise ValueError(f'batch {batch} cannot be divided among {hosts} hosts')


def _ahead(
    batch_of: TrainBatch | EvalBatch, steps: grain.MapDataset, threads: int | None, workers: int
) -> Iterator[Batch]:
    """`map(batch_of, steps)`, computed ahead of the consumer."""
    if threads is None:
        # Transforms and copies of small images hold Python's lock, so that a second thread slows
        # the first; decoders do not.
        threads = min(_MOST_THREADS, os.cpu_count() or 1) if batch_of.source.decodes else 1
    if threads < 1 or workers < 0:
        raise ValueError(
            f'threads must be at least 1 and workers at least 0, not {threads} and {workers}'
        )
    ahead = steps.map(_OnOneThread(batch_of)).to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    )
    if workers:
        from absl import flags

        if not flags.FLAGS.is_parsed():
            # Grain's processes read absl flags; in a notebook or a test nothing parses them
            flags.FLAGS.mark_as_parsed()
        ahead = ahead.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        )
    return iter(ahead)

"""Batches as a pure function of (seed, step), for any number of hosts, threads or processes.

Training counts examples over all epochs. With n images, example p is number p mod n of the
permutation of epoch p // n. Its transform draws from a random stream that belongs to (seed, p). If
its image cannot be read, the next readable image of the source takes its place, so that the result
does not depend on earlier steps.

The global batch of step t holds the examples t b .. t b + b - 1. Host k of H takes the k-th of H
equal runs of them. So the rows of the global array have the same order for any number of hosts, and
so does everything that is drawn per row on the device, such as dropout. A run resumes at any step,
on any number of hosts, from the step alone.

With repeated augmentation r successive examples are one image under r draws of the transform:
example p is number (p mod n) // r of its permutation. An epoch of n examples then shows n / r of
the images, as with torchvision's RASampler (references/classification/sampler.py).

Grain runs these functions ahead of the consumer, in threads or processes. They make whole batches,
because Grain's cost per element is high. For MNIST in memory with pad(2), on one thread of Grain
0.2.18, `MapDataset.source(s).seed(k).shuffle().repeat().random_map(transform).batch(128)` takes
70 us per image, 20 of them for the shuffled indices; this module takes 8 us. The consumer, LeNet-5
on the same two cores, takes 77 us.
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
# spawn keys: shuffling, transforms and flips draw from independent streams of one seed
_SHUFFLE, _TRANSFORM, _FLIP = range(3)
_MOST_THREADS = 16
_ENDLESS = 2**62


class PerExampleRng:
    """A random generator that can be moved to the stream of each (seed, position).

    Setting the counter of one Philox generator takes 2 us; making a new one takes 18. Streams are
    2**192 numbers apart.
    """

    def __init__(self, seed: int):
        key = np.random.SeedSequence(seed, spawn_key=(_TRANSFORM,)).generate_state(2, np.uint64)
        self._bits = np.random.Philox(key=key)
        self._generator = np.random.Generator(self._bits)
        self._start = self._bits.state

    def at(self, position: int) -> np.random.Generator:
        """The generator at the start of the stream of `position`, valid until the next call."""
        self._start['state']['counter'][3] = position
        self._bits.state = self._start
        return self._generator


# A batch may span two epochs, hence two entries.
@functools.lru_cache(maxsize=2)
def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the n images in an epoch: int (n,), read-only.

    It sorts the raw numbers of Philox, a stream that numpy guarantees not to change.
    """
    key = np.random.SeedSequence(seed, spawn_key=(_SHUFFLE, epoch)).generate_state(2, np.uint64)
    order = np.argsort(np.random.Philox(key=key).random_raw(n), kind='stable')
    order.flags.writeable = False
    return order


@functools.lru_cache(maxsize=2)
def mirrored_first(n: int, seed: int) -> np.ndarray:
    """The images that alternating flips mirror in even epochs, about half of them: bool (n,).

    Odd epochs mirror the others.
    """
    key = np.random.SeedSequence(seed, spawn_key=(_FLIP,)).generate_state(2, np.uint64)
    return np.random.Philox(key=key).random_raw(n) % 2 == 1


@dataclasses.dataclass(frozen=True)
class ProgressiveTransforms:
    """Transforms that change in the course of training, for progressive resizing.

    Attributes:
      transforms: (first step, transform) of each stage; the first stage begins at step 0.

    Raises:
      ValueError: the stages do not begin at step 0, or their first steps do not rise.
    """

    transforms: tuple[tuple[int, Transform], ...]

    def __post_init__(self) -> None:
        firsts = [step for step, _ in self.transforms]
        if not firsts or firsts[0] != 0 or firsts != sorted(set(firsts)):
            raise ValueError(
                f'the stages of progressive transforms begin at step 0 and rise, not at {firsts}'
            )

    def at(self, step: int) -> Transform:
        """The transform at a step."""
        return [transform for first, transform in self.transforms if first <= step][-1]


@dataclasses.dataclass(frozen=True)
class TrainBatch:
    """step -> this host's rows of the global training batch.

    Fields are arguments of `train_batches`; `unreadable` counts the images that cannot be read, and
    None makes the first of them an error.
    """

    source: ImageSource
    transform: Transform | ProgressiveTransforms
    seed: int
    batch: int
    host: int = 0
    hosts: int = 1
    unreadable: UnreadableImages | None = None
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
        found = _stack(self.source, transform, rows, self.seed, positions, self.unreadable)
        if self.alternating_flip:
            for image, row, p in zip(found['image'], rows, positions, strict=True):
                if mirrored_first(n, self.seed)[row] ^ (p // n % 2 == 1):
                    image[:] = flip_left_right(image)
        return found


@dataclasses.dataclass(frozen=True)
class EvalBatch:
    """step -> this host's rows of the global evaluation batch, padded to full size.

    Fields are the arguments of `eval_batches`.
    """

    source: ImageSource
    transform: Transform
    batch: int
    host: int = 0
    hosts: int = 1

    def __call__(self, step: int) -> Batch:
        n, size = len(self.source), self.batch // self.hosts
        rows = range(step * self.batch + self.host, min((step + 1) * self.batch, n), self.hosts)
        # With no row left the first image still gives the shape.
        found = _stack(self.source, self.transform, list(rows) or [0], 0, rows or [0])
        out = {key: np.zeros((size, *a.shape[1:]), a.dtype) for key, a in found.items()}
        for key, a in found.items():
            out[key][: len(rows)] = a[: len(rows)]
        out['mask'] = (np.arange(size) < len(rows)).astype(np.float32)
        return out


@dataclasses.dataclass(frozen=True)
class _OnOneThread:
    """`batch_of`, in a thread or process set up for decoding.

    OpenCV starts no threads of its own, freed memory is kept for reuse, and a worker process ends
    with its parent.
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
    unreadable: UnreadableImages | None = None,
) -> Batch:
    """The transformed images, uint8 (b, h, w, c), and the labels, int32 (b,), of `rows`.

    `positions` choose the random streams.
    """
    rng = PerExampleRng(seed)
    try:
        images, labels = _transformed(source, transform, rows, rng, positions)
    except Unreadable:
        if unreadable is None:
            raise
        found = [
            _readable(source, transform, row, rng, p, unreadable)
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


def _transformed(
    source: ImageSource,
    transform: Transform,
    rows: list[int],
    rng: PerExampleRng,
    positions: range | list[int],
) -> tuple[list[np.ndarray], list[int]]:
    examples = (
        source.encoded(rows)
        if getattr(transform, 'takes_encoded', False)
        else source.__getitems__(rows)
    )
    if getattr(transform, 'random', True):
        images = [
            transform(e['image'], rng.at(p)) for e, p in zip(examples, positions, strict=True)
        ]
    else:
        # The transform draws nothing, so that any generator will do.
        unused = rng.at(0)
        images = [transform(e['image'], unused) for e in examples]
    return images, [e['label'] for e in examples]


def _readable(
    source: ImageSource,
    transform: Transform,
    row: int,
    rng: PerExampleRng,
    position: int,
    unreadable: UnreadableImages,
) -> tuple[np.ndarray, int]:
    """The transformed image and the label of `row`, or of the next row that can be read."""
    for candidate in range(row, row + len(source)):
        index = candidate % len(source)
        try:
            [image], [label] = _transformed(source, transform, [index], rng, [position])
            return image, label
        except Unreadable as error:
            unreadable.add(index, error)
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
    """Iterates over training batches, without end.

    Each epoch is a new permutation. Batches run on across its end, so every image is seen equally
    often and none is dropped.

    Args:
      source: the training images, at least `batch` of them.
      transform: applied to each image; all images of a step must leave it with one size. Or
        `ProgressiveTransforms`.
      seed: of the order and of the transforms; a whole number, 0 or more.
      batch: images in the global batch, over all hosts.
      step: the first step.
      host, hosts: which of how many processes this is (`jax.process_index()`,
        `jax.process_count()`).
      threads: how many prepare batches ahead; default: one for images in memory, else one per
        core, at most 16.
      workers: processes that prepare batches instead. They are spawned, so a script needs
        `if __name__ == '__main__':`.
      most_skipped: how many images may be unreadable, counted in each process; default: see
        `unreadable_images.UnreadableImages`.
      repeats: successive examples that show one image, for repeated augmentation (Hoffer et al.
        2019, arXiv:1901.09335).
      alternating_flip: mirrors each image in every other epoch, after its transform; whether first
        in the even or in the odd ones is drawn per image. As legacy/airbench94.py in
        github.com/KellerJordan/cifar10-airbench.

    Returns:
      An iterator, with `close()`, over {'image': uint8 (b, h, w, c), 'label': int32 (b,)} with
      b = batch / hosts.

    Warns:
      RuntimeWarning: once for each image that cannot be read, with their number so far.

    Raises:
      ValueError: at once, if an argument is wrong; in `next`, if images differ in size or too many
        cannot be read.

    Example:
      >>> from cnnlab.data import sources
      >>> from cnnlab.data.transforms.parse import parse
      >>> source = sources.load('fake:8x8x3:10:100', 'train')
      >>> next(train_batches(source, parse('flip()'), seed=0, batch=32))['image'].shape
      (32, 8, 8, 3)
    """
    _check(source, batch, host, hosts)
    if batch > len(source):
        raise ValueError(
            f'batch {batch} is larger than {source.name} {source.split}, which has {len(source)} '
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
    """Iterates over evaluation batches: every image once and in order.

    Every host gets `steps_per_epoch(source, batch)` batches of full size; where images run out, the
    last rows are zeros with mask 0. A random transform draws the same numbers for an image at any
    batch size.

    Args:
      source, transform, batch, host, hosts, threads, workers: as in `train_batches`, but the batch
        may be larger than the source.

    Returns:
      An iterator, with `close()`, over {'image': uint8 (b, h, w, c), 'label': int32 (b,), 'mask':
      float32 (b,)} with b = batch / hosts.

    Raises:
      ValueError: at once, if an argument is wrong; in `next`, if images differ in size or one
        cannot be read.
    """
    _check(source, batch, host, hosts)
    steps = grain.MapDataset.range(steps_per_epoch(source, batch))
    return _ahead(EvalBatch(source, transform, batch, host, hosts), steps, threads, workers)


def steps_per_epoch(source: ImageSource, batch: int) -> int:
    """The number of steps that show every image: len(source) / batch, rounded up."""
    return math.ceil(len(source) / batch)


def steps_for(source: ImageSource, batch: int, epochs: float) -> int:
    """The number of steps that show every image `epochs` times.

    Since batches run on across the end of an epoch, it may be less than `epochs` times
    `steps_per_epoch`.
    """
    return math.ceil(epochs * len(source) / batch)


def _check(source: ImageSource, batch: int, host: int, hosts: int) -> None:
    if not len(source):
        raise ValueError(f'{source.name} {source.split} has no images')
    if batch < 1:
        raise ValueError(f'batch is a whole number above 0, not {batch}')
    if hosts < 1 or not 0 <= host < hosts:
        raise ValueError(f'host must be from 0 to hosts - 1, not {host} of {hosts}')
    if batch % hosts:
        raise ValueError(f'batch {batch} cannot be divided among {hosts} hosts')


def _ahead(
    batch_of: TrainBatch | EvalBatch, steps: grain.MapDataset, threads: int | None, workers: int
) -> Iterator[Batch]:
    """Maps `batch_of` over `steps`, ahead of the consumer."""
    if threads is None:
        # Transforms and copies of small images hold Python's global lock, so a second thread would
        # slow the first down. Decoders release it.
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
            # Grain's processes read absl flags, which nothing has parsed in a notebook or a test.
            flags.FLAGS.mark_as_parsed()
        ahead = ahead.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
        )
    return iter(ahead)

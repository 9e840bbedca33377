"""The plan of a recipe before it runs: steps, learning rates, parameters, multiply-adds, memory,
and an estimate of the time from a few measured steps.
"""

import dataclasses
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import tree
from cnnlab.analysis import cost, memory
from cnnlab.data import dataset_statistics, loader
from cnnlab.recipes.recipe import Recipe
from cnnlab.train.distributed import sharding
from cnnlab.train.setup import Setup, build_setup, open_data

# most multiply-adds of a measured step, forward and backward: about half a second on two cores
_MAX_MACS = {'cpu': 5e10}
_MAX_MACS_ELSEWHERE = 2e13
# a step costs three forward passes: the backward pass computes the gradients of the activations and
# those of the kernels, each at the cost of a forward pass
_FORWARDS_PER_STEP = 3
# most steps at which the schedule is evaluated
_SAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Speed:
    """The measured speed of the train step and of the input.

    Attributes:
      steps: that were timed.
      batch: images per step.
      size: pixels per side of the images.
      seconds: median time of a step.
      images_per_second: of the network.
      input_per_second: images per second that one thread reads and augments.
    """

    steps: int
    batch: int
    size: int
    seconds: float
    images_per_second: float
    input_per_second: float


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """The plan of a run. Bytes and speeds are estimates, the rest is exact.

    Attributes:
      setup: of the run.
      synthetic: whether the data is missing and synthetic images of its size replace it.
      examples: training images.
      images: images seen in the whole training.
      stages: (first step, pixels per side) of the training images.
      params: trained parameters.
      macs: multiply-adds for one image in evaluation.
      memory: of one device.
      average: bytes of the moving average.
      steps: at which the schedule was evaluated, in ascending order, up to the last of the run.
      learning_rates: at these steps.
      speed: None if it was not measured.
    """

    setup: Setup
    synthetic: bool
    examples: int
    images: int
    stages: tuple[tuple[int, int], ...]
    params: int
    macs: int
    memory: memory.Training
    average: int
    steps: np.ndarray
    learning_rates: np.ndarray
    speed: Speed | None

    @property
    def seconds(self) -> float | None:
        """Estimated seconds of training, without input and evaluation; None without a speed.

        The time of a step is taken as proportional to the area of its images.
        """
        if self.speed is None:
            return None
        ends = [*(first for first, _ in self.stages[1:]), self.setup.total]
        areas = sum(
            (end - first) * (size / self.speed.size) ** 2
            for (first, size), end in zip(self.stages, ends, strict=True)
        )
        return areas * self.setup.recipe.run.batch_size / self.speed.images_per_second


def make(recipe: Recipe, data_dir: str | None = None, measured: int = 10) -> Plan:
    """Plans a recipe for the devices of this process.

    Args:
      recipe: to plan.
      data_dir: where the data is. If it is missing, synthetic images of the same number and size
        replace it.
      measured: train steps to time, after one that compiles; 0 measures no speed.

    Raises:
      KeyError, ValueError: as `setup.build_setup`; or the data set is missing and its size unknown.
    """
    setup, synthetic = _setup(recipe, data_dir)
    train = setup.data['train']
    stages = tuple(
        (first, _side(setup, first)) for first, _ in recipe.augment.stages(setup.timeline)
    )
    state = jax.eval_shape(setup.init, jax.ShapeDtypeStruct((), jnp.uint32))
    largest = max(size for _, size in stages)
    shape = (
        (largest, largest, setup.image.shape[-1])
        if largest != min(setup.image.shape[1:3])
        else setup.image.shape[1:]
    )
    macs = cost.totals(setup.model, setup.image.shape[1:]).macs
    steps, learning_rates = _learning_rates(setup)
    return Plan(
        setup=setup,
        synthetic=synthetic,
        examples=len(train),
        images=setup.total * recipe.run.batch_size,
        stages=stages,
        params=tree.count(state.params),
        macs=macs,
        memory=memory.training(
            setup.model,
            shape,
            max(recipe.run.batch_size // setup.mesh.size, 1),
            setup.image.dtype,
            setup.tx,
        ),
        average=sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(state.ema)),
        steps=steps,
        learning_rates=learning_rates,
        speed=measure(setup, macs, measured) if measured else None,
    )


def _setup(recipe: Recipe, data_dir: str | None) -> tuple[Setup, bool]:
    try:
        return build_setup(recipe, data_dir), False
    except (KeyError, FileNotFoundError):
        stand_in = dataset_statistics.stand_in(recipe.dataset)
        if stand_in == recipe.dataset:
            raise
        has_validation = dataset_statistics.SETS[recipe.dataset].validation
        recipe = recipe.replace(dataset=stand_in)
        data = open_data(recipe, None)
        return build_setup(
            recipe, data={'validation': data['test'], **data} if has_validation else data
        ), True


def _side(setup: Setup, step: int) -> int:
    """Returns the pixels on the shorter side of training images at a step."""
    transform = (
        setup.train_transform.at(step)
        if isinstance(setup.train_transform, loader.ProgressiveTransforms)
        else setup.train_transform
    )
    return min(transform(setup.data['train'][0]['image'], np.random.default_rng(0)).shape[:2])


def _learning_rates(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """Returns (steps, learning rates) of evenly spaced steps."""
    steps = np.unique(np.linspace(0, setup.total - 1, min(setup.total, _SAMPLES)).astype(np.int64))
    return steps, np.asarray(jax.jit(jax.vmap(setup.schedule))(jnp.asarray(steps)), np.float64)


def batch_to_measure(macs: int, batch: int, devices: int, platform: str) -> int:
    """Returns the batch size to time: the recipe's, or less if its step would take too long.

    Args:
      macs: multiply-adds of one image.
      batch: the recipe's batch size.
      devices: of the mesh; each gets at least one image.
      platform: jax's name of it, such as 'cpu'.
    """
    max_macs = _MAX_MACS.get(platform, _MAX_MACS_ELSEWHERE)
    most = int(max_macs / (_FORWARDS_PER_STEP * max(macs, 1)))
    return max(min(batch, most) // devices, 1) * devices


def measure(setup: Setup, macs: int, steps: int) -> Speed:
    """Measures the speed of the train step, after one step that compiles.

    The batch is at most that of `batch_to_measure`; its images have the size of the last stage.

    Args:
      setup: of the run.
      macs: multiply-adds of one image.
      steps: to time.
    """
    recipe, transform = setup.recipe, _last_transform(setup)
    batch = batch_to_measure(macs, recipe.run.batch_size, setup.mesh.size, jax.default_backend())
    if batch != recipe.run.batch_size:
        setup = build_setup(
            recipe.replace(batch_size=batch, ghost_batch_size=None, repeats=1, accumulate=1),
            data=setup.data,
        )
    start = time.perf_counter()
    rows = loader.TrainBatch(setup.data['train'], transform, 0, batch)(0)
    input_seconds = time.perf_counter() - start
    seed = np.uint32(0)
    state, times = sharding.replicate(setup.init(seed), setup.mesh), []
    on_device = sharding.shard_batch(rows, setup.mesh)
    for _ in range(steps + 1):
        start = time.perf_counter()
        state, metrics = setup.train_step(state, on_device, seed)
        jax.block_until_ready((state, metrics))
        times.append(time.perf_counter() - start)
    seconds = float(np.median(times[1:]))
    return Speed(
        steps=steps,
        batch=batch,
        size=min(rows['image'].shape[1:3]),
        seconds=seconds,
        images_per_second=batch / seconds,
        input_per_second=batch / input_seconds,
    )


def _last_transform(setup: Setup):
    """Returns the transform of the last stage of training."""
    return (
        setup.train_transform.transforms[-1][1]
        if isinstance(setup.train_transform, loader.ProgressiveTransforms)
        else setup.train_transform
    )


def rows(plan: Plan, count: int = 12) -> list[tuple[int, float, float]]:
    """Returns (step, epoch, learning rate) rows for a table of the schedule.

    Args:
      plan: of the run.
      count: evenly spaced steps. Steps where the learning rate falls by a quarter or more than
        triples are added, if there are at most as many of them.
    """
    chosen: Sequence[int] = np.unique(
        np.linspace(0, len(plan.steps) - 1, count).astype(int)
    ).tolist()
    before, after = plan.learning_rates[:-1], plan.learning_rates[1:]
    jumps = np.flatnonzero((after < 0.75 * before) | (after > 3 * before) & (before > 0)) + 1
    if len(jumps) <= count:
        chosen = sorted({*chosen, *jumps.tolist()})
    batch = plan.setup.recipe.run.batch_size
    return [
        (
            int(plan.steps[i]),
            plan.steps[i] * batch / plan.examples,
            float(plan.learning_rates[i]),
        )
        for i in chosen
    ]

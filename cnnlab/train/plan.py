"""What a recipe amounts to before it is run: steps, rates, parameters, multiply-adds, memory, and
the time by a short measurement.
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

# multiply-adds of a measured step, forward and backward: about half a second on two cores
_MOST = {'cpu': 5e10}
_ELSEWHERE = 2e13
# a step costs three times its forward pass: one for the gradients of the images' maps, one for
# those of the kernels
_BACKWARD = 3
_SAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Speed:
    """A measurement of `steps` train steps of `batch` images at `size` pixels a side, and of making
    such batches in one thread.
    """

    steps: int
    batch: int
    size: int
    # a step, the median
    seconds: float
    # of the network
    images_per_second: float
    # of reading and augmenting, with made images
    input_per_second: float


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """A run as it would be; bytes and speeds are estimates, the rest is exact."""

    setup: Setup
    # the data is not there: made images of its size stand in
    made: bool
    examples: int
    # seen in all of training
    images: int
    # (first step, pixels a side) of training images
    stages: tuple[tuple[int, int], ...]
    params: int
    # for one image in evaluation
    macs: int
    # of one device
    memory: memory.Training
    # bytes of the moving average
    average: int
    # where the rate was looked at, rising, the last step of the run among them
    steps: np.ndarray
    # there
    rates: np.ndarray
    speed: Speed | None

    @property
    def seconds(self) -> float | None:
        """Of the training of the whole run at the measured speed, by the network alone; other sizes
        count by their area.
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
    """The plan of a recipe, for the devices of this process.

    Args:
      recipe: any.
      data_dir: where the data is; where it is not, made images of the same number and size stand
        in.
      measured: train steps to time after one that compiles; 0 times none.

    Raises:
      KeyError, ValueError: as `setup.build_setup`; or nothing is known of a data set that is not
        there.
    """
    setup, made = _setup(recipe, data_dir)
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
    return Plan(
        setup,
        made,
        len(train),
        setup.total * recipe.run.batch_size,
        stages,
        tree.count(state.params),
        macs,
        memory.training(
            setup.model,
            shape,
            max(recipe.run.batch_size // setup.mesh.size, 1),
            setup.image.dtype,
            setup.tx,
        ),
        sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(state.ema)),
        *_rates(setup),
        measure(setup, macs, measured) if measured else None,
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
    """Pixels on the shorter side of training images at a step."""
    view = (
        setup.train_transform.at(step)
        if isinstance(setup.train_transform, loader.ProgressiveTransforms)
        else setup.train_transform
    )
    return min(view(setup.data['train'][0]['image'], np.random.default_rng(0)).shape[:2])


def _rates(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    steps = np.unique(np.linspace(0, setup.total - 1, min(setup.total, _SAMPLES)).astype(np.int64))
    return steps, np.asarray(jax.jit(jax.vmap(setup.schedule))(jnp.asarray(steps)), np.float64)


def batch_to_measure(macs: int, batch: int, devices: int, platform: str) -> int:
    """Images of a step that is worth timing: the recipe's batch, or as many as `_MOST`
    multiply-adds take, at least one a device.
    """
    most = int(_MOST.get(platform, _ELSEWHERE) / (_BACKWARD * max(macs, 1)))
    return max(min(batch, most) // devices, 1) * devices


def measure(setup: Setup, macs: int, steps: int) -> Speed:
    """Times so many train steps, after one that compiles, of a batch that this machine does in
    seconds, on the recipe's own last views.
    """
    recipe, view = setup.recipe, _largest(setup)
    batch = batch_to_measure(macs, recipe.run.batch_size, setup.mesh.size, jax.default_backend())
    if batch != recipe.run.batch_size:
        setup = build_setup(
            recipe.replace(batch_size=batch, ghost_batch_size=None, repeats=1, accumulate=1),
            data=setup.data,
        )
    begun = time.perf_counter()
    rows = loader.TrainBatch(setup.data['train'], view, 0, batch)(0)
    input_seconds = time.perf_counter() - begun
    seed = np.uint32(0)
    state, found = sharding.replicate(setup.init(seed), setup.mesh), []
    ready = sharding.shard_batch(rows, setup.mesh)
    for _ in range(steps + 1):
        begun = time.perf_counter()
        state, metrics = setup.train_step(state, ready, seed)
        jax.block_until_ready((state, metrics))
        found.append(time.perf_counter() - begun)
    seconds = float(np.median(found[1:]))
    return Speed(
        steps, batch, min(rows['image'].shape[1:3]), seconds, batch / seconds, batch / input_seconds
    )


def _largest(setup: Setup):
    """The view of the last stage of training."""
    return (
        setup.train_transform.transforms[-1][1]
        if isinstance(setup.train_transform, loader.ProgressiveTransforms)
        else setup.train_transform
    )


def rows(plan: Plan, count: int = 12) -> list[tuple[int, float, float]]:
    """(step, epoch, rate) of so many steps of the run, evenly spaced, and of those where the rate
    falls by a quarter or is trebled.
    """
    chosen: Sequence[int] = np.unique(
        np.linspace(0, len(plan.steps) - 1, count).astype(int)
    ).tolist()
    rates = plan.rates
    before, after = rates[:-1], rates[1:]
    jumps = np.flatnonzero((after < 0.75 * before) | (after > 3 * before) & (before > 0)) + 1
    if len(jumps) <= count:
        chosen = sorted({*chosen, *jumps.tolist()})
    batch = plan.setup.recipe.run.batch_size
    return [
        (int(plan.steps[i]), plan.steps[i] * batch / plan.examples, float(rates[i])) for i in chosen
    ]

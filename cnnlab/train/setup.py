"""Builds from a recipe everything that a run needs; runs that differ only in the seed share it, so
that steps compile once.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh

from cnnlab import tree
from cnnlab.data import balance, loader, preprocessing, sources
from cnnlab.data.loader import ProgressiveTransforms
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.data.sources import select
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform
from cnnlab.models import registry
from cnnlab.nn.norms import check_frozen, has_batch_norm, replace_norm
from cnnlab.recipes.duration import Timeline
from cnnlab.recipes.recipe import Recipe
from cnnlab.train import nan_policy, recompute_batch_stats
from cnnlab.train.distributed import sharding
from cnnlab.train.network import registered
from cnnlab.train.on_device import adversarial, tta
from cnnlab.train.state import TrainState, init_state
from cnnlab.train.step import eval_step, train_step
from cnnlab.train.step_config import EvalConfig, StepConfig

# sets that decode to at most this many bytes are decoded once and kept in memory
_MEMORY = 1 << 30


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """A recipe with its data opened, its network built and its steps jitted.

    Attributes:
      recipe: with its model as a registered name.
      data: {split: images}: 'train', and 'validation' and 'test' if the set has them.
      train_transform: of training images.
      transform: of evaluation images.
      model: the network.
      preprocess: from a picture to the input of the model.
      schedule: the learning rate by step, before plateaus and rollbacks.
      tx: the optimizer.
      mesh: the devices.
      shard: how the state is sharded, see `sharding.state_sharding`.
      placement: the sharding of each array of the state, a tree of NamedSharding.
      image: shape and dtype of the model's input, for one image: (1, h, w, c).
      total: steps of the run.
      init: seed -> state at step 0.
      train_step: (state, batch, seed) -> (state, metrics).
      eval_step: (state, batch) -> sums.
      moments_step: the jitted step of `recompute_batch_stats`.
      inputs: uint8 images (n, h, w, c) -> the model's input.
    """

    recipe: Recipe
    data: dict[str, ImageSource]
    train_transform: Transform | ProgressiveTransforms
    transform: Transform
    model: nn.Module
    preprocess: Preprocess
    schedule: optax.Schedule
    tx: optax.GradientTransformation
    mesh: Mesh
    shard: str
    placement: Any
    image: jax.ShapeDtypeStruct
    total: int
    init: Callable[[jax.Array | np.uint32], TrainState]
    train_step: Callable
    eval_step: Callable
    moments_step: Callable
    inputs: Callable[[Any], jax.Array]

    @property
    def order(self) -> dict[str, Any]:
        """The recipe's arguments of `loader.train_batches`: repeats and flips by epoch."""
        augment = self.recipe.augment
        return {'repeats': augment.repeats, 'alternating_flip': augment.alternating_flip}

    @property
    def timeline(self) -> Timeline:
        """The length of the run, which converts the recipe's durations to steps."""
        return self.recipe.timeline(len(self.data['train']))

    @property
    def classes(self) -> int:
        """The number of classes of the data."""
        return self.data['train'].num_classes

    def batches(self, seed: int, step: int, workers: int = 0) -> Iterator[loader.Batch]:
        """Iterates over this host's rows of the training batches.

        Args:
          seed: of the run.
          step: of the first batch.
          workers: processes that prepare batches, see `Options`.

        Returns:
          An iterator with `close()`.
        """
        return loader.train_batches(
            self.data['train'],
            self.train_transform,
            seed=seed,
            batch=self.recipe.run.batch_size,
            step=step,
            host=jax.process_index(),
            hosts=jax.process_count(),
            workers=workers,
            **self.order,
        )

    def steps(self, text: str) -> int:
        """Converts a duration to steps, at least 1."""
        return max(self.timeline.steps(text), 1)


def open_data(recipe: Recipe, data_dir: str | None) -> dict[str, ImageSource]:
    """Opens the splits of a recipe's data set; decodes small sets into memory.

    Args:
      recipe: its section `data` chooses the images. `limit` cuts the training images after
        validation images are set aside, so the latter do not depend on it.
      data_dir: where prepared data sets are.

    Returns:
      {split: images} for 'train', 'validation' and 'test', as far as the set, `holdout` or `fold`
      give them.
    """
    dataset = sources.open_dataset(recipe.dataset, data_dir)
    splits = (
        ['train', 'test']
        if 'test' in dataset.splits or 'validation' not in dataset.splits
        else ['train']
    )
    section = recipe.data
    if section.holdout or section.fold or 'validation' in dataset.splits:
        splits.insert(1, 'validation')
    chosen: dict[str, Any] = {
        'holdout': section.holdout,
        'fold': section.fold,
        'classes': section.classes,
    }
    opened = {
        split: sources.load(recipe.dataset, split, data_dir=data_dir, **chosen) for split in splits
    }
    if section.limit:
        opened['train'] = select.take(opened['train'], section.limit)
    return {split: _in_memory_if_small(source) for split, source in opened.items()}


def _in_memory_if_small(source: ImageSource) -> ImageSource:
    shape = source.image_shape
    if (
        not source.decodes
        or shape is None
        or len(source) * shape[0] * shape[1] * shape[2] > _MEMORY
    ):
        return source
    return sources.in_memory(source)


def build_setup(
    recipe: Recipe,
    data_dir: str | None = None,
    devices: int | None = None,
    data: dict[str, ImageSource] | None = None,
    shard: str = 'none',
) -> Setup:
    """Opens the data, builds the network and jits the steps; nothing compiles yet.

    Args:
      recipe: its model is a registered name, or the id of published weights, which means the
        network that they fit. The number of classes follows the data unless `model_fields` sets it.
      data_dir: where prepared data sets are.
      devices: use only the first `devices` devices (default: all).
      data: the result of `open_data`, if the data is open already.
      shard: see `sharding.state_sharding`.

    Raises:
      KeyError: an unknown model or data set.
      FileNotFoundError: the data is missing.
      ValueError: settings that do not fit the data, the devices or each other.

    Example:
      >>> setup = build_setup(registry.get('digits'))
      >>> state = setup.init(np.uint32(0))
    """
    recipe = registered(recipe)
    data = open_data(recipe, data_dir) if data is None else data
    train = data['train']
    batch_size = recipe.run.batch_size
    if batch_size > len(train):
        raise ValueError(
            f'a batch of {batch_size} is larger than the training set of {len(train)} images'
        )
    mesh = sharding.data_mesh(devices)
    sharding.check_batch(batch_size, mesh)
    timeline = recipe.timeline(len(train))
    if timeline.total < 1:
        raise ValueError(f'{recipe.run.duration} is less than one step of {batch_size} images')

    model = _model(recipe, train)
    transform = recipe.augment.evaluation_transform()
    mean, std = preprocessing.statistics(train, recipe.data.normalize)
    image = jax.ShapeDtypeStruct((1, *_transformed_shape(train, transform)), recipe.run.dtype)
    _check_mean_image(recipe, mean, image)
    preprocess = _preprocess(recipe, train, mean, std)

    schedule = recipe.schedule.build(recipe.optimizer.learning_rate, timeline)
    tx = recipe.optimizer.build(recipe.schedule.scale(schedule), timeline)
    tx = nan_policy.wrap_optimizer(recipe.run.on_nan, tx)
    average = recipe.average.build(timeline)
    init = jax.jit(
        functools.partial(
            init_state,
            model,
            tx,
            image=image,
            ema=average is not None,
            stops=bool(recipe.run.stop_patience),
            initializer=recipe.start.build(),
        )
    )
    # traced here, so that a network that does not fit its images fails early
    shapes = jax.eval_shape(init, jax.ShapeDtypeStruct((), jnp.uint32))
    _check(recipe, data, mesh, model, shapes)
    train_transform = _train_transform(recipe, train, model, image, shapes)

    network = {
        'model': model,
        'mean': mean,
        'std': std,
        'dtype': recipe.run.dtype,
    }
    step_config = StepConfig(
        **network,
        tx=tx,
        loss=recipe.loss.build(_class_weights(recipe, train)),
        average=average,
        flip=recipe.augment.device_flip,
        mixup=recipe.augment.mixup,
        cutmix=recipe.augment.cutmix,
        accumulate=recipe.run.accumulate,
        penalty=recipe.loss.penalty(recipe.optimizer.weight_decay_mask),
        frozen=recipe.optimizer.frozen,
        aux_weight=recipe.loss.aux_weight,
        adversary=_adversary(recipe),
    )
    tta.views(recipe.augment.tta)
    eval_config = EvalConfig(**network, loss=recipe.loss.evaluation(), tta=recipe.augment.tta)

    step: Callable[..., Any] = functools.partial(train_step, step_config)
    if recipe.run.on_nan == 'skip':
        step = nan_policy.skip_nonfinite(step)
    evaluation = functools.partial(eval_step, eval_config)
    moments = functools.partial(recompute_batch_stats.moments, step_config)
    placement = sharding.state_sharding(shapes, mesh, shard)
    return Setup(
        recipe=recipe,
        data=data,
        train_transform=train_transform,
        transform=transform,
        model=model,
        preprocess=preprocess,
        schedule=schedule,
        tx=tx,
        mesh=mesh,
        shard=shard,
        placement=placement,
        image=image,
        total=timeline.total,
        init=init,
        train_step=sharding.parallel_train(step, mesh, placement),
        eval_step=sharding.parallel_eval(evaluation, mesh, placement),
        moments_step=sharding.parallel_moments(moments, mesh, placement),
        inputs=step_config.inputs,
    )


def _model(recipe: Recipe, train: ImageSource) -> nn.Module:
    """Builds the network with the recipe's settings of batch norm, and with the data's number of
    classes unless the recipe sets it.
    """
    fields = {'num_classes': train.num_classes, **recipe.model_fields}
    model = registry.create(recipe.model, **fields)
    return replace_norm(model, **_batch_norm_settings(recipe))


def _batch_norm_settings(recipe: Recipe) -> dict[str, Any]:
    """Returns the batch norm settings of the recipe; the network keeps its own for all others."""
    return {k: v for k, v in vars(recipe.batch_norm).items() if v is not None and v != ()}


def _preprocess(recipe: Recipe, train: ImageSource, mean: Any, std: Any) -> Preprocess:
    """Builds the preprocessing of evaluation images."""
    augment = recipe.augment
    return Preprocess(
        Transformed((*augment.evaluation, *augment.common)),
        mean,
        std,
        'gray' if train[0]['image'].shape[-1] == 1 else 'rgb',
        dtype=recipe.run.precision,
    )


def _class_weights(recipe: Recipe, train: ImageSource) -> np.ndarray | None:
    """Returns the class weights of the loss, (k,), or None if all weigh the same."""
    if not recipe.loss.balance:
        return None
    return balance.class_weights(train.labels(), train.num_classes, recipe.loss.balance)


def _adversary(recipe: Recipe) -> adversarial.Adversary | None:
    """Returns the attack on training images, or None."""
    augment = recipe.augment
    if not augment.adversarial:
        return None
    return adversarial.Adversary(
        epsilon=augment.adversarial, steps=augment.adversarial_steps, step=augment.adversarial_step
    )


def _check_mean_image(recipe: Recipe, mean: Any, image: jax.ShapeDtypeStruct) -> None:
    """Raises ValueError if the mean is an image of another size than the network's input."""
    if np.ndim(mean) != 3:
        return
    if np.shape(mean) != image.shape[1:] or recipe.augment.progressive_resizing:
        own, transformed = (
            ' x '.join(map(str, shape)) for shape in (np.shape(mean), image.shape[1:])
        )
        raise ValueError(
            f'data.normalize={recipe.data.normalize} has a mean image of {own}, but the transform '
            f'makes images of {transformed}; normalize=channel works with any size'
        )


def _check(
    recipe: Recipe,
    data: dict[str, ImageSource],
    mesh: Mesh,
    model: nn.Module,
    shapes: TrainState,
) -> None:
    """Raises ValueError for fields that do not fit each other, the data, devices or network."""
    run = recipe.run
    parts = run.accumulate * mesh.size
    if run.batch_size % parts:
        below = run.batch_size // parts * parts
        near = ' or '.join(str(b) for b in (below, below + parts) if b > 0)
        raise ValueError(
            f'run.batch_size: a batch of {run.batch_size} images does not divide into '
            f'{run.accumulate} parts (run.accumulate) over {mesh.size} devices; the nearest that '
            f'do are {near}'
        )
    part, ghost = run.batch_size // run.accumulate, recipe.batch_norm.ghost_batch_size
    if ghost is not None and part % ghost:
        raise ValueError(
            f'batch_norm.ghost_batch_size {ghost} does not divide the {part} images that go '
            f'through the network at once'
        )
    if 'validation' not in data:
        for field, used in (
            ('schedule=plateau', recipe.schedule.name == 'plateau'),
            ('run.stop_patience', run.stop_patience),
        ):
            if used:
                raise ValueError(
                    f'{field} needs validation images, and there are none; set some aside with '
                    f'data.holdout or data.fold'
                )
    exact = recipe.timeline(len(data['train'])).steps(run.recompute_batch_stats)
    if exact and run.stop_patience:
        raise ValueError(
            'run.recompute_batch_stats computes statistics at the end of a run of fixed length, '
            'but run.stop_patience may end it earlier'
        )
    if recipe.average.name == 'swa' and shapes.batch_stats and not exact:
        raise ValueError(
            'average=swa needs the batch statistics of the mean network, as in '
            "run.recompute_batch_stats='1 epochs'"
        )
    check_frozen(recipe.batch_norm, shapes.batch_stats)
    settings = ', '.join(f'batch_norm.{field}' for field in _batch_norm_settings(recipe))
    has_statistics = any(path.endswith('/var') for path in tree.named_leaves(shapes.batch_stats))
    if settings and has_statistics and not has_batch_norm(model):
        raise ValueError(
            f'the recipe states {settings}, which cannot reach the batch norms of {recipe.model}: '
            f'give {type(model).__name__} a field `norm: BatchNormConfig` and pass it to each of '
            f'them'
        )


def _train_transform(
    recipe: Recipe,
    train: ImageSource,
    model: nn.Module,
    image: jax.ShapeDtypeStruct,
    shapes: TrainState,
) -> Transform | ProgressiveTransforms:
    """Builds the transform of training images, or one for each size of progressive resizing.

    Raises:
      ValueError: the network does not take one of the sizes.
    """
    sizes = recipe.augment.progressive_resizing
    stages = tuple(
        (first, recipe.augment.train_transform(size))
        for first, size in recipe.augment.stages(recipe.timeline(len(train)))
    )
    if not sizes:
        return stages[0][1]
    variables = {'params': shapes.params, 'batch_stats': shapes.batch_stats}
    for text, (_, transform) in zip(sizes, stages, strict=True):
        shape = (2, *_transformed_shape(train, transform))
        try:
            jax.eval_shape(
                functools.partial(model.apply, train=False),
                variables,
                jax.ShapeDtypeStruct(shape, image.dtype),
            )
        except (ValueError, TypeError) as error:
            size = ' x '.join(map(str, shape[1:3]))
            raise ValueError(
                f'{recipe.model} does not take the images of {size} pixels that '
                f'augment.progressive_resizing={text!r} makes: {error}'
            ) from error
    return ProgressiveTransforms(stages)


def _transformed_shape(source: ImageSource, transform: Transform) -> tuple[int, ...]:
    """Returns the shape of the first image after the transform."""
    return transform(source[0]['image'], np.random.default_rng(0)).shape

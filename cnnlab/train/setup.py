"""From a recipe to everything that a run needs, compiled once and shared by runs that differ in the
seed only.
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

from cnnlab import losses, names
from cnnlab.data import balance, loader, preprocessing, sources
from cnnlab.data.loader import ProgressiveTransforms
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.data.sources import select
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform, parse
from cnnlab.models import registry
from cnnlab.nn import initializers as initializers
from cnnlab.nn.norms import BatchNormConfig, check_frozen, has_batch_norm
from cnnlab.recipes import progressive, training
from cnnlab.recipes.recipe import Recipe
from cnnlab.train import nan_policy, recompute_batch_stats
from cnnlab.train.distributed import sharding
from cnnlab.train.network import registered
from cnnlab.train.on_device import adversarial, tta
from cnnlab.train.state import TrainState, init_state
from cnnlab.train.step import eval_step, train_step
from cnnlab.train.step_config import EvalConfig, StepConfig

_DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16, 'float64': jnp.float64}
# sets that decode to less than this are decoded once and kept
_MEMORY = 1 << 30


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """A recipe with its data opened, its network declared and its steps jitted."""

    recipe: Recipe
    # 'train', and 'validation' and 'test' where they are
    data: dict[str, ImageSource]
    train_transform: Transform | ProgressiveTransforms
    transform: Transform
    model: nn.Module
    # from a picture to what the model gets
    preprocess: Preprocess
    schedule: optax.Schedule
    tx: optax.GradientTransformation
    mesh: Mesh
    # how the state is spread over the devices, see `sharding.state_sharding`
    shard: str
    # of each array of the state: a tree of NamedSharding
    placement: Any
    # what the model gets, one image in the batch
    image: jax.ShapeDtypeStruct
    # steps of the run
    total: int
    # seed -> state
    init: Callable[[jax.Array], TrainState]
    train_step: Callable
    eval_step: Callable
    # of `recompute_batch_stats`
    moments_step: Callable
    # uint8 images (n, h, w, c) -> what the model gets
    inputs: Callable[[Any], jax.Array]

    @property
    def order(self) -> dict[str, Any]:
        """What the recipe says about the order of training images and of what the stream does to
        them: arguments of `train_batches`.
        """
        return {'repeats': self.recipe.repeats, 'alternating_flip': self.recipe.alternating_flip}

    @property
    def classes(self) -> int:
        """How many classes the data has."""
        return self.data['train'].num_classes

    def batches(self, seed: int, step: int, workers: int = 0) -> Iterator[loader.Batch]:
        """This host's rows of the training batches from that step on, with `close()`; `workers` as
        in `Options`.
        """
        return loader.train_batches(
            self.data['train'],
            self.train_transform,
            seed=seed,
            batch=self.recipe.batch,
            step=step,
            host=jax.process_index(),
            hosts=jax.process_count(),
            workers=workers,
            **self.order,
        )

    def steps(self, text: str) -> int:
        """A duration of the recipe in steps, at least 1."""
        return max(self.recipe.steps(text, len(self.data['train'])), 1)


def open_data(recipe: Recipe, data_dir: str | None) -> dict[str, ImageSource]:
    """{'train', 'validation', 'test'} as far as the set and the recipe's holdout or fold give them;
    small sets are decoded at once.

    The recipe's `limit` cuts the training images after the others were set aside, so these stay the
    same.
    """
    found = sources.open_dataset(recipe.dataset, data_dir)
    wanted = (
        ['train', 'test']
        if 'test' in found.splits or 'validation' not in found.splits
        else ['train']
    )
    if recipe.holdout or recipe.fold or 'validation' in found.splits:
        wanted.insert(1, 'validation')
    chosen = {'holdout': recipe.holdout, 'fold': recipe.fold, 'classes': recipe.classes}
    opened = {s: sources.load(recipe.dataset, s, data_dir=data_dir, **chosen) for s in wanted}
    if recipe.limit:
        opened['train'] = select.take(opened['train'], recipe.limit)
    return {s: _kept(source) for s, source in opened.items()}


def _kept(source: ImageSource) -> ImageSource:
    """Decoded once where that is little memory."""
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
    """Opens the data, declares the network and jits the steps; nothing compiles yet.

    Args:
      recipe: any; its model is a registered name, or the id of published weights, and then the
        network that they fit; `num_classes` follows the data unless the recipe's fields state it.
      data_dir: where prepared sets are.
      devices: use the first so many devices (default: all).
      data: what `open_data` would open, where it is open already.
      shard: see `sharding.state_sharding`.

    Raises:
      KeyError, ValueError, FileNotFoundError: an unknown name, data that is not there, a batch that
        does not fit; one sentence each.
    """
    recipe = registered(recipe)
    dtype = names.lookup('precision', recipe.precision, _DTYPES)
    data = open_data(recipe, data_dir) if data is None else data
    train = data['train']
    if recipe.batch > len(train):
        raise ValueError(
            f'a batch of {recipe.batch} is larger than the training set of {len(train)} images'
        )
    mesh = sharding.data_mesh(devices)
    sharding.check_batch(recipe.batch, mesh)
    transform = parse.parse(*recipe.evaluation, *recipe.view)
    fields = {'num_classes': train.num_classes, **recipe.fields}
    model = registry.create(recipe.model, **fields)
    norm = training.batch_norm(recipe)
    if has_batch_norm(model):
        model = model.clone(norm=norm)
    mean, std = preprocessing.statistics(train, recipe.normalize)
    first = train[0]['image']
    preprocess = Preprocess(
        Transformed((*recipe.evaluation, *recipe.view)),
        mean,
        std,
        'gray' if first.shape[-1] == 1 else 'rgb',
        dtype=recipe.precision,
    )
    total = recipe.total(len(train))
    if total < 1:
        raise ValueError(f'{recipe.duration} is less than one step of {recipe.batch} images')
    schedule = training.schedule(recipe, len(train))
    tx = nan_policy.guarded(recipe.on_nan, training.optimizer(recipe, schedule, len(train)))
    average = training.average(recipe, len(train))
    weights = (
        balance.class_weights(train.labels(), train.num_classes, recipe.balance)
        if recipe.balance
        else None
    )
    loss = training.loss(recipe, weights)
    if min(recipe.mixup, recipe.cutmix) < 0:
        raise ValueError(
            f'mixup and cutmix are 0 (none) or parameters above 0, not {recipe.mixup} and '
            f'{recipe.cutmix}'
        )
    adversary = None
    if recipe.adversarial:
        adversary = adversarial.Adversary(
            recipe.adversarial, recipe.adversarial_steps, recipe.adversarial_step
        )
        if recipe.mixup or recipe.cutmix:
            raise ValueError(
                'adversarial examples have one label; they do not go with mixup or cutmix'
            )
    image = jax.ShapeDtypeStruct((1, *_transformed_shape(train, transform)), dtype)
    if np.ndim(mean) == 3 and (np.shape(mean) != image.shape[1:] or recipe.sizes):
        own, transformed = (
            ' x '.join(map(str, shape)) for shape in (np.shape(mean), image.shape[1:])
        )
        raise ValueError(
            f'normalize={recipe.normalize} has a mean image of {own} and the transform makes '
            f'images of {transformed}; normalize=channel goes with any size'
        )
    init = jax.jit(
        functools.partial(
            init_state,
            model,
            tx,
            image=image,
            ema=average is not None,
            stops=bool(recipe.stop_patience),
            initializer=initializers.by_name(recipe.init) if recipe.init else None,
        )
    )
    # a network that does not fit its images says so now
    shapes = jax.eval_shape(init, jax.ShapeDtypeStruct((), jnp.uint32))
    _check(recipe, data, mesh, norm, shapes)
    tta.views(recipe.tta)
    placement = sharding.state_sharding(shapes, mesh, shard)
    network = {'model': model, 'mean': mean, 'std': std, 'dtype': dtype}
    step_config = StepConfig(
        **network,
        tx=tx,
        loss=loss,
        average=average,
        flip=recipe.device_flip,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        accumulate=recipe.accumulate,
        penalty=training.penalty(recipe),
        frozen=recipe.frozen,
        aux_weight=recipe.aux_weight,
        adversary=adversary,
    )
    eval_config = EvalConfig(**network, loss=losses.by_name(recipe.loss), tta=recipe.tta)
    step = functools.partial(train_step, step_config)
    if recipe.on_nan == 'skip':
        step = nan_policy.skipping(step)
    evaluation = functools.partial(eval_step, eval_config)
    moments = functools.partial(recompute_batch_stats.moments, step_config)
    return Setup(
        recipe=recipe,
        data=data,
        train_transform=_train_transform(recipe, train, model, image, shapes),
        transform=transform,
        model=model,
        preprocess=preprocess,
        schedule=schedule,
        tx=tx,
        mesh=mesh,
        shard=shard,
        placement=placement,
        image=image,
        total=total,
        init=init,
        train_step=sharding.parallel_train(step, mesh, placement),
        eval_step=sharding.parallel_eval(evaluation, mesh, placement),
        moments_step=sharding.parallel_moments(moments, mesh, placement),
        inputs=step_config.inputs,
    )


def _check(
    recipe: Recipe,
    data: dict[str, ImageSource],
    mesh: Mesh,
    norm: BatchNormConfig,
    shapes: TrainState,
) -> None:
    """Raises ValueError for what fields of a recipe can be only together with others, its data,
    devices or network.
    """
    parts = recipe.accumulate * mesh.size
    if recipe.accumulate < 1 or recipe.batch % parts:
        below = recipe.batch // max(parts, 1) * parts
        near = ' or '.join(str(b) for b in (below, below + parts) if b > 0)
        raise ValueError(
            f'a batch of {recipe.batch} images does not divide into {recipe.accumulate} parts '
            f'over {mesh.size} devices'
            + (f'; the nearest that do are {near}' if recipe.accumulate >= 1 else '')
        )
    part = recipe.batch // recipe.accumulate
    if recipe.norm_span is not None and (recipe.norm_span < 1 or part % recipe.norm_span):
        raise ValueError(
            f'norm_span {recipe.norm_span} does not divide the {part} images that go through the '
            f'network at once'
        )
    if 'validation' not in data:
        for field, used in (
            ('schedule=plateau', recipe.schedule == 'plateau'),
            ('stop_patience', recipe.stop_patience),
        ):
            if used:
                raise ValueError(
                    f'{field} watches the validation images and there are none; set some aside '
                    f'with holdout or fold'
                )
    if recipe.stop_patience < 0:
        raise ValueError(
            f'stop_patience is 0 (never) or a number of evaluations, got {recipe.stop_patience}'
        )
    exact = recipe.steps(recipe.norm_exact, len(data['train']))
    if exact and recipe.stop_patience:
        raise ValueError(
            'norm_exact computes statistics at the end of a run of fixed length, and '
            'stop_patience may end it before'
        )
    if recipe.average == 'swa' and shapes.batch_stats and not exact:
        raise ValueError(
            "average=swa needs the batch statistics of the mean network, as in norm_exact='1 "
            "epochs'"
        )
    check_frozen(norm, shapes.batch_stats)


def _train_transform(
    recipe: Recipe,
    train: ImageSource,
    model: nn.Module,
    image: jax.ShapeDtypeStruct,
    shapes: TrainState,
) -> Transform | ProgressiveTransforms:
    """The transform of training images, or one for each size; ValueError where the network does not
    take a size.
    """
    stages = tuple(
        (first, parse.parse(*progressive.augment(recipe, size), *recipe.view))
        for first, size in progressive.stages(recipe, len(train))
    )
    if not recipe.sizes:
        return stages[0][1]
    variables = {'params': shapes.params, 'batch_stats': shapes.batch_stats}
    for text, (_, transform) in zip(recipe.sizes, stages, strict=True):
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
                f'{recipe.model} does not take the images of {size} pixels that sizes={text!r} '
                f'makes: {error}'
            ) from error
    return ProgressiveTransforms(stages)


def _transformed_shape(source: ImageSource, transform: Transform) -> tuple[int, ...]:
    """What the evaluation transform makes of the first image."""
    return transform(source[0]['image'], np.random.default_rng(0)).shape

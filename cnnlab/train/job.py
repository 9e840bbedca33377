"""From a recipe to everything that a run needs, compiled once and shared by runs that differ in the seed only."""
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh

from cnnlab import losses, names
from cnnlab.data import balance, normalise, parse, sources
from cnnlab.data.source import Source
from cnnlab.data.views import View
from cnnlab.models import registry
from cnnlab.optim import rules, schedules
from cnnlab.recipes.recipe import Recipe
from cnnlab.train import mesh as meshes
from cnnlab.train import state as states
from cnnlab.train import step as steps

_DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16, 'float64': jnp.float64}
_MEMORY = 1 << 30  # sets that decode to less than this are decoded once and kept


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A recipe with its data opened, its network declared and its steps jitted."""
    recipe: Recipe
    data: dict[str, Source]  # 'train', and 'validation' and 'test' where they are
    train_view: View
    view: View
    model: nn.Module
    schedule: optax.Schedule
    mesh: Mesh
    image: jax.ShapeDtypeStruct  # what the model gets, one image in the batch
    total: int  # steps of the run
    init: Callable[[jax.Array], states.TrainState]  # seed -> state
    train_step: Callable
    eval_step: Callable

    @property
    def classes(self) -> int:
        """How many classes the data has."""
        return self.data['train'].num_classes

    def steps(self, text: str) -> int:
        """A duration of the recipe in steps, at least 1."""
        return max(self.recipe.steps(text, len(self.data['train'])), 1)


def open_data(recipe: Recipe, data_dir: str | None) -> dict[str, Source]:
    """{'train', 'validation', 'test'} as far as the set and the recipe's holdout or fold give them; small sets are decoded at once."""
    found = sources.find(recipe.dataset, data_dir)
    wanted = ['train', 'test'] if 'test' in found.splits or 'validation' not in found.splits else ['train']
    if recipe.holdout or recipe.fold or 'validation' in found.splits:
        wanted.insert(1, 'validation')
    chosen = {'holdout': recipe.holdout, 'fold': recipe.fold, 'classes': recipe.classes}
    opened = {s: sources.load(recipe.dataset, s, data_dir=data_dir, **chosen) for s in wanted}
    return {s: _kept(source) for s, source in opened.items()}


def _kept(source: Source) -> Source:
    """Decoded once where that is little memory."""
    shape = source.image_shape
    if not source.decodes or shape is None or len(source) * shape[0] * shape[1] * shape[2] > _MEMORY:
        return source
    return sources.in_memory(source)


def build(recipe: Recipe, data_dir: str | None = None, devices: int | None = None) -> Job:
    """Opens the data, declares the network and jits the steps; nothing compiles yet.

    Args:
      recipe: any; `num_classes` follows the data unless the recipe's fields state it.
      data_dir: where prepared sets are.
      devices: use the first so many devices (default: all).

    Raises:
      KeyError, ValueError, FileNotFoundError: an unknown name, data that is not there, a batch that does not fit; one sentence each.
    """
    dtype = names.lookup('precision', recipe.precision, _DTYPES)
    data = open_data(recipe, data_dir)
    train = data['train']
    if recipe.batch > len(train):
        raise ValueError(f'a batch of {recipe.batch} is larger than the training set of {len(train)} images')
    mesh = meshes.data_mesh(devices)
    meshes.check_batch(recipe.batch, mesh)
    view = parse.parse(*recipe.view)
    fields = {'num_classes': train.num_classes, **recipe.fields}
    model = registry.create(recipe.model, **fields)
    mean, std = normalise.statistics(train, recipe.normalise)
    total = recipe.steps(recipe.duration, len(train))
    if total < 1:
        raise ValueError(f'{recipe.duration} is less than one step of {recipe.batch} images')
    schedule = schedules.build(
        recipe.schedule, recipe.rate, total, boundaries=recipe.boundaries, factor=recipe.factor,
        warmup=recipe.steps(recipe.warmup, len(train)), warmup_start=recipe.warmup_start, warmup_form=recipe.warmup_form)
    tx = rules.build(recipe.optimiser, schedule, momentum=recipe.momentum, decay=recipe.decay, decayed=recipe.decayed)
    if recipe.clip:
        tx = optax.chain(optax.clip_by_global_norm(recipe.clip), tx)
    loss = losses.by_name(recipe.loss)
    if recipe.smoothing:
        if recipe.loss != 'softmax':
            raise ValueError(f'label smoothing goes with the softmax loss, not with {recipe.loss}')
        loss = functools.partial(losses.softmax, smoothing=recipe.smoothing)
    if recipe.balance:
        weights = balance.class_weights(train.labels(), train.num_classes, recipe.balance)
        loss = functools.partial(losses.weighted, loss=loss, weights=weights)
    if min(recipe.mixup, recipe.cutmix) < 0:
        raise ValueError(f'mixup and cutmix are 0 (none) or parameters above 0, not {recipe.mixup} and {recipe.cutmix}')
    shared: dict[str, Any] = {'model': model, 'mean': mean, 'std': std, 'dtype': dtype}
    image = jax.ShapeDtypeStruct((1, *_viewed_shape(train, view)), dtype)
    if np.ndim(mean) == 3 and np.shape(mean) != image.shape[1:]:
        own, viewed = (' x '.join(map(str, shape)) for shape in (np.shape(mean), image.shape[1:]))
        raise ValueError(f'normalise={recipe.normalise} has a mean image of {own} and the view makes images of {viewed}; '
                         'normalise=channel goes with any size')
    init = jax.jit(functools.partial(states.init_state, model, tx, image=image, ema=bool(recipe.ema)))
    jax.eval_shape(init, jax.ShapeDtypeStruct((), jnp.uint32))  # a network that does not fit its images says so now
    return Job(
        recipe, data, parse.parse(*recipe.augment, *recipe.view), view, model, schedule, mesh, image, total, init,
        meshes.parallel_train(functools.partial(
            steps.train_step, **shared, tx=tx, loss=loss, norm_span=recipe.norm_span, ema=recipe.ema, flip=recipe.device_flip,
            mixup=recipe.mixup, cutmix=recipe.cutmix, hosts=jax.process_count()), mesh),
        meshes.parallel_eval(functools.partial(steps.eval_step, **shared, loss=losses.by_name(recipe.loss)), mesh))


def _viewed_shape(source: Source, view: View) -> tuple[int, ...]:
    """What the evaluation view makes of the first image."""
    return view(source[0]['image'], np.random.default_rng(0)).shape

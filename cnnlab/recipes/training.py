"""What a recipe says about training, as functions: its schedule, optimizer, loss and average.

No data is opened, no device touched.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from cnnlab import losses, names, tree
from cnnlab.nn.norms import BatchNormConfig
from cnnlab.optim import by_path, plateau, rules, schedules, transforms
from cnnlab.optim.average import Average
from cnnlab.recipes.recipe import Recipe

AVERAGES = ('', 'ema', 'polyak', 'swa')


def schedule(recipe: Recipe, examples: int) -> optax.Schedule:
    """The learning rate by step, for a training set of `examples` images; a plateau's divisions are
    not part of it.

    Raises:
      KeyError, ValueError: see `schedules.build`; a boundary that does not lie within the run.
    """
    total = recipe.total(examples)
    return schedules.build(
        recipe.schedule,
        recipe.rate,
        total,
        boundaries=_shares(recipe, examples, total),
        factor=recipe.factor,
        values=recipe.values,
        every=recipe.steps(recipe.every, examples),
        staircase=recipe.staircase,
        growth=recipe.growth,
        power=recipe.power,
        end=recipe.end,
        warmup=recipe.steps(recipe.warmup, examples),
        warmup_start=recipe.warmup_start,
        warmup_form=recipe.warmup_form,
    )


def _shares(recipe: Recipe, examples: int, total: int) -> tuple[float, ...]:
    """The boundaries as shares of the run."""
    found = []
    for boundary in recipe.boundaries:
        if isinstance(boundary, str):
            at = recipe.steps(boundary, examples)
            if not 0 < at < total:
                raise ValueError(
                    f'the schedule is longer than the run: its boundary at {boundary} is step '
                    f'{at} and the run '
                    f'({recipe.duration}) has {total}'
                )
            boundary = at / total
        found.append(boundary)
    return tuple(found)


def optimizer(recipe: Recipe, rate: optax.Schedule, examples: int) -> optax.GradientTransformation:
    """All that lies between gradient and update: clipping, the rule with its decay, rates by path,
    limits, Lookahead, frozen parameters.

    Its `update` takes (gradients, state, parameters). `examples` is the size of the training set.

    Raises:
      KeyError, ValueError: see `rules.build`; limits, factors or periods below zero; (when the
        state is made) a pattern that matches no parameter.
    """
    for field in ('clip', 'clip_value', 'filter_rms', 'lookahead', 'l1', 'l2'):
        if getattr(recipe, field) < 0:
            raise ValueError(f'{field} must not be negative, got {getattr(recipe, field)}')
    for pattern, factor in recipe.rates.items():
        if factor < 0:
            raise ValueError(
                f'the factor on the rate of {pattern!r} must not be negative, got {factor}'
            )
    if not 0 <= recipe.lookahead_step <= 1:
        raise ValueError(f'lookahead_step is a share between 0 and 1, got {recipe.lookahead_step}')
    scaled = optax.scale_by_learning_rate(rate)
    if recipe.schedule == 'plateau':
        scaled = optax.chain(scaled, plateau.scaling(recipe.factor, recipe.patience))
    tx = rules.build(
        recipe.optimizer,
        scaled,
        momentum=recipe.momentum,
        beta2=recipe.beta2,
        eps=recipe.eps,
        decay=recipe.decay,
        decayed=recipe.decayed,
        decay_form=recipe.decay_form,
    )
    if recipe.decays:
        if recipe.decay_form == 'decoupled' or recipe.optimizer in rules.DECOUPLED:
            raise ValueError(
                f'decays are factors on a coupled weight decay, and that of {recipe.optimizer} is '
                f'not'
            )
        tx = optax.chain(
            by_path.adjust_decay(
                recipe.decays, recipe.decay, lambda params: tree.mask(params, recipe.decayed)
            ),
            tx,
        )
    if recipe.clip:
        tx = optax.chain(optax.clip_by_global_norm(recipe.clip), tx)
    if recipe.clip_value:
        tx = optax.chain(optax.clip(recipe.clip_value), tx)
    if recipe.rates:
        tx = optax.chain(tx, transforms.scale_by_path(recipe.rates))
    if recipe.filter_rms:
        tx = optax.chain(tx, transforms.keep_filters_within(recipe.filter_rms))
    if recipe.lookahead:
        tx = transforms.lookahead(
            tx, recipe.lookahead, _lookahead_share(recipe, recipe.total(examples))
        )
    if recipe.frozen_after:
        ends = {
            pattern: recipe.steps(after, examples) for pattern, after in recipe.frozen_after.items()
        }
        tx = optax.chain(tx, by_path.freeze_after(ends))
    return transforms.freezing(recipe.frozen, tx) if recipe.frozen else tx


def _lookahead_share(recipe, total):
    if recipe.lookahead_power < 0:
        raise ValueError(f'lookahead_power must not be negative, got {recipe.lookahead_power}')
    if not recipe.lookahead_power:
        return recipe.lookahead_step
    return lambda count: 1 - (1 - recipe.lookahead_step) * (count / total) ** recipe.lookahead_power


def loss(recipe: Recipe, weights: np.ndarray | None = None) -> losses.Loss:
    """The loss of training, one value per image; that of evaluation is
    `losses.by_name(recipe.loss)`, without smoothing and weights.

    Args:
      weights: (k,), of the classes.

    Raises:
      KeyError: unknown loss. ValueError: smoothing or a threshold for a loss that takes none, or
        out of range.
    """
    found, fields = losses.by_name(recipe.loss), {}
    if recipe.smoothing:
        if recipe.loss not in losses.SMOOTHED:
            raise ValueError(
                f'label smoothing goes with the losses {" and ".join(losses.SMOOTHED)}, not with '
                f'{recipe.loss}'
            )
        if not 0 <= recipe.smoothing < 1:
            raise ValueError(
                f'label smoothing is a share of at least 0 and below 1, got {recipe.smoothing}'
            )
        fields['smoothing'] = recipe.smoothing
    if recipe.target_threshold is not None:
        if recipe.loss != 'binary_cross_entropy':
            raise ValueError(
                f'a threshold of the targets goes with the loss binary_cross_entropy, not with '
                f'{recipe.loss}'
            )
        fields['threshold'] = recipe.target_threshold
    if weights is not None and recipe.loss == 'softmax':
        return functools.partial(found, **fields, weights=weights)
    found = functools.partial(found, **fields) if fields else found
    return (
        found
        if weights is None
        else functools.partial(losses.weighted, loss=found, weights=weights)
    )


def penalty(recipe: Recipe) -> Callable[[Any], jax.Array] | None:
    """parameters -> what is added to the loss, or None where nothing is."""
    if not (recipe.l1 or recipe.l2):
        return None

    def value(params):
        mask, found = tree.mask(params, recipe.decayed), 0.0
        if recipe.l1:
            found = found + recipe.l1 * losses.l1(params, mask)
        if recipe.l2:
            found = found + recipe.l2 * losses.l2(params, mask)
        return found

    return value


def average(recipe: Recipe, examples: int) -> Average | None:
    """The average that evaluation uses, or None.

    Raises:
      ValueError: an unknown kind, a decay out of range, two kinds at once, or a start beyond the
        run.
    """
    names.among('average', recipe.average, AVERAGES)
    if not 0 <= recipe.ema < 1:
        raise ValueError(
            f'the decay of a moving average is at least 0 and below 1, got ema={recipe.ema}'
        )
    mean = recipe.average in ('polyak', 'swa')
    if mean and recipe.ema:
        raise ValueError(
            f'average={recipe.average} is an arithmetic mean and ema={recipe.ema} a moving one; '
            f'give one of them'
        )
    if recipe.average == 'ema' and not recipe.ema:
        raise ValueError('average=ema needs the decay of the moving average, as in ema=0.9999')
    if not (mean or recipe.ema):
        return None
    start, total = recipe.steps(recipe.average_from, examples), recipe.total(examples)
    if start >= total:
        raise ValueError(f'the average begins after {start} steps and the run has {total}')
    return Average(
        None if mean else recipe.ema, max(recipe.steps(recipe.average_every, examples), 1), start
    )


def batch_norm(recipe: Recipe) -> BatchNormConfig:
    """What the recipe says about every batch norm.

    Raises:
      ValueError: a momentum or epsilon out of range.
    """
    if recipe.norm_momentum is not None and not 0 <= recipe.norm_momentum <= 1:
        raise ValueError(f'norm_momentum lies between 0 and 1, got {recipe.norm_momentum}')
    if recipe.norm_eps is not None and recipe.norm_eps < 0:
        raise ValueError(f'norm_eps must not be negative, got {recipe.norm_eps}')
    return BatchNormConfig(
        recipe.norm_span, recipe.norm_momentum, recipe.norm_eps, recipe.norm_frozen
    )

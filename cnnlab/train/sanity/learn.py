"""Checks by a little training: a network must memorize twenty images, and learn more from true
labels than from shuffled ones.
"""

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from cnnlab.losses import Loss
from cnnlab.report.proportions import paired
from cnnlab.train.sanity import forward
from cnnlab.train.sanity.finding import OPEN, Finding, judged

# the default of Adam's paper: the checks are of network and data, not of the recipe's optimizer
LEARNING_RATE = 1e-3
# a loss below this share of that of equal scores counts as zero; assumed
ZERO = 0.01
# significance level of a difference; assumed
ALPHA = 0.01
# with fewer held-out images per class the control is not conclusive; assumed
MIN_PER_CLASS = 10


@dataclasses.dataclass(frozen=True)
class Learner:
    """Trains a network by Adam, with batch statistics and without regularization or dropout.

    Attributes:
      model: the network.
      loss: per image.
    """

    model: nn.Module
    loss: Loss

    @functools.cached_property
    def tx(self) -> optax.GradientTransformation:
        """The optimizer, Adam."""
        return optax.adam(LEARNING_RATE)

    @functools.cached_property
    def step(self):
        """The jitted step: (variables, optimizer state, inputs, labels) -> (variables, optimizer
        state, loss, accuracy), the last two before the update.
        """

        def objective(params, rest, inputs, labels):
            scores = forward.logits(self.model, {'params': params, **rest}, inputs)
            return self.loss(scores, labels).mean(), (scores.argmax(-1) == labels).mean()

        def step(variables, state, inputs, labels):
            rest = {k: v for k, v in variables.items() if k != 'params'}
            (value, right), grads = jax.value_and_grad(objective, has_aux=True)(
                variables['params'], rest, inputs, labels
            )
            updates, state = self.tx.update(grads, state, variables['params'])
            return (
                {'params': optax.apply_updates(variables['params'], updates), **rest},
                state,
                value,
                right,
            )

        return jax.jit(step)

    @functools.cached_property
    def predict(self):
        """The jitted prediction: (variables, inputs) -> classes, int (n,)."""
        return jax.jit(
            lambda variables, inputs: forward.logits(self.model, variables, inputs).argmax(-1)
        )


def overfit(
    learner: Learner,
    variables: dict[str, Any],
    inputs: jax.Array,
    labels: Any,
    steps: int = 300,
    seconds: float = 20.0,
) -> Finding:
    """Checks that the network can memorize a few images.

    Args:
      learner: trains the network.
      variables: at the start.
      inputs: (n, h, w, c).
      labels: int (n,).
      steps: at most.
      seconds: at most, compiling not counted.
    """
    equal_scores = jnp.zeros((len(labels), int(_classes(learner, variables, inputs))))
    goal = ZERO * float(learner.loss(equal_scores, labels).mean())
    state = learner.tx.init(variables['params'])
    done, value, right = 0, np.inf, 0.0
    first_value = start = None
    while (
        done < steps
        and not (value <= goal and right == 1)
        and (start is None or time.perf_counter() - start < seconds)
    ):
        variables, state, value, right = learner.step(variables, state, inputs, labels)
        value, right, done = float(value), float(right), done + 1
        first_value = value if first_value is None else first_value
        # the first step compiles, so the clock starts after it
        start = start or time.perf_counter()
    good = value <= goal and right == 1
    measured = (
        f'loss {first_value:.3f} to {value:.4f}, {right:.0%} right, after {done} steps of Adam'
    )
    expected = (
        f'the loss of {len(labels)} images falls to zero (below {goal:.3f}) and all are right'
    )
    causes = (
        'a gradient that is wrong or does not reach the parameters, dead units, too small a '
        'network, saturated activations, an output that keeps the loss from falling (a second '
        'softmax, a ReLU), equal images with different labels'
    )
    if not good and done < steps:
        return Finding('overfit', expected, f'{measured}, when time was up', OPEN, causes)
    return judged('overfit', expected, measured, good, causes)


def _classes(learner, variables, inputs):
    """Returns the number of outputs of the network, without running it."""
    return jax.eval_shape(
        lambda v, x: forward.logits(learner.model, v, x), variables, inputs
    ).shape[1]


@dataclasses.dataclass(frozen=True)
class Control:
    """Predictions for held-out images after training on true and on shuffled labels.

    Attributes:
      true: int (n,), after training on true labels.
      shuffled: int (n,), after training on shuffled labels.
      truth: int (n,), the true classes.
      steps: of each training.
    """

    true: np.ndarray
    shuffled: np.ndarray
    truth: np.ndarray
    steps: int


def control(
    learner: Learner,
    variables: dict[str, Any],
    train: tuple[Any, Any],
    held: tuple[Any, Any],
    batch: int = 50,
    epochs: int = 5,
    seconds: float = 15.0,
) -> Control:
    """Trains twice from the same start for the same number of steps, once with shuffled labels.

    Args:
      learner: trains the network.
      variables: at the start.
      train: (inputs (n, h, w, c), labels (n,)).
      held: the same for the held-out images.
      batch: images per step.
      epochs: of each training.
      seconds: after which the first training ends early; the second makes as many steps.
    """
    inputs, labels = train
    rng = np.random.default_rng(0)
    count = max(len(labels) // batch, 1)
    order = [
        rows
        for _ in range(epochs)
        for rows in np.array_split(rng.permutation(len(labels))[: count * batch], count)
    ]

    def trained(labels, order, seconds):
        current, state, start = variables, learner.tx.init(variables['params']), None
        for done, rows in enumerate(order):
            if start is not None and time.perf_counter() - start > seconds:
                return current, done
            current, state, *metrics = learner.step(current, state, inputs[rows], labels[rows])
            jax.block_until_ready(metrics)
            # the first step compiles, so the clock starts after it
            start = start or time.perf_counter()
        return current, len(order)

    def predictions(variables):
        size = len(order[0])
        rows = np.array_split(np.arange(len(held[1])), max(len(held[1]) // size, 1))
        return np.concatenate([np.asarray(learner.predict(variables, held[0][r])) for r in rows])

    from_true, done = trained(labels, order, seconds)
    from_shuffled, _ = trained(rng.permutation(labels), order[:done], np.inf)
    return Control(
        true=predictions(from_true),
        shuffled=predictions(from_shuffled),
        truth=np.asarray(held[1]),
        steps=done,
    )


def shuffled_labels(result: Control, classes: int) -> Finding:
    """Checks that the network learned from true labels, and nothing from shuffled ones.

    Args:
      result: of `control`.
      classes: the number of classes.
    """
    n = len(result.truth)
    true, shuffled = (p == result.truth for p in (result.true, result.shuffled))
    usual = float(np.bincount(result.truth).max() / n)
    test = paired(shuffled, true)
    # three standard deviations above the accuracy of always predicting the most frequent class
    limit = usual + 3 * np.sqrt(usual * (1 - usual) / n)
    measured = (
        f'{true.mean():.0%} right after {result.steps} steps on true labels, '
        f'{shuffled.mean():.0%} on shuffled ones, of {n} held-out images'
    )
    expected = (
        f"true labels better (p below {ALPHA} in McNemar's test), shuffled ones no better than "
        f'the most frequent class (at most {limit:.0%})'
    )
    causes = (
        'labels that do not belong to their images (a list that is shifted, sorted or shuffled), '
        'augmentation or normalization that destroys what the labels depend on, too few images or '
        'steps for so hard a set; shuffled labels better than chance: held-out images are among '
        'the training images, or the input contains the label'
    )
    good = test.p < ALPHA and test.difference > 0 and shuffled.mean() <= limit
    if n < MIN_PER_CLASS * classes and not good and shuffled.mean() <= limit:
        return Finding(
            'shuffled labels', expected, f'{measured}: too few for {classes} classes', OPEN, causes
        )
    return judged('shuffled labels', expected, measured, good, causes)

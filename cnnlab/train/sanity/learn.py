"""A little training: twenty images must be learned by heart, and true labels must be worth more
than shuffled ones.
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

# of Adam, its paper's default: the checks are of network and data, not of the recipe's optimizer
RATE = 1e-3
# of the loss of equal scores: "zero"; assumed
ZERO = 0.01
# probability by chance at which a difference counts; assumed
CERTAIN = 0.01
# held-out images a class, below which nothing can be told; assumed
FEW = 10


@dataclasses.dataclass(frozen=True)
class Learner:
    """A network, a loss without regularization, and Adam; no dropout, batch norm by the statistics
    of each batch.
    """

    model: nn.Module
    loss: Loss

    @functools.cached_property
    def tx(self) -> optax.GradientTransformation:
        """Adam."""
        return optax.adam(RATE)

    @functools.cached_property
    def step(self):
        """(variables, optimizer state, inputs, labels) -> (variables, optimizer state, loss before,
        share right before); compiled once.
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
        """(variables, inputs) -> int (n,); compiled once."""
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
    """Whether a few images (n, h, w, c) with their labels (n,) are learned by heart within `steps`
    and `seconds` (after compiling).
    """
    goal = ZERO * float(
        learner.loss(
            jnp.zeros((len(labels), int(_classes(learner, variables, inputs)))), labels
        ).mean()
    )
    state, begun, clock = learner.tx.init(variables['params']), None, None
    done, value, right = 0, np.inf, 0.0
    while (
        done < steps
        and not (value <= goal and right == 1)
        and (clock is None or time.perf_counter() - clock < seconds)
    ):
        variables, state, value, right = learner.step(variables, state, inputs, labels)
        value, right, done = float(value), float(right), done + 1
        begun = value if begun is None else begun
        clock = clock or time.perf_counter()
    good = value <= goal and right == 1
    measured = f'loss {begun:.3f} to {value:.4f}, {right:.0%} right, after {done} steps of Adam'
    expected = (
        f'the loss of {len(labels)} images falls to zero (below {goal:.3f}) and all are right'
    )
    causes = (
        'a gradient that is wrong or does not arrive, dead units, too small a network, saturated '
        'activations, an output after which '
        'the loss cannot fall (a second softmax, a ReLU), equal images with different labels'
    )
    # time was up
    if not good and done < steps:
        return Finding('overfit', expected, measured + ', when time was up', OPEN, causes)
    return judged('overfit', expected, measured, good, causes)


def _classes(learner, variables, inputs):
    return jax.eval_shape(
        lambda v, x: forward.logits(learner.model, v, x), variables, inputs
    ).shape[1]


@dataclasses.dataclass(frozen=True)
class Control:
    """What held-out images got from training on true labels and on shuffled ones: int (n,) each,
    and the truth.
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
    """Trains twice from the same start for the same number of steps, once with the labels shuffled.

    Args:
      train, held: (inputs (n, h, w, c), labels (n,)), different images.
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
        now, state, clock = variables, learner.tx.init(variables['params']), None
        for done, rows in enumerate(order):
            if clock is not None and time.perf_counter() - clock > seconds:
                return now, done
            now, state, *found = learner.step(now, state, inputs[rows], labels[rows])
            jax.block_until_ready(found)
            # the first step compiles
            clock = clock or time.perf_counter()
        return now, len(order)

    def predictions(variables):
        size = len(order[0])
        rows = np.array_split(np.arange(len(held[1])), max(len(held[1]) // size, 1))
        return np.concatenate([np.asarray(learner.predict(variables, held[0][r])) for r in rows])

    first, done = trained(labels, order, seconds)
    second, _ = trained(rng.permutation(labels), order[:done], np.inf)
    return Control(predictions(first), predictions(second), np.asarray(held[1]), done)


def shuffled_labels(found: Control, classes: int) -> Finding:
    """Whether true labels taught the network more than shuffled ones did, which must not have
    taught it anything.
    """
    n = len(found.truth)
    true, shuffled = (p == found.truth for p in (found.true, found.shuffled))
    usual = float(np.bincount(found.truth).max() / n)
    test = paired(shuffled, true)
    # three deviations above always naming the most frequent class
    limit = usual + 3 * np.sqrt(usual * (1 - usual) / n)
    measured = (
        f'{true.mean():.0%} right after {found.steps} steps on true labels, {shuffled.mean():.0%} '
        f'on shuffled ones, of {n} '
        'held-out images'
    )
    expected = (
        f"true labels better (p below {CERTAIN} in McNemar's test), shuffled ones no better than "
        f'the most frequent class '
        f'(at most {limit:.0%})'
    )
    causes = (
        'labels that do not belong to their images (a list that is shifted, sorted or shuffled), '
        'augmentation or normalization that '
        'destroys what the labels tell, images too few or steps too few for so hard a set; '
        'shuffled labels better than chance: '
        'held-out images are among the training images, or the label can be read off the input'
    )
    good = test.p < CERTAIN and test.difference > 0 and shuffled.mean() <= limit
    if n < FEW * classes and not good and shuffled.mean() <= limit:
        return Finding(
            'shuffled labels', expected, f'{measured}: too few for {classes} classes', OPEN, causes
        )
    return judged('shuffled labels', expected, measured, good, causes)

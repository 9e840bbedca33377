"""Runs all checks on the setup of a recipe."""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import numpy as np
from matplotlib.figure import Figure

from cnnlab.data import loader
from cnnlab.data.loader import ProgressiveTransforms
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.transforms import Transform
from cnnlab.nn.norms import replace_norm
from cnnlab.report import images as pictures
from cnnlab.train.initial_state import initial_state
from cnnlab.train.sanity import forward, gradients, learn, signals, start
from cnnlab.train.sanity.finding import FAILED, Finding
from cnnlab.train.sanity.learn import Learner
from cnnlab.train.setup import Setup

# images for losses and activations
BATCH = 32
# images to memorize, as in the CNN lectures
OVERFIT = 20
# images of the shuffled-label control: as many for training as held out
CONTROL = 500
# images of the gradient check
_GRADIENT_IMAGES = 3
# training images that are searched for equal ones
_DUPLICATE_IMAGES = 200


@dataclasses.dataclass
class Report:
    """The results of all checks.

    Attributes:
      findings: in the order of the checks.
      layers: statistics of the activations, in the order of the layers.
      seen: a figure of training images as the network sees them.
      read: a figure of the same images as they are in the data set.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    layers: list[signals.Signal] = dataclasses.field(default_factory=list)
    seen: Figure | None = None
    read: Figure | None = None

    @property
    def failed(self) -> list[Finding]:
        """The checks that failed."""
        return [f for f in self.findings if f.verdict == FAILED]


def sample(
    source: ImageSource,
    transform: Transform | ProgressiveTransforms,
    count: int,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws images of a source.

    Args:
      source: the images.
      transform: of each image.
      count: of images; fewer if the source has fewer.
      seed: of the order.

    Returns:
      Images, uint8 (n, h, w, c), and labels, int32 (n,).
    """
    batch = loader.TrainBatch(source, transform, seed, min(count, len(source)))(0)
    return batch['image'], batch['label']


def check(
    setup: Setup, seconds: float = 60.0, done: Callable[[str], None] = lambda name: None
) -> Report:
    """Runs every check.

    Args:
      setup: of the recipe to check.
      seconds: shared by the checks that take long, compiling not counted.
      done: called with the name of each part when it is finished.
    """
    report = Report()
    for name, findings in _parts(setup, seconds, report):
        report.findings += findings
        done(name)
    return report


def _parts(setup: Setup, seconds: float, report: Report) -> Iterator[tuple[str, list[Finding]]]:
    train, recipe = setup.data['train'], setup.recipe
    loss = recipe.loss.evaluation()
    state = initial_state(setup, np.uint32(recipe.run.seed))
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    # the checks use fewer images than a ghost batch may need
    model = replace_norm(setup.model, ghost_batch_size=None)
    learner = Learner(model, loss)

    images, labels = sample(train, setup.train_transform, BATCH)
    inputs = setup.inputs(images)
    report.seen, report.read = _pictures(train, images, labels, inputs)
    yield (
        'inputs and labels',
        [
            start.inputs(inputs),
            start.labels(
                train.labels(),
                train.class_names,
                [e['image'] for e in train.__getitems__(range(min(_DUPLICATE_IMAGES, len(train))))],
            ),
        ],
    )

    logits = jax.jit(functools.partial(forward.logits, model))(variables, inputs)
    value = float(loss(logits, labels).mean())
    mask = recipe.optimizer.weight_decay_mask
    penalty = recipe.loss.penalty(mask)
    added = float(penalty(state.params)) if penalty else 0.0
    yield (
        'the first loss',
        [
            start.initial_loss(logits, labels, loss),
            start.regularization(
                setup.tx, state.params, recipe.optimizer.weight_decay, mask, value, added
            ),
        ],
    )

    report.layers = signals.measure(model, variables, inputs, labels, loss)
    yield 'activations', signals.judge(report.layers)

    images, labels = sample(train, setup.transform, CONTROL, seed=1)
    few = min(OVERFIT, len(images))
    yield (
        'overfitting',
        [
            learn.overfit(
                learner, variables, setup.inputs(images[:few]), labels[:few], seconds=seconds / 3
            )
        ],
    )

    parts = _held_out(setup, images, labels)
    if parts is not None:
        known, held = ((setup.inputs(x), y) for x, y in parts)
        control = learn.control(learner, variables, known, held, seconds=seconds / 6)
        yield (
            'the shuffled-label control',
            [
                learn.shuffled_labels(control, setup.classes),
                start.predictions(control.true, control.truth),
            ],
        )

    tested = gradients.of_network(
        model,
        variables,
        np.asarray(setup.inputs(images[:_GRADIENT_IMAGES]), np.float64),
        labels[:_GRADIENT_IMAGES],
        loss,
        seconds=seconds / 6,
    )
    yield 'gradients', [gradients.judge(tested, len(jax.tree.leaves(state.params)))]


def _pictures(source, images, labels, inputs):
    """Draws the images as the network sees them and as they are in the data set.

    Returns None twice for images with neither one nor three channels.
    """
    if images.shape[-1] not in (1, 3):
        return None, None
    captions = [source.class_names[k] for k in labels]
    read = source.__getitems__(
        [int(i) for i in loader.permutation(len(source), 0, 0)[: len(images)]]
    )
    return pictures.grid(np.asarray(inputs, np.float32), captions), pictures.grid(
        [e['image'] for e in read], captions
    )


def _held_out(setup, images, labels):
    """Returns ((images, labels), (held-out images, labels)).

    Held-out images are of the validation split, or half of the images if there is none. Returns
    None if there are too few images.
    """
    if 'validation' in setup.data:
        return (images, labels), sample(setup.data['validation'], setup.transform, CONTROL, seed=1)
    half = len(images) // 2
    return ((images[:half], labels[:half]), (images[half:], labels[half:])) if half else None

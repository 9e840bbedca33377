"""Activation maximization: the picture that maximizes a class score or a unit."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab.analysis import capture
from cnnlab.classifier import Classifier
from cnnlab.report import progress
from cnnlab.visual import activations, backward, inputs, layers
from cnnlab.visual.parametrize import Parametrization


class Maximized(NamedTuple):
    """Pictures, and how the scores rose.

    Attributes:
      pictures: float32 (n, height, width, channels) in [0, 1].
      scores: (steps, n), the values that are maximized, before each step.
      probability: (n,), of each picture's class in the end; None for units.
    """

    pictures: np.ndarray
    scores: np.ndarray
    probability: np.ndarray | None


def maximize(
    net: Classifier,
    *,
    classes: Sequence[int] | None = None,
    path: str | None = None,
    channels: Sequence[int] | None = None,
    shape: tuple[int, int, int] | None = None,
    steps: int = 256,
    learning_rate: float = 0.05,
    l2: float = 0.0,
    blur: float = 0.0,
    jitter: int = 0,
    zoom: float = 0.0,
    fourier: bool = True,
    decorrelated: bool = True,
    seed: int = 0,
) -> Maximized:
    """Makes one picture for each class or unit by gradient ascent with Adam.

    Maximized is the logit of a class, or the mean over positions of a feature map or unit. A unit
    that is asleep everywhere in the first, nearly gray picture is woken through its ReLU, see
    `backward.redirected`.

    Args:
      net: the network, with its preprocessing.
      classes: to maximize; or
      path, channels: feature maps or units of a layer instead.
      shape: (height, width, channels) of a picture; None is the network's own.
      steps, learning_rate: of Adam, on the parameters of the picture.
      l2: weight of the mean squared network value in the loss, the regularizer of Simonyan et al.
      blur: standard deviation in pixels of a Gaussian that blurs the picture after every fourth
        step (Yosinski et al. 2015, arXiv:1506.06579; how often is assumed).
      jitter: the picture is rolled by up to this many pixels, by another roll at each step.
      zoom: the picture is enlarged or made smaller by up to this fraction, by another one at each
        step.
      fourier, decorrelated: see `parametrize.Parametrization`.
      seed: of the first picture, the rolls and the zooms.

    Raises:
      ValueError: neither or both of classes and channels are given, the network has no such class,
        layer or feature map, or no preprocessing, or a setting is out of range.

    Reference:
      Simonyan et al. 2013, arXiv:1312.6034, Section 2; Olah, Mordvintsev & Schubert 2017, Feature
      Visualization, doi.org/10.23915/distill.00007.

    Example:
      made = maximize.maximize(net, classes=[281, 497], jitter=14, zoom=0.1)
      visual.show(made.pictures, ['tabby', 'church'])
    """
    given = classes if channels is None else channels
    both = classes is not None and channels is not None
    if given is None or both or (channels is None) != (path is None):
        raise ValueError('say what to maximize: classes, or path and channels')
    if steps < 1 or learning_rate <= 0 or min(l2, blur, jitter) < 0 or not 0 <= zoom < 1:
        raise ValueError(
            f'steps are at least 1, learning_rate above 0, l2, blur and jitter not below 0, zoom '
            f'in [0, 1); got {steps}, {learning_rate}, {l2}, {blur}, {jitter}, {zoom}'
        )
    numbers = list(given)
    size = net.image_spec.shape[1:] if shape is None else shape
    like = jax.ShapeDtypeStruct((len(numbers), *size), jnp.float32)
    if path is None:
        known = jax.eval_shape(net.model.apply, net.variables, like).shape[-1]
        if wrong := [c for c in numbers if not 0 <= c < known]:
            raise ValueError(
                f'{type(net.model).__name__} has the classes 0 to {known - 1}; got {wrong[0]}'
            )
    else:
        output = layers.known(net, like, path)
        for number in numbers:
            layers.channel(output, path, number)
    to_network = inputs.from_pictures(net)
    form = Parametrization(like.shape, fourier, decorrelated)
    parameters, wanted = form.initial(seed), jnp.asarray(numbers)
    state, scores = optax.adam(learning_rate).init(parameters), []
    for step in progress.track(range(steps), 'maximize'):
        parameters, state, score = _step(
            net.model,
            net.variables,
            parameters,
            state,
            jax.random.fold_in(jax.random.key(seed), step),
            wanted,
            learning_rate,
            l2,
            blur if blur and step % 4 == 3 else None,
            form,
            to_network,
            path,
            jitter,
            zoom,
        )
        scores.append(np.asarray(score))
    pictures = form.pictures(parameters)
    probability = None
    if path is None:
        shares = jax.nn.softmax(net.logits(to_network(pictures)))
        probability = np.asarray(jnp.take_along_axis(shares, wanted[:, None], 1)[:, 0])
    return Maximized(np.asarray(pictures), np.stack(scores), probability)


@functools.partial(jax.jit, static_argnums=(0, 9, 11, 12, 13), donate_argnums=(2, 3))
def _step(
    model,
    variables,
    parameters,
    state,
    key,
    wanted,
    learning_rate,
    l2,
    blur,
    form,
    to_network,
    path,
    jitter,
    zoom,
):
    ruled: Any = backward.Ruled(model, backward.redirected)

    def loss(parameters):
        x = to_network(moved(form.pictures(parameters), key, jitter, zoom))
        keep = [] if path is None else [path]
        logits, kept = capture.apply(ruled, variables, x, keep=keep)
        if path is None:
            values = logits
        else:
            layer = activations.full_precision(kept[path])
            values = layer.reshape(len(x), -1, layer.shape[-1]).mean(1)
        score = jnp.take_along_axis(values, wanted[:, None], 1)[:, 0]
        penalty = l2 * jnp.square(activations.full_precision(x)).mean((1, 2, 3))
        return (penalty - score).sum(), score

    (_, score), grads = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, state = optax.adam(learning_rate).update(grads, state)
    parameters = optax.apply_updates(parameters, updates)
    return parameters if blur is None else form.blurred(parameters, blur), state, score


def moved(pictures: jax.Array, key: jax.Array, jitter: int, zoom: float) -> jax.Array:
    """Rolls and zooms pictures at random, all by the same amount.

    Args:
      pictures: (n, h, w, c) in [0, 1].
      key: of the random numbers.
      jitter: the largest roll, in pixels.
      zoom: the largest change of size about the middle, as a fraction; gray comes in from outside.
    """
    roll, size = jax.random.split(key)
    if jitter:
        pictures = jnp.roll(pictures, jax.random.randint(roll, (2,), -jitter, jitter + 1), (1, 2))
    if zoom:
        factor = jax.random.uniform(size, (), minval=1 - zoom, maxval=1 + zoom)
        middle = jnp.asarray(pictures.shape[1:3]) * (1 - factor) / 2
        both = jnp.stack([factor, factor])
        pictures = 0.5 + jax.image.scale_and_translate(
            pictures - 0.5, pictures.shape, (1, 2), both, middle, 'linear'
        )
    return pictures

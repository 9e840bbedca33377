"""Feature inversion: a picture whose features at a layer are those of another."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier
from cnnlab.report import progress
from cnnlab.visual import activations, inputs
from cnnlab.visual.parametrize import Parametrization


class Inverted(NamedTuple):
    """Pictures, and how near their features came.

    Attributes:
      pictures: float32 (n, height, width, channels) in [0, 1].
      distances: (steps, n), |F(x) - F0|^2 / |F0|^2 before each step.
    """

    pictures: np.ndarray
    distances: np.ndarray


def invert(
    net: Classifier,
    images: Array,
    path: str,
    *,
    steps: int = 256,
    learning_rate: float = 0.05,
    variation: float = 0.1,
    fourier: bool = True,
    decorrelated: bool = True,
    seed: int = 0,
) -> Inverted:
    """Returns pictures with the features of `images` at a layer, found by Adam from noise.

    Args:
      net: the network, with its preprocessing.
      images: (n, height, width, channels), as the network takes them.
      path: the layer.
      steps, learning_rate: of Adam.
      variation: weight of the total variation, the mean squared difference of neighboring pixels.
      fourier, decorrelated: see `parametrize.Parametrization`.
      seed: of the noise.

    Raises:
      ValueError: no such layer, settings below 0, or the network has no preprocessing.

    Reference:
      Mahendran & Vedaldi 2014, arXiv:1412.0035.
    """
    if steps < 1 or learning_rate <= 0 or variation < 0:
        raise ValueError(
            f'steps are at least 1, learning_rate above 0, variation not below 0; got {steps}, '
            f'{learning_rate}, {variation}'
        )
    to_network = inputs.from_pictures(net)
    wanted = activations.full_precision(activations.of_layer(net, images, path))
    form = Parametrization(images.shape, fourier, decorrelated)
    parameters = form.initial(seed)
    state, distances = optax.adam(learning_rate).init(parameters), []
    for _ in progress.track(range(steps), f'invert {path}'):
        parameters, state, distance = _step(
            net.model,
            net.variables,
            parameters,
            state,
            wanted,
            learning_rate,
            variation,
            form,
            to_network,
            path,
        )
        distances.append(np.asarray(distance))
    return Inverted(np.asarray(form.pictures(parameters)), np.stack(distances))


@functools.partial(jax.jit, static_argnums=(0, 7, 9), donate_argnums=(2, 3))
def _step(
    model,
    variables,
    parameters,
    state,
    wanted,
    learning_rate,
    variation,
    form,
    to_network,
    path,
):
    def loss(parameters):
        pictures = form.pictures(parameters)
        images = to_network(pictures)
        layer = capture.apply(model, variables, images, keep=[path]).activations[path]
        features = activations.full_precision(layer)
        axes = tuple(range(1, features.ndim))
        distance = jnp.square(features - wanted).sum(axes) / jnp.square(wanted).sum(axes)
        return (distance + variation * total_variation(pictures)).sum(), distance

    (_, distance), grads = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, state = optax.adam(learning_rate).update(grads, state)
    return optax.apply_updates(parameters, updates), state, distance


def total_variation(pictures: Array) -> jax.Array:
    """Returns the mean squared difference of neighboring pixels down and to the right: (n, h, w, c)
    -> (n,).
    """
    down, right = (jnp.square(jnp.diff(pictures, axis=axis)).mean((1, 2, 3)) for axis in (1, 2))
    return down + right

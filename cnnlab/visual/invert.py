"""Feature inversion: a picture whose features at a layer are those of another.

Mahendran & Vedaldi 2014, arXiv:1412.0035.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import activations, batches, target
from cnnlab.visual.parametrize import Parametrization
from cnnlab.visual.pixels import UNIT, Pixels


class Inverted(NamedTuple):
    """Pictures, float32 (n, height, width, channels) in [0, 1], and (steps, n) |F(x) - F0|^2 /
    |F0|^2 before each step.
    """

    pictures: np.ndarray
    distances: np.ndarray


def invert(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    path: str,
    *,
    pixels: Pixels = UNIT,
    steps: int = 256,
    rate: float = 0.05,
    variation: float = 0.1,
    fourier: bool = True,
    decorrelated: bool = True,
    seed: int = 0,
) -> Inverted:
    """Pictures with the features of `images` at a layer, found by Adam from noise.

    Args:
      model, variables: the network.
      images: (n, height, width, channels), in the network's values.
      path: the layer.
      pixels: from pictures to the network's values.
      steps, rate: of Adam.
      variation: weight of the total variation, the mean squared difference of neighboring pixels.
      fourier, decorrelated: see `parametrize`.
      seed: of the noise.

    Raises:
      ValueError: no such layer; settings below 0.
    """
    if steps < 1 or rate <= 0 or variation < 0:
        raise ValueError(
            f'steps are at least 1, rate above 0, variation not below 0; got {steps}, {rate}, '
            f'{variation}'
        )
    wanted = activations.full(activations.of_layer(model, variables, target.checked(images), path))
    form = Parametrization(images.shape, fourier, decorrelated)
    parameters = form.initial(seed)
    state, distances = optax.adam(rate).init(parameters), []
    for _ in batches.watched(range(steps), f'invert {path}'):
        parameters, state, distance = _step(
            model, variables, parameters, state, wanted, rate, variation, form, pixels, path
        )
        distances.append(np.asarray(distance))
    return Inverted(np.asarray(form.pictures(parameters)), np.stack(distances))


@functools.partial(jax.jit, static_argnums=(0, 7, 9), donate_argnums=(2, 3))
def _step(model, variables, parameters, state, wanted, rate, variation, form, pixels, path):
    def loss(parameters):
        pictures = form.pictures(parameters)
        features = activations.full(
            capture.apply(model, variables, pixels.to_network(pictures), keep=[path]).activations[
                path
            ]
        )
        axes = tuple(range(1, features.ndim))
        distance = jnp.square(features - wanted).sum(axes) / jnp.square(wanted).sum(axes)
        return (distance + variation * total_variation(pictures)).sum(), distance

    (_, distance), found = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, state = optax.adam(rate).update(found, state)
    return optax.apply_updates(parameters, updates), state, distance


def total_variation(pictures: jax.Array) -> jax.Array:
    """The mean squared difference of neighboring pixels down and to the right: (n, h, w, c) ->
    (n,).
    """
    down, right = (jnp.square(jnp.diff(pictures, axis=axis)).mean((1, 2, 3)) for axis in (1, 2))
    return down + right

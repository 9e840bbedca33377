"""The image that maximizes a class score or a unit, by gradient ascent: Simonyan et al. 2013,
arXiv:1312.6034, with later regularizers.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import activations, backward, batches, layers
from cnnlab.visual.parametrize import Parametrization
from cnnlab.visual.pixels import UNIT, Pixels


class Maximized(NamedTuple):
    """Pictures that were made, and the way there.

    Attributes:
      pictures: float32 (n, height, width, channels) in [0, 1].
      scores: (steps, n), what was maximized, before each step.
      probability: (n,), of each picture's class in the end; None for units.
    """

    pictures: np.ndarray
    scores: np.ndarray
    probability: np.ndarray | None


def maximize(
    model: nn.Module,
    variables: Mapping[str, Any],
    shape: tuple[int, int, int],
    *,
    classes: Sequence[int] | None = None,
    path: str | None = None,
    channels: Sequence[int] | None = None,
    pixels: Pixels = UNIT,
    steps: int = 256,
    rate: float = 0.05,
    decay: float = 0.0,
    blur: float = 0.0,
    jitter: int = 0,
    zoom: float = 0.0,
    fourier: bool = True,
    decorrelated: bool = True,
    seed: int = 0,
) -> Maximized:
    """One picture for each class (its logit), or for each feature map or unit of a layer (its mean
    over positions), by Adam.

    A unit that is asleep everywhere in the first, nearly gray picture is woken through its ReLU,
    see `backward.redirected`.

    Args:
      model, variables: the network.
      shape: (height, width, channels) of a picture.
      classes: what to maximize; or
      path, channels: feature maps of a layer instead.
      pixels: from pictures to the network's values.
      steps, rate: of Adam, on the parameters.
      decay: L2: weight of the mean squared network value in the loss, Simonyan's regularizer.
      blur: standard deviation in pixels of a Gaussian that blurs the picture after every fourth
        step (Yosinski et al. 2015, arXiv:1506.06579; how often is assumed).
      jitter: the picture is rolled by up to so many pixels, another roll each step.
      zoom: the picture is enlarged or made smaller by up to this part, another one each step.
      fourier, decorrelated: see `parametrize`.
      seed: of the first picture and the rolls.

    Raises:
      ValueError: neither or both of classes and channels, a class or feature map that the network
        has not, an unknown layer, settings below 0.
    """
    given = classes if channels is None else channels
    both = classes is not None and channels is not None
    if given is None or both or (channels is None) != (path is None):
        raise ValueError('say what to maximize: classes, or path and channels')
    if steps < 1 or rate <= 0 or min(decay, blur, jitter) < 0 or not 0 <= zoom < 1:
        raise ValueError(
            f'steps are at least 1, rate above 0, decay, blur and jitter not below 0, zoom in [0, '
            f'1); '
            f'got {steps}, {rate}, {decay}, {blur}, {jitter}, {zoom}'
        )
    wanted = list(given)
    like = jax.ShapeDtypeStruct((len(wanted), *shape), jnp.float32)
    if path is None:
        known = jax.eval_shape(model.apply, variables, like).shape[-1]
        if wrong := [c for c in wanted if not 0 <= c < known]:
            raise ValueError(
                f'{type(model).__name__} has the classes 0 to {known - 1}; got {wrong[0]}'
            )
    else:
        out = layers.known(model, variables, like, path)
        for number in wanted:
            layers.channel(out, path, number)
    form = Parametrization(like.shape, fourier, decorrelated)
    parameters, numbers = form.initial(seed), jnp.asarray(wanted)
    state, scores = optax.adam(rate).init(parameters), []
    for step in batches.watched(range(steps), 'maximize'):
        parameters, state, score = _step(
            model,
            variables,
            parameters,
            state,
            jax.random.fold_in(jax.random.key(seed), step),
            numbers,
            rate,
            decay,
            blur if blur and step % 4 == 3 else None,
            form,
            pixels,
            path,
            jitter,
            zoom,
        )
        scores.append(np.asarray(score))
    pictures = form.pictures(parameters)
    probability = None
    if path is None:
        logits = jax.jit(model.apply)(variables, pixels.to_network(pictures))
        probability = np.asarray(
            jnp.take_along_axis(jax.nn.softmax(logits), numbers[:, None], 1)[:, 0]
        )
    return Maximized(np.asarray(pictures), np.stack(scores), probability)


@functools.partial(jax.jit, static_argnums=(0, 9, 11, 12, 13), donate_argnums=(2, 3))
def _step(
    model,
    variables,
    parameters,
    state,
    key,
    numbers,
    rate,
    decay,
    blur,
    form,
    pixels,
    path,
    jitter,
    zoom,
):
    def loss(parameters):
        x = pixels.to_network(moved(form.pictures(parameters), key, jitter, zoom))
        ruled: Any = backward.Ruled(model, backward.redirected)
        logits, kept = capture.apply(
            ruled,
            variables,
            x,
            keep=[] if path is None else [path],
        )
        values = (
            logits
            if path is None
            else activations.full(kept[path]).reshape(len(x), -1, kept[path].shape[-1]).mean(1)
        )
        score = jnp.take_along_axis(values, numbers[:, None], 1)[:, 0]
        return (decay * jnp.square(activations.full(x)).mean((1, 2, 3)) - score).sum(), score

    (_, score), found = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, state = optax.adam(rate).update(found, state)
    parameters = optax.apply_updates(parameters, updates)
    return parameters if blur is None else form.blurred(parameters, blur), state, score


def moved(pictures: jax.Array, key: jax.Array, jitter: int, zoom: float) -> jax.Array:
    """The pictures (n, h, w, c) rolled by up to `jitter` pixels and zoomed about the middle by up
    to `zoom`; gray comes in from outside.
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

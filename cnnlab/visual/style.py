"""Neural style transfer: the content of one picture in the style of another.

Gatys, Ecker & Bethge 2015, arXiv:1508.06576; CVPR 2016.
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
from cnnlab.visual import activations, batches, layers
from cnnlab.visual.invert import total_variation
from cnnlab.visual.pixels import UNIT, Pixels


class Styled(NamedTuple):
    """The picture, float32 (height, width, channels) in [0, 1], and (steps,) losses of content and
    style before each step.
    """

    picture: np.ndarray
    content: np.ndarray
    style: np.ndarray


def style_transfer(
    model: nn.Module,
    variables: Mapping[str, Any],
    content: jax.Array,
    style: jax.Array,
    *,
    content_path: str,
    style_paths: Sequence[str],
    pixels: Pixels = UNIT,
    style_weight: float = 1e3,
    variation: float = 0.1,
    steps: int = 200,
    rate: float = 0.02,
) -> Styled:
    """A picture with the features of `content` at one layer and the Gram matrices of `style` at
    several.

    Each loss is relative, |F - F0|^2 / |F0|^2, so that weights mean the same for every network;
    styles are averaged over the layers. The papers start from noise and use L-BFGS; this starts
    from the content and uses Adam (assumed).

    Args:
      model, variables: the network.
      content, style: pictures (height, width, channels) in [0, 1]; their sizes may differ where the
        network takes both.
      content_path, style_paths: layers with rows and columns.
      pixels: from pictures to the network's values.
      style_weight, variation: weights of the style and of the total variation against the content.
      steps, rate: of Adam on the pixels.

    Raises:
      ValueError: an unknown layer, or one without spatial extent; settings below 0.
    """
    if steps < 1 or rate <= 0 or min(style_weight, variation) < 0 or not style_paths:
        raise ValueError(
            f'style transfer needs a style layer, steps of at least 1, rate above 0, weights not '
            f'below 0; '
            f'got {list(style_paths)}, {steps}, {rate}, {style_weight}, {variation}'
        )
    content, style = (jnp.asarray(p, jnp.float32)[None] for p in (content, style))
    paths = tuple(style_paths)
    for path in (content_path, *paths):
        layers.spatial(model, variables, content, path)
    wanted = _of(model, variables, content, pixels, (content_path,))[content_path]
    grams = {p: gram(f) for p, f in _of(model, variables, style, pixels, paths).items()}
    picture, state, losses = content, optax.adam(rate).init(content), []
    for _ in batches.watched(range(steps), 'style transfer'):
        picture, state, parts = _step(
            model,
            variables,
            picture,
            state,
            wanted,
            grams,
            style_weight,
            variation,
            rate,
            pixels,
            content_path,
        )
        losses.append(parts)
    found = np.asarray(losses)
    return Styled(np.asarray(picture)[0], found[:, 0], found[:, 1])


def gram(features: jax.Array) -> jax.Array:
    """Correlations of the feature maps, averaged over positions: (n, h, w, c) -> (n, c, c)."""
    return jnp.einsum('nhwc,nhwd->ncd', features, features) / (
        features.shape[1] * features.shape[2]
    )


def _features(model, variables, pictures, pixels, paths):
    found = capture.apply(model, variables, pixels.to_network(pictures), keep=paths).activations
    return {path: activations.full(f) for path, f in found.items()}


_of = functools.partial(jax.jit, static_argnums=(0, 4))(_features)


@functools.partial(jax.jit, static_argnums=(0, 10))
def _step(
    model,
    variables,
    picture,
    state,
    wanted,
    grams,
    style_weight,
    variation,
    rate,
    pixels,
    content_path,
):
    def loss(picture):
        found = _features(model, variables, picture, pixels, {content_path, *grams})
        content = _relative(found[content_path], wanted)
        style = sum(_relative(gram(found[path]), g) for path, g in grams.items()) / len(grams)
        return content + style_weight * style + variation * total_variation(
            picture
        ).sum(), jnp.stack([content, style])

    (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(picture)
    updates, state = optax.adam(rate).update(gradient, state)
    return jnp.clip(optax.apply_updates(picture, updates), 0, 1), state, parts


def _relative(found, wanted):
    return jnp.square(found - wanted).sum() / jnp.square(wanted).sum()

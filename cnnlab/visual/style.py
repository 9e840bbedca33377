"""Neural style transfer: the content of one picture in the style of another."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier
from cnnlab.report import progress
from cnnlab.visual import activations, inputs, layers
from cnnlab.visual.invert import total_variation


class Styled(NamedTuple):
    """A picture, and how near it came to its content and its style.

    Attributes:
      picture: float32 (height, width, channels) in [0, 1].
      content, style: (steps,), the two losses before each step.
    """

    picture: np.ndarray
    content: np.ndarray
    style: np.ndarray


def style_transfer(
    net: Classifier,
    content: Array,
    style: Array,
    *,
    content_path: str,
    style_paths: Sequence[str],
    style_weight: float = 1e3,
    variation: float = 0.1,
    steps: int = 200,
    learning_rate: float = 0.02,
) -> Styled:
    """Returns a picture with the features of `content` at one layer and the Gram matrices of
    `style` at several.

    Each loss is relative, |F - F0|^2 / |F0|^2, so that weights mean the same for every network;
    styles are averaged over the layers. The papers start from noise and use L-BFGS; this starts
    from the content and uses Adam (assumed).

    Args:
      net: the network, with its preprocessing.
      content, style: pictures (height, width, channels) in [0, 1]; their sizes may differ where the
        network takes both.
      content_path, style_paths: layers with rows and columns.
      style_weight, variation: weights of the style and of the total variation, against 1 for the
        content.
      steps, learning_rate: of Adam, on the pixels.

    Raises:
      ValueError: an unknown layer, or one without rows and columns; settings below 0; the network
        has no preprocessing.

    Reference:
      Gatys, Ecker & Bethge 2015, arXiv:1508.06576, and CVPR 2016.
    """
    if steps < 1 or learning_rate <= 0 or min(style_weight, variation) < 0 or not style_paths:
        raise ValueError(
            f'style transfer needs a style layer, steps of at least 1, learning_rate above 0, '
            f'weights not below 0; got {list(style_paths)}, {steps}, {learning_rate}, '
            f'{style_weight}, {variation}'
        )
    to_network = inputs.from_pictures(net)
    content, style = (jnp.asarray(p, jnp.float32)[None] for p in (content, style))
    paths = tuple(style_paths)
    for path in (content_path, *paths):
        layers.spatial(net, content, path)
    of_content = _features(net.model, net.variables, content, to_network, (content_path,))
    of_style = _features(net.model, net.variables, style, to_network, paths)
    grams = {path: gram(features) for path, features in of_style.items()}
    picture, state, losses = content, optax.adam(learning_rate).init(content), []
    for _ in progress.track(range(steps), 'style transfer'):
        picture, state, parts = _step(
            net.model,
            net.variables,
            picture,
            state,
            of_content[content_path],
            grams,
            style_weight,
            variation,
            learning_rate,
            to_network,
            content_path,
        )
        losses.append(parts)
    content_losses, style_losses = np.asarray(losses).T
    return Styled(np.asarray(picture)[0], content_losses, style_losses)


def gram(features: Array) -> jax.Array:
    """Returns the correlations of feature maps, averaged over positions: (n, h, w, c) -> (n, c, c).

    Reference:
      Gatys, Ecker & Bethge 2015, arXiv:1508.06576, equation 3.
    """
    return jnp.einsum('nhwc,nhwd->ncd', features, features) / (
        features.shape[1] * features.shape[2]
    )


def _features_of(model, variables, pictures, to_network, paths):
    images = to_network(pictures)
    layers_kept = capture.apply(model, variables, images, keep=paths).activations
    return {path: activations.full_precision(f) for path, f in layers_kept.items()}


_features = jax.jit(_features_of, static_argnums=(0, 4))


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
    learning_rate,
    to_network,
    content_path,
):
    def loss(picture):
        features = _features_of(model, variables, picture, to_network, {content_path, *grams})
        content = _relative(features[content_path], wanted)
        style = sum(_relative(gram(features[path]), g) for path, g in grams.items()) / len(grams)
        smoothness = total_variation(picture).sum()
        total = content + style_weight * style + variation * smoothness
        return total, jnp.stack([content, style])

    (_, parts), grads = jax.value_and_grad(loss, has_aux=True)(picture)
    updates, state = optax.adam(learning_rate).update(grads, state)
    return jnp.clip(optax.apply_updates(picture, updates), 0, 1), state, parts


def _relative(features, wanted):
    return jnp.square(features - wanted).sum() / jnp.square(wanted).sum()

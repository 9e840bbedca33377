"""DeepDream: what a layer sees is made stronger, at several sizes.

Mordvintsev, Olah & Tyka 2015, github.com/google/deepdream.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import activations, batches, layers
from cnnlab.visual.pixels import UNIT, Pixels


def deep_dream(
    model: nn.Module,
    variables: Mapping[str, Any],
    pictures: jax.Array,
    path: str,
    *,
    pixels: Pixels = UNIT,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    rate: float = 0.006,
    jitter: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """Pictures, float32 (n, height, width, channels) in [0, 1], in which the layer's activations
    have been made larger.

    As in the notebook of the source: from the smallest octave to the largest, each with `steps`
    steps along the gradient of half the sum of squared activations, divided by its mean magnitude;
    what an octave has added is enlarged and added to the next.

    Args:
      model, variables: the network; it must take pictures of every octave's size, or octaves must
        be 1.
      pictures: (n, height, width, channels) in [0, 1].
      path: the layer.
      pixels: from pictures to the network's values.
      octaves, scale: how many sizes, and the factor from one to the next.
      steps, rate: in each octave; the source's 1.5 of 255 is 0.006.
      jitter: the picture is rolled by up to so many pixels each step.
      seed: of the rolls.

    Raises:
      ValueError: no such layer, settings out of range, or the network takes no picture of an
        octave's size (it says why).
    """
    if min(octaves, steps) < 1 or scale <= 1 or rate <= 0 or jitter < 0:
        raise ValueError(
            f'octaves and steps are at least 1, scale above 1, rate above 0, jitter not below 0; '
            f'got {octaves}, {steps}, {scale}, {rate}, {jitter}'
        )
    original = jnp.asarray(pictures, jnp.float32)
    layers.known(model, variables, original, path)
    n, height, width, channels = original.shape
    sizes = [(round(height / scale**k), round(width / scale**k)) for k in reversed(range(octaves))]
    work = [(size, step) for size in sizes for step in range(steps)]
    added = jnp.zeros((n, *sizes[0], channels))
    for number, (size, _) in enumerate(batches.watched(work, 'DeepDream')):
        base = jax.image.resize(original, (n, *size, channels), 'bilinear')
        if added.shape[1:3] != size:
            added = jax.image.resize(added, base.shape, 'bilinear')
        key = jax.random.fold_in(jax.random.key(seed), number)
        added = _step(model, variables, base, added, key, rate, pixels, path, jitter)
    return np.asarray(jnp.clip(original + added, 0, 1))


@functools.partial(jax.jit, static_argnums=(0, 7, 8))
def _step(model, variables, base, added, key, rate, pixels, path, jitter):
    roll = jax.random.randint(key, (2,), -jitter, jitter + 1)

    def excitement(pictures):
        x = pixels.to_network(jnp.roll(pictures, roll, (1, 2)))
        return (
            jnp.square(
                activations.full(capture.apply(model, variables, x, keep=[path]).activations[path])
            ).sum()
            / 2
        )

    found = jax.grad(excitement)(base + added)
    found = found / (jnp.abs(found).mean((1, 2, 3), keepdims=True) + 1e-12)
    return jnp.clip(base + added + rate * found, 0, 1) - base

"""DeepDream: what a layer sees in a picture is made stronger, at several sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier
from cnnlab.report import progress
from cnnlab.visual import activations, inputs, layers


def deep_dream(
    net: Classifier,
    pictures: Array,
    path: str,
    *,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    step_size: float = 0.006,
    jitter: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """Returns pictures in which the activations of a layer have been made larger.

    As in the source's notebook: from the smallest octave to the largest, each with `steps` steps
    along the gradient of half the sum of squared activations, divided by its mean magnitude. What
    an octave has added is enlarged and added to the next.

    Args:
      net: the network, with its preprocessing. It must take pictures of every octave's size; else
        `octaves` must be 1.
      pictures: (n, height, width, channels) in [0, 1].
      path: the layer.
      octaves, scale: number of sizes, and the factor from one to the next.
      steps, step_size: in each octave; the source's step of 1.5 gray levels of 255 is 0.006.
      jitter: the picture is rolled by up to this many pixels at each step.
      seed: of the rolls.

    Returns:
      float32 (n, height, width, channels) in [0, 1].

    Raises:
      ValueError: no such layer, settings out of range, the network has no preprocessing, or it
        takes no picture of an octave's size (it says why).

    Reference:
      Mordvintsev, Olah & Tyka 2015, github.com/google/deepdream.
    """
    if min(octaves, steps) < 1 or scale <= 1 or step_size <= 0 or jitter < 0:
        raise ValueError(
            f'octaves and steps are at least 1, scale above 1, step_size above 0, jitter not '
            f'below 0; got {octaves}, {steps}, {scale}, {step_size}, {jitter}'
        )
    to_network = inputs.from_pictures(net)
    original = jnp.asarray(pictures, jnp.float32)
    layers.known(net, original, path)
    n, height, width, channels = original.shape
    sizes = [(round(height / scale**k), round(width / scale**k)) for k in reversed(range(octaves))]
    work = [size for size in sizes for _ in range(steps)]
    added = jnp.zeros((n, *sizes[0], channels))
    for step, size in enumerate(progress.track(work, 'DeepDream')):
        base = jax.image.resize(original, (n, *size, channels), 'bilinear')
        if added.shape[1:3] != size:
            added = jax.image.resize(added, base.shape, 'bilinear')
        key = jax.random.fold_in(jax.random.key(seed), step)
        added = _step(
            net.model, net.variables, base, added, key, step_size, to_network, path, jitter
        )
    return np.asarray(jnp.clip(original + added, 0, 1))


@functools.partial(jax.jit, static_argnums=(0, 7, 8))
def _step(model, variables, base, added, key, step_size, to_network, path, jitter):
    roll = jax.random.randint(key, (2,), -jitter, jitter + 1)

    def excitement(pictures):
        x = to_network(jnp.roll(pictures, roll, (1, 2)))
        layer = capture.apply(model, variables, x, keep=[path]).activations[path]
        return jnp.square(activations.full_precision(layer)).sum() / 2

    grads = jax.grad(excitement)(base + added)
    # a gradient of 0 stays 0
    grads = grads / (jnp.abs(grads).mean((1, 2, 3), keepdims=True) + 1e-12)
    return jnp.clip(base + added + step_size * grads, 0, 1) - base

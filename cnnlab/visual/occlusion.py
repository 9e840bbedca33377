"""Occlusion: a gray square moves over the image, and the network's answer is recorded.

Zeiler & Fergus 2013, arXiv:1311.2901, Figure 7.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.analysis import capture
from cnnlab.visual import batches, layers, target


class Occluded(NamedTuple):
    """The answer for each place of the square; entry (i, j) is for the square whose first pixel is
    (top[i], left[j]).

    Attributes:
      probability: (n, rows, columns), of the class that is explained: Figure 7 (d).
      score: (n, rows, columns), its logit.
      most_likely: (n, rows, columns) int32, the class that the network finds: Figure 7 (e).
      feature: (n, rows, columns), the sum of one feature map: Figure 7 (b); None where no layer was
        named.
      channel: (n,), which map that is: of all at the layer, the one with the largest sum in the
        whole image.
      whole: (n,), the logit of the whole image.
      top, left: first row and first column of the squares.
      window: their side.
    """

    probability: np.ndarray
    score: np.ndarray
    most_likely: np.ndarray
    feature: np.ndarray | None
    channel: np.ndarray | None
    whole: np.ndarray
    top: np.ndarray
    left: np.ndarray
    window: int


def occlusion(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
    *,
    window: int = 32,
    stride: int = 8,
    value: float = 0.0,
    path: str | None = None,
    batch: int = 64,
) -> Occluded:
    """The network's answers while a square of side `window` covers the image, at every `stride`
    pixels.

    Where stride does not divide the image the last square is cut off at the border, so that every
    pixel is covered.

    Args:
      model, variables, images, cls: as of `gradients.gradient`.
      window, stride: pixels.
      value: of the square, in the network's units; 0 is the gray of the mean color.
      path: the layer whose strongest feature map is recorded, the paper's (b).
      batch: covered images at a time.

    Raises:
      ValueError: see `target.classes`; a window that is larger than the image, sizes below 1, a
        layer without spatial extent.
    """
    height, width = target.checked(images).shape[1:3]
    if min(window, stride, batch) < 1 or window > min(height, width):
        raise ValueError(
            f'an occluding square is of 1 to {min(height, width)} pixels here, stride and batch '
            f'of at least 1; '
            f'got window {window}, stride {stride}, batch {batch}'
        )
    found = target.classes(model, variables, images, cls)
    if path is not None:
        layers.spatial(model, variables, images, path)
    top, left = (np.arange(-(-(n - window) // stride) + 1) * stride for n in (height, width))
    places = np.stack(np.meshgrid(np.arange(len(images)), top, left, indexing='ij'), -1).reshape(
        -1, 3
    )
    images = jnp.asarray(images)
    whole, channel = _whole(model, variables, images, path, found)

    def of(indices):
        at = places[indices]
        return _covered(model, variables, images, path, found, channel, at, window, value)

    parts = batches.gathered(of, len(places), batch, 'occlusion')

    def grid(part):
        return part.reshape(len(images), len(top), len(left))

    probability, score, most_likely, feature = parts
    return Occluded(
        grid(probability),
        grid(score),
        grid(most_likely),
        None if feature is None else grid(feature),
        None if channel is None else np.asarray(channel),
        np.asarray(whole),
        top,
        left,
        window,
    )


def attribution(occluded: Occluded, size: tuple[int, int]) -> np.ndarray:
    """What each pixel is worth: the mean fall of the score over all squares that cover it, (n,
    *size).
    """
    total = np.zeros((len(occluded.whole), *size), occluded.score.dtype)
    count = np.zeros(size)
    fall = occluded.whole[:, None, None] - occluded.score
    for i, top in enumerate(occluded.top):
        for j, left in enumerate(occluded.left):
            part = np.s_[top : top + occluded.window, left : left + occluded.window]
            total[:, *part] += fall[:, i, j, None, None]
            count[part] += 1
    return total / np.maximum(count, 1).astype(total.dtype)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _whole(model, variables, images, path, classes):
    logits, kept = capture.apply(model, variables, images, keep=[] if path is None else [path])
    channel = None if path is None else kept[path].astype(jnp.float32).sum((1, 2)).argmax(-1)
    return target.score(logits, classes), channel


@functools.partial(jax.jit, static_argnums=(0, 3, 7))
def _covered(model, variables, images, path, classes, channel, places, window, value):
    of_image, top, left = places[:, 0], places[:, 1], places[:, 2]
    height, width = images.shape[1:3]
    rows, columns = jnp.arange(height)[None, :], jnp.arange(width)[None, :]
    hidden = ((rows >= top[:, None]) & (rows < top[:, None] + window))[:, :, None] & (
        (columns >= left[:, None]) & (columns < left[:, None] + window)
    )[:, None, :]
    x = jnp.where(hidden[..., None], jnp.asarray(value, images.dtype), images[of_image])
    logits, kept = capture.apply(model, variables, x, keep=[] if path is None else [path])
    scores = target.score(logits, classes[of_image])
    probability = jnp.exp(scores - jax.nn.logsumexp(logits, -1))
    feature = None
    if path is not None:
        sums = kept[path].astype(target.result_dtype(images)).sum((1, 2))
        feature = target.score(sums, channel[of_image])
    return probability, scores, logits.argmax(-1).astype(jnp.int32), feature

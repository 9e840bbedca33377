"""Occlusion: a gray square moves over the image, and the network's answers are recorded."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.analysis import capture
from cnnlab.classifier import Array, Classifier, image_batch
from cnnlab.visual import batches, class_scores, layers


class Occluded(NamedTuple):
    """The answers by the place of the square; entry (i, j) has its first pixel at (top[i],
    left[j]).

    Attributes:
      probability: (n, rows, columns), of the class that is explained: Figure 7 (d) of the paper.
      score: (n, rows, columns), its logit.
      most_likely: (n, rows, columns) int32, the most likely class: Figure 7 (e).
      feature: (n, rows, columns), the sum of one feature map: Figure 7 (b); None where no layer was
        named.
      channel: (n,), the number of that map: of all at the layer, the one with the largest sum in
        the whole image.
      whole: (n,), the logit of the class for the whole image.
      top, left: first row and first column of the squares, in pixels.
      window: their side in pixels.
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
    net: Classifier,
    images: Array,
    classes: class_scores.Classes = None,
    *,
    window: int = 32,
    stride: int = 8,
    value: float = 0.0,
    path: str | None = None,
    batch: int = 64,
) -> Occluded:
    """Returns the network's answers while a square covers the image, at every `stride` pixels.

    Where the stride does not divide the image, the last square is cut off at the border, so that
    every pixel is covered.

    Args:
      net, images, classes: as of `gradients.gradient`.
      window, stride: side and step of the square, in pixels.
      value: of the square, in the network's units; 0 is the gray of the mean color.
      path: the layer whose strongest feature map is recorded, as in the paper's Figure 7 (b).
      batch: covered images at a time.

    Raises:
      ValueError: see `class_scores.resolve`; a window that is larger than the image, sizes below 1,
        a layer without rows and columns.

    Reference:
      Zeiler & Fergus 2013, arXiv:1311.2901, Figure 7.
    """
    height, width = image_batch(images).shape[1:3]
    if min(window, stride, batch) < 1 or window > min(height, width):
        raise ValueError(
            f'an occluding square is of 1 to {min(height, width)} pixels here, stride and batch '
            f'of at least 1; got window {window}, stride {stride}, batch {batch}'
        )
    classes = class_scores.resolve(net, images, classes)
    if path is not None:
        layers.spatial(net, images, path)
    top, left = (np.arange(-(-(n - window) // stride) + 1) * stride for n in (height, width))
    places = np.stack(np.meshgrid(np.arange(len(images)), top, left, indexing='ij'), -1).reshape(
        -1, 3
    )
    images = jnp.asarray(images)
    whole, channel = _whole(net.model, net.variables, images, path, classes)

    def at_places(indices):
        return _covered(
            net.model,
            net.variables,
            images,
            path,
            classes,
            channel,
            places[indices],
            window,
            value,
        )

    def grid(values):
        return values.reshape(len(images), len(top), len(left))

    answers = batches.gathered(at_places, len(places), batch, 'occlusion')
    probability, score, most_likely, feature = answers
    return Occluded(
        probability=grid(probability),
        score=grid(score),
        most_likely=grid(most_likely),
        feature=None if feature is None else grid(feature),
        channel=None if channel is None else np.asarray(channel),
        whole=np.asarray(whole),
        top=top,
        left=left,
        window=window,
    )


def attribution(occluded: Occluded, size: tuple[int, int]) -> np.ndarray:
    """Returns the mean fall of the score over all squares that cover a pixel.

    Args:
      occluded: what `occlusion` returned.
      size: (height, width) of the images.

    Returns:
      (n, height, width), of both signs: covering a pixel may raise the score.
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
    return class_scores.score(logits, classes), channel


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
    scores = class_scores.score(logits, classes[of_image])
    probability = jnp.exp(scores - jax.nn.logsumexp(logits, -1))
    feature = None
    if path is not None:
        sums = kept[path].astype(class_scores.result_dtype(images)).sum((1, 2))
        feature = class_scores.score(sums, channel[of_image])
    return probability, scores, logits.argmax(-1).astype(jnp.int32), feature

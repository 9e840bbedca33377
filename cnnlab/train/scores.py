"""Class probabilities of images by an evaluation protocol: every image exactly once, on any number
of devices and hosts.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.experimental import multihost_utils

from cnnlab.classifier import Classifier
from cnnlab.data.iter_images import iter_images
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.preprocessing.preprocess import Views
from cnnlab.data.sources.base import ImageSource
from cnnlab.train.distributed import sharding


def view_step(
    variables: Any, image: jax.Array, *, model: nn.Module, preprocess: Preprocess
) -> jax.Array:
    """Computes the scores of views that the protocol averages.

    Args:
      variables: of the model.
      image: uint8 (n, h, w, c).
      model: the network.
      preprocess: with the protocol.

    Returns:
      float32 (n, k): softmax or logits, as the protocol says.
    """
    logits: Any = model.apply(variables, preprocess.on_device(image), train=False)
    average = preprocess.protocol.average
    return (jax.nn.softmax(logits) if average == 'softmax' else logits).astype(jnp.float32)


def probabilities(
    net: Classifier,
    source: ImageSource,
    *,
    batch: int,
    devices: int | None = None,
    threads: int | None = None,
    advance: Callable[[int, str], None] = lambda index, name: None,
) -> np.ndarray:
    """Computes the class probabilities of each image of a source by the network's protocol.

    The protocol averages either the softmax over the views of an image, or the logits before the
    softmax. Views of one shape are batched, across images. With several hosts, each takes every
    `hosts`-th image, and all get the whole result, which does not depend on the batch size, devices
    or hosts except for rounding.

    Args:
      net: the network, with its preprocessing and protocol.
      source: the images.
      batch: views per step, over this host's devices.
      devices: use only the first `devices` devices of this host (default: all).
      threads: that read images (default: as `iter_images`).
      advance: called for each image of this host, with its index and file name.

    Returns:
      float32 (n, k).

    Raises:
      ValueError: the network has no preprocessing, an image cannot be read, or the devices do not
        divide the batch.
      RuntimeError: an image was not seen exactly once with all its views.
    """
    preprocess = net.stated_preprocess()
    protocol = preprocess.protocol
    mesh = sharding.local_mesh(devices)
    sharding.check_batch(batch, mesh)
    step = sharding.parallel_eval(
        functools.partial(view_step, model=net.model, preprocess=preprocess),
        mesh,
    )
    sums = _Sums(step, sharding.replicate(net.variables, mesh), mesh, batch, len(source))
    for index, views, _, name in iter_images(
        source, protocol.views, host=jax.process_index(), hosts=jax.process_count(), threads=threads
    ):
        for view in views:
            sums.add(index, view)
        advance(index, name)
    sums.init_if_empty(protocol, source)
    total, seen = sums.finish()
    if jax.process_count() > 1:
        total, seen = (multihost_utils.process_allgather(a).sum(0) for a in (total, seen))
    if (seen != protocol.count).any():
        wrong = np.flatnonzero(seen != protocol.count)
        raise RuntimeError(
            f'{len(wrong)} of {len(seen)} images were not seen exactly once, first image '
            f'{wrong[0]}: {seen[wrong[0]]} of its {protocol.count} views'
        )
    mean = total / protocol.count
    return np.asarray(jax.nn.softmax(mean), np.float32) if protocol.average == 'logits' else mean


class _Sums:
    """Sums the scores of the views of each image, in batches of one shape."""

    def __init__(
        self, step: Callable, variables: Any, mesh: jax.sharding.Mesh, batch: int, images: int
    ):
        self.step, self.variables, self.mesh, self.batch = step, variables, mesh, batch
        self.waiting: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
        # once a view was seen, float32 (n, k)
        self.total: Any = None
        self.seen = np.zeros(images, np.int64)

    def add(self, index: int, view: np.ndarray) -> None:
        rows = self.waiting.setdefault(view.shape, [])
        rows.append((index, view))
        if len(rows) == self.batch:
            self._run(self.waiting.pop(view.shape))

    def init_if_empty(self, protocol: Views, source: ImageSource) -> None:
        """Creates the sums on a host without images, which must know the number of classes to add
        its zeros to the sums of the others.
        """
        if not self.waiting and self.total is None:
            channels = source.image_shape[-1] if source.image_shape else 3
            self._run([(0, protocol.views(np.zeros((64, 64, channels), np.uint8))[0])], counted=0)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Runs the incomplete batches; returns (sums float32 (n, k), views counted int64 (n,))."""
        for rows in self.waiting.values():
            self._run(rows)
        self.waiting.clear()
        return self.total, self.seen

    def _run(self, rows, counted=None):
        images = np.zeros((self.batch, *rows[0][1].shape), np.uint8)
        for i, (_, view) in enumerate(rows):
            images[i] = view
        scores = jax.device_get(
            self.step(self.variables, sharding.shard_batch({'image': images}, self.mesh)['image'])
        )
        if self.total is None:
            self.total = np.zeros((len(self.seen), scores.shape[1]), np.float32)
        index = np.array([i for i, _ in rows[:counted]], np.int64)
        np.add.at(self.total, index, scores[: len(index)])
        np.add.at(self.seen, index, 1)

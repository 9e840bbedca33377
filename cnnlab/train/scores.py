"""The scores that a network gives to whole images by a protocol: every image exactly once, on any
number of devices and hosts.
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
    """uint8 (n, h, w, c) -> what the protocol averages, softmax or logits, float32 (n, k)."""
    found: Any = model.apply(variables, preprocess.on_device(image), train=False)
    average = preprocess.protocol.average
    return (jax.nn.softmax(found) if average == 'softmax' else found).astype(jnp.float32)


def probabilities(
    net: Classifier,
    source: ImageSource,
    *,
    batch: int,
    devices: int | None = None,
    threads: int | None = None,
    advance: Callable[[int, str], None] = lambda index, name: None,
) -> np.ndarray:
    """The probability of each class for each image of a source, float32 (n, k): the mean over its
    views of the softmax, or the softmax of the mean of the logits, as the protocol of its
    preprocessing has it.

    Views of one shape are collected, from however many images, until they make a batch; every host
    takes every `hosts`-th image on its own devices, and in the end all get all. The result does not
    depend on batch, devices or hosts but for rounding.

    Args:
      batch: views per step, over this host's devices.
      devices: use the first so many of this host's devices (default: all).
      advance: called for every image of this host, with its index and the name of its file.

    Raises:
      ValueError: the network has no preprocessing, an image cannot be read, or batch does not
        divide over the devices.
      RuntimeError: not every image was seen exactly once with all of its views.
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
    sums.learn(protocol, source)
    total, seen = sums.finish()
    if jax.process_count() > 1:
        total, seen = (multihost_utils.process_allgather(a).sum(0) for a in (total, seen))
    if (seen != protocol.count).any():
        wrong = np.flatnonzero(seen != protocol.count)
        raise RuntimeError(
            f'{len(wrong)} of {len(seen)} images were not seen exactly once, first image '
            f'{wrong[0]}: '
            f'{seen[wrong[0]]} of its {protocol.count} views'
        )
    mean = total / protocol.count
    return np.asarray(jax.nn.softmax(mean), np.float32) if protocol.average == 'logits' else mean


class _Sums:
    """Adds up what the step makes of views, batch by batch, one shape at a time."""

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

    def learn(self, protocol: Views, source: ImageSource) -> None:
        """On a host without images: how many classes there are, so that its zeros can be added to
        the sums of others.
        """
        if not self.waiting and self.total is None:
            channels = source.image_shape[-1] if source.image_shape else 3
            self._run([(0, protocol.views(np.zeros((64, 64, channels), np.uint8))[0])], counted=0)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """(sums float32 (n, k), views counted (n,)) after what is left."""
        for rows in self.waiting.values():
            self._run(rows)
        self.waiting.clear()
        return self.total, self.seen

    def _run(self, rows, counted=None):
        images = np.zeros((self.batch, *rows[0][1].shape), np.uint8)
        for i, (_, view) in enumerate(rows):
            images[i] = view
        found = jax.device_get(
            self.step(self.variables, sharding.shard_batch({'image': images}, self.mesh)['image'])
        )
        if self.total is None:
            self.total = np.zeros((len(self.seen), found.shape[1]), np.float32)
        index = np.array([i for i, _ in rows[:counted]], np.int64)
        np.add.at(self.total, index, found[: len(index)])
        np.add.at(self.seen, index, 1)

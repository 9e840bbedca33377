"""Iterates over single images, for evaluations that do not fit into batches of one shape.

One image may give several arrays, such as ten crops, or arrays of its own size.
"""

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cnnlab.data.decoding.encoded import pixels
from cnnlab.data.sources.base import ImageSource

_MOST_THREADS = 16


def iter_images(
    source: ImageSource,
    transform: Callable[[np.ndarray], Any],
    *,
    host: int = 0,
    hosts: int = 1,
    threads: int | None = None,
) -> Iterator[tuple[int, Any, int, str]]:
    """Iterates over the images of this host, each once and in order.

    Threads read and transform images ahead of the consumer.

    Args:
      source: the images.
      transform: called with the decoded image, uint8 (h, w, c).
      host, hosts: this host takes every `hosts`-th image, beginning with number `host`.
      threads: how many threads work ahead; default: one per core, at most 16.

    Yields:
      (index, result of `transform`, label, name of the file or else the index as text).

    Raises:
      ValueError: in `next`, if an image cannot be read, decoded or transformed. Unlike training,
        evaluation never skips an image.
    """
    threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    ahead: collections.deque[concurrent.futures.Future] = collections.deque()
    try:
        for index in range(host, len(source), hosts):
            ahead.append(pool.submit(_one, source, transform, index))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _one(source, transform, index):
    [example] = source.encoded([index])
    name = getattr(example['image'], 'name', '') or str(index)
    image = pixels(example['image'])
    try:
        return index, transform(image), int(example['label']), name
    except ValueError as error:
        raise ValueError(
            f'image {index} of {source.name} {source.split}, {name}: {error}'
        ) from error

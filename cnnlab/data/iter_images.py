"""Images one after another, for evaluations in which an image becomes many arrays, or arrays of
many shapes.
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
    """Every image of this host (each of `hosts` takes every `hosts`-th) once and in order: (index,
    transform, label, name of the file).

    Images are read and transformed ahead of the consumer by `threads` (default: one a core).

    Raises:
      ValueError: in `next`, where an image cannot be read, decoded or transformed: an error here,
        unlike in training, never passed over.
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

"""What is explained, and what every section is made of: pictures with captions."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from flax import linen as nn
from matplotlib.figure import Figure

from cnnlab.analysis import capture
from cnnlab.visual import batches, pictures
from cnnlab.visual.pixels import Pixels

# pixels of a picture on the page
SIDE = 230
_BATCH = 32


class Shown(NamedTuple):
    """One picture of the page: its file's name without ending, what it is drawn from, what is said
    below it.
    """

    name: str
    # uint8 (h, w, 3), or a plot
    image: np.ndarray | Figure
    caption: str


# a row of the page with a name
Group = tuple[str, list[Shown]]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A network, the pictures that are explained, and the set that is searched.

    Attributes:
      model, variables, pixels: the network and how pictures become its images.
      images: (n, h, w, c), what is explained, as the network takes them.
      names: of the pictures.
      classes, probabilities: (n,), what is explained of each.
      labels: a name for each class of the network.
      collection: network images by index, with `collection_names` and, where known,
        `collection_labels`.
      paths: layers to look at.
      settings: layers and numbers that flags may change: 'cam_path', 'dream_path', 'masks',
        'steps', 'samples', 'ascent', 'octaves', 'stride', 'metric_buffer'.
      seed: of everything random.
      folder: where a method may write files of its own.
    """

    model: nn.Module
    variables: Any
    pixels: Pixels
    images: np.ndarray
    names: Sequence[str]
    classes: np.ndarray
    probabilities: np.ndarray
    labels: Sequence[str]
    collection: Callable[[int], np.ndarray]
    collection_names: Sequence[str]
    collection_labels: Sequence[int] | None
    paths: Sequence[str]
    settings: dict[str, Any]
    seed: int
    folder: pathlib.Path

    @functools.cached_property
    def shown(self) -> np.ndarray:
        """The pictures as the network sees them, float32 in [0, 1]."""
        return self.pixels.to_pictures(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.images.shape[1:]

    def batches(self) -> Iterator[np.ndarray]:
        """The collection."""
        for start in batches.watched(
            range(0, len(self.collection_names), _BATCH), 'pictures of the set'
        ):
            yield np.stack(
                [
                    self.collection(i)
                    for i in range(start, min(start + _BATCH, len(self.collection_names)))
                ]
            )

    def what(self, i: int) -> str:
        """'cat.jpg: tabby (71.3%)'."""
        return f'{self.names[i]}: {self.labels[self.classes[i]]} ({self.probabilities[i]:.1%})'

    def original(self, i: int, method: str) -> Shown:
        """The picture itself, first in a row."""
        return Shown(f'{method}_{i}_picture', large(pictures.photo(self.shown[i])), self.what(i))


def large(picture: np.ndarray) -> np.ndarray:
    """A uint8 picture at the size of the page."""
    return pictures.enlarged(picture, SIDE)


def layers_to_show(model: nn.Module, variables: Any, images: Any, count: int = 4) -> list[str]:
    """`count` of the network's own parts that have rows and columns, evenly from the first to the
    last.
    """
    fit = [
        path
        for path, out in capture.outputs(model, variables, images).items()
        if '/' not in path
        and out.shape is not None
        and len(out.shape) == 4
        and out.shape[1] * out.shape[2] > 1
    ]
    fit = [path for path in fit if not path.startswith('drop')]
    if len(fit) <= count:
        return fit
    return [fit[round(k * (len(fit) - 1) / (count - 1))] for k in range(count)]


def file_part(text: str) -> str:
    """A layer or method as a part of a file's name."""
    return text.replace('/', '-').replace(' ', '_')

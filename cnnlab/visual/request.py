"""What is asked of an explanation: a network, pictures, the classes to explain, and settings."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cnnlab.classifier import Classifier
from cnnlab.data.sources.pictures import Pictures
from cnnlab.report import progress
from cnnlab.visual import class_scores, layers, pictures

# of the longer side of a panel on the page, in pixels
SIDE = 230
# pictures of the set that go through the network at a time
_BATCH = 32
# of the network's own parts, where no layers are named
_LAYERS = 4
# from this many pixels on a picture can be made smaller three times for DeepDream's octaves
_LARGE = 128


class Panel(NamedTuple):
    """One picture of the page.

    Attributes:
      name: of its file, without ending.
      image: uint8 (h, w, 3), or a plot.
      caption: the text below it.
    """

    name: str
    image: np.ndarray | Figure
    caption: str


class Group(NamedTuple):
    """Panels that belong together, under a title."""

    title: str
    panels: list[Panel]


@dataclasses.dataclass(frozen=True, eq=False)
class Request:
    """What is asked of an explanation. Use `Request.of`, which chooses what is not said.

    Attributes:
      net: the network, with its preprocessing.
      pictures: the set that is searched for patches and neighbors; its first ones are explained.
      images: (n, h, w, c), the first pictures as the network takes them.
      classes: (n,), the class that is explained in each.
      probabilities: (n,), of these classes.
      paths: layers to look at, all with rows and columns; () where the network has none.
      cam_path: the layer of Grad-CAM and of occlusion; '' where no layer has rows and columns.
      dream_path: the layer of DeepDream; '' where no layer has rows and columns.
      window, stride: of the occluding square, in pixels.
      masks: of RISE.
      samples: noisy copies of SmoothGrad.
      steps: of integrated gradients.
      ascent: steps of maximize, invert and style.
      octaves: of DeepDream.
      seed: of everything random.
      folder: where an explanation may write files of its own.
    """

    net: Classifier
    pictures: Pictures
    images: np.ndarray
    classes: np.ndarray
    probabilities: np.ndarray
    paths: Sequence[str]
    cam_path: str
    dream_path: str
    window: int
    stride: int
    masks: int
    samples: int
    steps: int
    ascent: int
    octaves: int
    seed: int
    folder: pathlib.Path

    @classmethod
    def of(
        cls,
        net: Classifier,
        pictures: Pictures,
        *,
        count: int = 3,
        classes: class_scores.Classes = None,
        spatial: bool = True,
        paths: Sequence[str] | None = None,
        cam_path: str | None = None,
        dream_path: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        masks: int = 1000,
        samples: int = 25,
        steps: int = 50,
        ascent: int = 256,
        seed: int = 0,
        folder: pathlib.Path = pathlib.Path(),
    ) -> 'Request':
        """Builds a request; layers and classes that do not exist are refused before any work.

        Args:
          net: the network, with its preprocessing.
          pictures: see `Request`.
          count: pictures to explain, from the first on.
          classes: one class for all, one for each, or None for the most likely class of each.
          spatial: whether an explanation that needs a layer with rows and columns is asked for.
          paths: layers to look at; None chooses four of the network's own parts.
          cam_path: None chooses the last layer with rows and columns.
          dream_path: None chooses the middle one of `paths`.
          window: None is a seventh of the image's shorter side.
          stride: None is a 28th of the image's shorter side.
          masks, samples, steps, ascent, seed, folder: see `Request`.

        Raises:
          ValueError: no such layer or class, the pictures become images of different sizes, or the
            network has no preprocessing; `spatial` is true and no layer has rows and columns.
        """
        preprocess = net.stated_preprocess()
        count = min(count, len(pictures))
        views = [preprocess(pictures[i]) for i in range(count)]
        if len({view.shape for view in views}) > 1:
            raise ValueError(
                f'{net.name} takes pictures as they are, and those of {pictures.name} have '
                f'different sizes; give pictures of one size'
            )
        images = np.stack(views)
        if paths is None:
            paths = layers.parts(net, images, _LAYERS)
        for path in paths:
            layers.spatial(net, images, path)
        if paths or cam_path or spatial:
            cam_path = layers.spatial(net, images, cam_path)
            # of a network whose top-level parts have no maps, only layers inside them
            paths = paths or (cam_path,)
            dream_path = dream_path or paths[len(paths) // 2]
            layers.known(net, images, dream_path)
        explained = class_scores.resolve(net, images, classes)
        side = min(images.shape[1:3])
        return cls(
            net=net,
            pictures=pictures,
            images=images,
            classes=explained,
            probabilities=np.asarray(class_scores.probability(net, images, explained)),
            paths=paths,
            cam_path=cam_path or '',
            dream_path=dream_path or '',
            window=window or max(2, side // 7),
            stride=stride or max(1, side // 28),
            masks=masks,
            samples=samples,
            steps=steps,
            ascent=ascent,
            octaves=4 if side >= _LARGE else 1,
            seed=seed,
            folder=folder,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pictures that are explained."""
        return self.pictures.names[: len(self.images)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for each class of the network."""
        return self.net.labels

    @functools.cached_property
    def shown(self) -> np.ndarray:
        """The explained pictures as the network sees them, float32 (n, h, w, c) in [0, 1]."""
        return self.net.stated_preprocess().to_unit(self.images)

    def image(self, index: int) -> np.ndarray:
        """Returns a picture of the set as the network takes it, (h, w, c)."""
        return self.net.stated_preprocess()(self.pictures[index])

    def batches(self) -> Iterator[np.ndarray]:
        """Yields the images of the whole set in batches (n, h, w, c)."""
        count = len(self.pictures)
        for start in progress.track(range(0, count, _BATCH), 'pictures of the set'):
            yield np.stack([self.image(i) for i in range(start, min(start + _BATCH, count))])

    def caption(self, i: int) -> str:
        """Returns the name, class and probability of a picture: 'cat.jpg: tabby (71.3%)'."""
        return f'{self.names[i]}: {self.labels[self.classes[i]]} ({self.probabilities[i]:.1%})'

    def original(self, i: int, name: str) -> Panel:
        """Returns the panel of the picture itself, the first of a group.

        Args:
          i: which of the explained pictures.
          name: of the explanation, for the name of the file.
        """
        return Panel(f'{name}_{i}_picture', large(pictures.photo(self.shown[i])), self.caption(i))


def large(picture: np.ndarray) -> np.ndarray:
    """Returns a uint8 picture at the size of the page."""
    return pictures.enlarged(picture, SIDE)


def file_part(text: str) -> str:
    """Returns the name of a layer or an explanation in a form that fits into the name of a file."""
    return text.replace('/', '-').replace(' ', '_')

"""The test protocol of a recipe: one view per image, by the recipe's transforms."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from cnnlab.data.transforms import Compose, parse


@dataclasses.dataclass(frozen=True)
class Transformed:
    """A protocol with one view per image.

    Attributes:
      transforms: as a recipe states them, such as ('resize(256)', 'center_crop(224)'); () leaves
        images as they are.

    Raises:
      ValueError: a text is not a transform.
    """

    transforms: tuple[str, ...] = ()
    count: ClassVar[int] = 1
    average: ClassVar[str] = 'softmax'
    crops: ClassVar[str] = 'center'

    def __post_init__(self) -> None:
        _ = self._composed

    @functools.cached_property
    def _composed(self) -> Compose:
        return parse.parse(*self.transforms)

    def views(self, image: np.ndarray) -> list[np.ndarray]:
        """uint8 (h, w, c) -> [uint8 (height, width, c)]."""
        # Transforms of evaluation draw nothing; the seed has no effect.
        return [self._composed(image, np.random.default_rng(0))]

    def sentence(self) -> str:
        """Lists the transforms, such as 'resize(256); center_crop(224)'."""
        return '; '.join(self.transforms) or 'as they are'

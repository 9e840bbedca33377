"""What a recipe's network is tested on: one view of each image, by the transforms of the recipe."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from cnnlab.data.transforms import Compose, parse


@dataclasses.dataclass(frozen=True)
class Transformed:
    """A protocol of one view; `transforms` as a recipe states them: ('resize(256)',
    'center_crop(224)'); () takes images as they are.

    Raises:
      ValueError: the text is no transform.
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
        # evaluation draws nothing
        return [self._composed(image, np.random.default_rng(0))]

    def sentence(self) -> str:
        """'resize(256); center_crop(224)'."""
        return '; '.join(self.transforms) or 'as they are'

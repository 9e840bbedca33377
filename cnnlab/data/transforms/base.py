"""The type of a transform, composition, and the checks and draws that transforms share."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnlab.data.decoding.encoded import Encoded, pixels

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Compose:
    """Applies transforms in order; `Compose(())` leaves images as they are.

    It takes an `Encoded` image, too, and decodes it before the first transform that needs pixels.
    """

    transforms: tuple[Transform, ...]

    @property
    def random(self) -> bool:
        """Whether any of the transforms draws random numbers."""
        return any(getattr(transform, 'random', True) for transform in self.transforms)

    @property
    def takes_encoded(self) -> bool:
        """Whether the first transform gains from an `Encoded` image, by decoding a part of it."""
        return bool(self.transforms) and getattr(self.transforms[0], 'takes_encoded', False)

    def __call__(self, image: np.ndarray | Encoded, rng: np.random.Generator) -> np.ndarray:
        for transform in self.transforms:
            given: Any = image if getattr(transform, 'takes_encoded', False) else pixels(image)
            image = transform(given, rng)
        return pixels(image)


def require(true: bool, transform: object, what: str) -> None:
    """Raises ValueError, with the name of the transform, unless `true`."""
    if not true:
        raise ValueError(f'{transform}: {what}')


def whole(value: object, least: int) -> bool:
    """Whether a value is an int of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def sides(size: object) -> bool:
    """Whether a value is a number of pixels or a (height, width)."""
    return (
        whole(size, 1)
        or isinstance(size, tuple)
        and len(size) == 2
        and all(whole(s, 1) for s in size)
    )


def number(value: object) -> bool:
    """Whether a value is an int or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def span(value: object, least: float) -> bool:
    """Whether a value is (low, high) with least <= low <= high, both finite numbers."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and all(map(number, value))
        and least <= value[0] <= value[1] < float('inf')
    )


def below(rng: np.random.Generator, n: int) -> int:
    """Draws an int uniformly from 0 .. n - 1.

    It takes a third of the time of `rng.integers`; probabilities are off by less than n / 2**53.
    """
    return int(rng.random() * n)


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draws a float uniformly from low .. high."""
    return low + (high - low) * rng.random()


def either_way(rng: np.random.Generator, most: float) -> float:
    """Draws a float uniformly from -most .. most."""
    return (2 * rng.random() - 1) * most

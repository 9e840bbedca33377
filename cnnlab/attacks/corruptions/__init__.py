"""The fifteen corruptions of ImageNet-C at five severities: noise, blur, weather, digital.

Parameters are those of ImageNet-C/create_c/make_imagenet_c.py in github.com/hendrycks/robustness
for images of more than 64 pixels, and those of make_cifar_c.py there (CIFAR-10-C) for smaller ones;
the limit of 64 is `assumed`. There are three differences: frost is a generated texture instead of
photographs (`assumed`), OpenCV instead of ImageMagick blurs motion, and images are not saved as
JPEG in between.

Reference:
  Hendrycks & Dietterich 2019, arXiv:1903.12261.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnnlab import names
from cnnlab.attacks.batches import Advance, silent
from cnnlab.attacks.corruptions import blur, digital, noise, weather

SEVERITIES = (1, 2, 3, 4, 5)
# shorter side in pixels above which the parameters are ImageNet-C's
_LARGE = 64


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One corruption and its parameters.

    Attributes:
      group: 'noise', 'blur', 'weather' or 'digital'.
      apply: (image float64 (h, w, c) in [0, 1], rng, *parameters) -> (h, w, c), not clipped yet.
      large: the parameters of each severity in ImageNet-C.
      small: the parameters of each severity in CIFAR-10-C.
      alexnet: AlexNet's mean error over the severities of ImageNet-C, which divides published
        errors.
    """

    group: str
    apply: Callable[..., np.ndarray]
    large: tuple[tuple[Any, ...], ...]
    small: tuple[tuple[Any, ...], ...]
    alexnet: float


def _each(*values):
    return tuple((v,) for v in values)


# AlexNet's errors are from imagenet.py in github.com/google-research/augmix, which takes them from
# github.com/hendrycks/robustness.
CORRUPTIONS: Mapping[str, Corruption] = {
    'gaussian_noise': Corruption(
        'noise',
        noise.gaussian,
        _each(0.08, 0.12, 0.18, 0.26, 0.38),
        _each(0.04, 0.06, 0.08, 0.09, 0.10),
        0.886428,
    ),
    'shot_noise': Corruption(
        'noise', noise.shot, _each(60, 25, 12, 5, 3), _each(500, 250, 100, 75, 50), 0.894468
    ),
    'impulse_noise': Corruption(
        'noise',
        noise.impulse,
        _each(0.03, 0.06, 0.09, 0.17, 0.27),
        _each(0.01, 0.02, 0.03, 0.05, 0.07),
        0.922640,
    ),
    'defocus_blur': Corruption(
        'blur',
        blur.defocus,
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        0.819880,
    ),
    'glass_blur': Corruption(
        'blur',
        blur.glass,
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        0.826268,
    ),
    'motion_blur': Corruption(
        'blur',
        blur.motion,
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        0.785948,
    ),
    'zoom_blur': Corruption(
        'blur',
        blur.zoom,
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        0.798360,
    ),
    'snow': Corruption(
        'weather',
        weather.snow,
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        0.866816,
    ),
    'frost': Corruption(
        'weather',
        weather.frost,
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        0.826572,
    ),
    'fog': Corruption(
        'weather',
        weather.fog,
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        0.819324,
    ),
    'brightness': Corruption(
        'weather',
        weather.brightness,
        _each(0.1, 0.2, 0.3, 0.4, 0.5),
        _each(0.05, 0.1, 0.15, 0.2, 0.3),
        0.564592,
    ),
    'contrast': Corruption(
        'digital',
        digital.contrast,
        _each(0.4, 0.3, 0.2, 0.1, 0.05),
        _each(0.75, 0.5, 0.4, 0.3, 0.15),
        0.853204,
    ),
    'elastic_transform': Corruption(
        'digital',
        digital.elastic,
        (
            (488, 170.8, 24.4),
            (488, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
        ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
        0.646056,
    ),
    'pixelate': Corruption(
        'digital',
        digital.pixelate,
        _each(0.6, 0.5, 0.4, 0.3, 0.25),
        _each(0.95, 0.9, 0.85, 0.75, 0.65),
        0.717840,
    ),
    'jpeg_compression': Corruption(
        'digital', digital.jpeg, _each(25, 18, 15, 10, 7), _each(80, 65, 58, 50, 40), 0.606500
    ),
}


def corrupt(
    images: np.ndarray, name: str, severity: int, *, seed: int = 0, advance: Advance = silent
) -> np.ndarray:
    """Corrupts images and rounds them to whole gray levels, as in stored images.

    Args:
      images: float (n, h, w, c) in [0, 1], c 1 or 3.
      name: of `CORRUPTIONS`.
      severity: 1 to 5.
      seed: image i draws from the stream of (seed, severity, i), so it does not depend on the other
        images.
      advance: called with the number of images done.

    Returns:
      float32 (n, h, w, c), multiples of 1 / 255, rounded down as in the original.

    Raises:
      KeyError: there is no such corruption; the message gives the nearest names.
      ValueError: the severity is not 1 to 5, or `images` are not of one or three channels in
        [0, 1].
    """
    corruption = names.lookup('corruption', name, CORRUPTIONS)
    if severity not in SEVERITIES:
        raise ValueError(f'a severity is 1, 2, 3, 4 or 5, not {severity}')
    images = np.asarray(images, np.float32)
    if (
        images.ndim != 4
        or images.shape[-1] not in (1, 3)
        or not images.size
        or images.min() < 0
        or images.max() > 1
    ):
        raise ValueError(
            f'corruptions take images (n, h, w, 1 or 3) in [0, 1], not an array {images.shape}'
            f'{f" from {images.min():g} to {images.max():g}" if images.size else ""}'
        )
    parameters = (corruption.large if min(images.shape[1:3]) > _LARGE else corruption.small)[
        severity - 1
    ]
    out = np.empty_like(images)
    for i, image in enumerate(images):
        changed = corruption.apply(
            image.astype(np.float64), np.random.default_rng((seed, severity, i)), *parameters
        )
        # the 1e-6 makes pixel / 255 * 255 round down to that pixel
        out[i] = np.floor(255 * np.clip(changed, 0, 1) + 1e-6) / np.float32(255)
        advance(i + 1)
    return out

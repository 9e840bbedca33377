"""The fifteen corruptions of ImageNet-C in five severities: noises, blurs, weather, digital. Hendrycks & Dietterich 2019, arXiv:1903.12261.

Parameters are those of ImageNet-C/create_c/make_imagenet_c.py in github.com/hendrycks/robustness for images of more than 64 pixels, and of
make_cifar_c.py there (CIFAR-10-C) for smaller ones; the border of 64 is `assumed`. What differs: the texture of frost is made by a program
in place of photographs (`assumed`), motion is blurred by OpenCV in place of ImageMagick, and images are not saved as JPEG in between.
"""
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnnlab import names
from cnnlab.attacks.batches import Advance, silent
from cnnlab.attacks.corruptions import blur, digital, noise, weather

SEVERITIES = (1, 2, 3, 4, 5)
_LARGE = 64  # pixels of the shorter side above which the parameters are ImageNet-C's


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One corruption: `apply(image float64 (h, w, c) in [0, 1], rng, *parameters) -> (h, w, c)`, to be clipped to [0, 1]."""
    group: str  # 'noise', 'blur', 'weather' or 'digital'
    apply: Callable[..., np.ndarray]
    large: tuple[tuple[Any, ...], ...]  # parameters for each severity: ImageNet-C
    small: tuple[tuple[Any, ...], ...]  # CIFAR-10-C
    alexnet: float  # mean error of AlexNet over the severities of ImageNet-C, what the published errors are divided by


def _each(*values):
    return tuple((v,) for v in values)


# The errors of AlexNet are those of github.com/google-research/augmix, imagenet.py, which says that they are taken from that repository.
CORRUPTIONS: Mapping[str, Corruption] = {
    'gaussian_noise': Corruption('noise', noise.gaussian, _each(.08, .12, .18, .26, .38), _each(.04, .06, .08, .09, .10), 0.886428),
    'shot_noise': Corruption('noise', noise.shot, _each(60, 25, 12, 5, 3), _each(500, 250, 100, 75, 50), 0.894468),
    'impulse_noise': Corruption('noise', noise.impulse, _each(.03, .06, .09, .17, .27), _each(.01, .02, .03, .05, .07), 0.922640),
    'defocus_blur': Corruption('blur', blur.defocus, ((3, .1), (4, .5), (6, .5), (8, .5), (10, .5)),
                               ((.3, .4), (.4, .5), (.5, .6), (1, .2), (1.5, .1)), 0.819880),
    'glass_blur': Corruption('blur', blur.glass, ((.7, 1, 2), (.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
                             ((.05, 1, 1), (.25, 1, 1), (.4, 1, 1), (.25, 1, 2), (.4, 1, 2)), 0.826268),
    'motion_blur': Corruption('blur', blur.motion, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
                              ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)), 0.785948),
    'zoom_blur': Corruption('blur', blur.zoom, ((1.11, .01), (1.16, .01), (1.21, .02), (1.26, .02), (1.31, .03)),
                            ((1.06, .01), (1.11, .01), (1.16, .01), (1.21, .01), (1.26, .01)), 0.798360),
    'snow': Corruption('weather', weather.snow,
                       ((.1, .3, 3, .5, 10, 4, .8), (.2, .3, 2, .5, 12, 4, .7), (.55, .3, 4, .9, 12, 8, .7),
                        (.55, .3, 4.5, .85, 12, 8, .65), (.55, .3, 2.5, .85, 12, 12, .55)),
                       ((.1, .2, 1, .6, 8, 3, .95), (.1, .2, 1, .5, 10, 4, .9), (.15, .3, 1.75, .55, 10, 4, .9),
                        (.25, .3, 2.25, .6, 12, 6, .85), (.3, .3, 1.25, .65, 14, 12, .8)), 0.866816),
    'frost': Corruption('weather', weather.frost, ((1, .4), (.8, .6), (.7, .7), (.65, .7), (.6, .75)),
                        ((1, .2), (1, .3), (.9, .4), (.85, .4), (.75, .45)), 0.826572),
    'fog': Corruption('weather', weather.fog, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
                      ((.2, 3), (.5, 3), (.75, 2.5), (1, 2), (1.5, 1.75)), 0.819324),
    'brightness': Corruption('weather', weather.brightness, _each(.1, .2, .3, .4, .5), _each(.05, .1, .15, .2, .3), 0.564592),
    'contrast': Corruption('digital', digital.contrast, _each(.4, .3, .2, .1, .05), _each(.75, .5, .4, .3, .15), 0.853204),
    'elastic_transform': Corruption('digital', digital.elastic,
                                    ((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)),
                                    ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, .96, .96)), 0.646056),
    'pixelate': Corruption('digital', digital.pixelate, _each(.6, .5, .4, .3, .25), _each(.95, .9, .85, .75, .65), 0.717840),
    'jpeg_compression': Corruption('digital', digital.jpeg, _each(25, 18, 15, 10, 7), _each(80, 65, 58, 50, 40), 0.606500)}


def corrupt(images: np.ndarray, name: str, severity: int, *, seed: int = 0, advance: Advance = silent) -> np.ndarray:
    """The images under one corruption, whole grey levels as stored images have them.

    Args:
      images: float (n, h, w, c) in [0, 1], c 1 or 3.
      name: of `CORRUPTIONS`.
      severity: 1 to 5.
      seed: image i draws from the stream of (seed, severity, i), so that it does not matter which others are there.
      advance: called with the number of images done.

    Returns: float32 (n, h, w, c), multiples of 1 / 255, rounded down as in the original.

    Raises:
      KeyError: no such corruption (the nearest are given).
      ValueError: another severity, or no images of one or three channels in [0, 1].
    """
    found = names.lookup('corruption', name, CORRUPTIONS)
    if severity not in SEVERITIES:
        raise ValueError(f'a severity is 1, 2, 3, 4 or 5, not {severity}')
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size or images.min() < 0 or images.max() > 1:
        raise ValueError(f'corruptions take images (n, h, w, 1 or 3) in [0, 1], not an array {images.shape}'
                         f'{f" from {images.min():g} to {images.max():g}" if images.size else ""}')
    parameters = (found.large if min(images.shape[1:3]) > _LARGE else found.small)[severity - 1]
    out = np.empty_like(images)
    for i, image in enumerate(images):
        changed = found.apply(image.astype(np.float64), np.random.default_rng((seed, severity, i)), *parameters)
        out[i] = np.floor(255 * np.clip(changed, 0, 1) + 1e-6) / np.float32(255)  # 1e-6: a pixel / 255 * 255 is that pixel
        advance(i + 1)
    return out

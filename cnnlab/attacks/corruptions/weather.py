"""Weather of ImageNet-C, as `apply` of a `Corruption`."""

import cv2
import numpy as np

from cnnlab.attacks.corruptions.blur import drag, enlarged, smooth


def plasma(size: int, rng: np.random.Generator, decay: float) -> np.ndarray:
    """Returns a cloud (size, size) in [0, 1] that wraps around, by midpoint displacement.

    A midpoint is the mean of its four neighbors plus a uniform number, whose range falls by decay^2
    with every halving of the step. `size` is a power of two.
    """
    cloud, step, spread = np.zeros((size, size)), size, 100.0
    while step >= 2:
        half = step // 2
        corners = cloud[::step, ::step]
        sums = corners + np.roll(corners, -1, 0)
        sums = sums + np.roll(sums, -1, 1)
        noise = rng.uniform(-(spread**2), spread**2, (3, *sums.shape))
        centers = sums / 4 + noise[0]
        cloud[half::step, half::step] = centers
        cloud[::step, half::step] = (
            centers + np.roll(centers, 1, 0) + corners + np.roll(corners, -1, 1)
        ) / 4 + noise[1]
        cloud[half::step, ::step] = (
            centers + np.roll(centers, 1, 1) + corners + np.roll(corners, -1, 0)
        ) / 4 + noise[2]
        step, spread = half, spread / decay
    cloud -= cloud.min()
    return cloud / cloud.max()


def _cloud(x: np.ndarray, rng: np.random.Generator, decay: float) -> np.ndarray:
    """Returns `plasma` in the size of an image, (h, w, 1)."""
    h, w, _ = x.shape
    return plasma(1 << (max(h, w, 2) - 1).bit_length(), rng, decay)[:h, :w, None]


def _gray(x: np.ndarray) -> np.ndarray:
    """Returns the brightness by OpenCV's weights of the colors, (h, w, 1)."""
    return (
        x if x.shape[-1] == 1 else cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2GRAY)[..., None]
    )


def fog(x: np.ndarray, rng: np.random.Generator, density: float, decay: float) -> np.ndarray:
    """Adds a cloud and scales the sum so that the brightest value stays."""
    most = x.max()
    return (x + density * _cloud(x, rng, decay)) * most / (most + density) if most > 0 else x


def snow(
    x: np.ndarray,
    rng: np.random.Generator,
    mean: float,
    deviation: float,
    size: float,
    threshold: float,
    radius: int,
    sigma: float,
    kept: float,
) -> np.ndarray:
    """Adds falling, blurred flakes to an image that is whitened by the share 1 - kept."""
    flakes = enlarged(rng.normal(mean, deviation, x.shape[:2]), size)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    flakes = drag(flakes, radius, sigma, rng.uniform(-135, -45))[..., None]
    white = kept * x + (1 - kept) * np.maximum(x, 1.5 * _gray(x) + 0.5)
    return white + flakes + np.rot90(flakes, 2)


def frost(x: np.ndarray, rng: np.random.Generator, kept: float, added: float) -> np.ndarray:
    """Darkens the image and adds a texture of ice.

    The original takes crops of six photographs, which this project may not distribute. Here the ice
    is `assumed`: the ridges of two clouds form fine, bluish veins on a gray ground, with a mean of
    about 0.45 of white.
    """
    veins = [1 - np.abs(2 * _cloud(x, rng, 1.6) - 1) for _ in range(2)]
    ice = np.clip(
        0.25 + 0.35 * veins[0] ** 6 + 0.35 * veins[1] ** 3 + 0.15 * _cloud(x, rng, 1.3), 0, 1
    )
    ice = smooth(ice, 0.5)
    return kept * x + added * ice * (
        np.array([0.85, 0.95, 1.0]) if x.shape[-1] == 3 else np.array([0.93])
    )


def brightness(x: np.ndarray, rng: np.random.Generator, added: float) -> np.ndarray:
    """Raises the value of HSV; hue and saturation stay."""
    if x.shape[-1] == 1:
        return x + added
    hsv = cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.clip(hsv[..., 2] + added, 0, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)

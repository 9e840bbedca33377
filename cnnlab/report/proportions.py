"""How far a share of right answers can be trusted, and whether two networks differ on the same
images.
"""

import math
from typing import NamedTuple

import numpy as np

# of the normal distribution: 95% lie within so many deviations
Z95 = 1.959963984540054


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share: (low, high) for `right` of n, without a correction for
    continuity.

    Wilson 1927, Probable inference, the law of succession, and statistical inference. Unlike mean
    +- deviations it stays within 0..1 and says something where all or none are right.

    Raises:
      ValueError: not 0 <= right <= n, or n is 0.
    """
    if not 0 <= right <= n or n < 1:
        raise ValueError(f'{right} of {n} is no share')
    share, z2 = right / n, Z95**2
    center, half = share + z2 / (2 * n), Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = ((center + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    return (0.0 if right == 0 else low), (1.0 if right == n else high)


class Paired(NamedTuple):
    """Two answers to each of n questions, of which one may be right and the other wrong."""

    n: int
    # right in the first, wrong in the second
    first_only: int
    second_only: int
    # share right in the second minus share right in the first
    difference: float
    # 95% interval of the difference
    low: float
    high: float
    # of McNemar's exact test: how probable so unequal a split of the differing ones is if both are
    # as good
    p: float


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """Compares two arrays of bool (n,) for the same images.

    The interval is the normal one for paired shares, difference +- 1.96 sqrt(b + c - (b - c)^2 / n)
    / n with b and c the counts that differ; the test is McNemar's (1947) in its exact form, a
    two-sided binomial test of b among b + c.

    Raises:
      ValueError: they are empty or differ in length.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f'answers to the same images are needed, not to {len(first)} and {len(second)}'
        )
    n, b, c = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    difference = (c - b) / n
    half = Z95 * math.sqrt(b + c - (b - c) ** 2 / n) / n
    return Paired(
        n, b, c, difference, difference - half, difference + half, _two_sided(min(b, c), b + c)
    )


def _two_sided(k: int, n: int) -> float:
    """Twice the probability of at most k heads in n fair throws, k <= n / 2; 1 at most."""
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    top = max(logs)
    return min(1.0, 2 * math.exp(top) * math.fsum(math.exp(x - top) for x in logs))


def calibration(
    confidence: np.ndarray, right: np.ndarray, bins: int = 15
) -> tuple[float, list[tuple[int, float, float]]]:
    """The expected calibration error, and (images, mean confidence, share right) of each bin; means
    of an empty bin are NaN.

    Bins are of equal width, (0, 1/bins], ...; the error is the mean over images of |share right -
    mean confidence| of their bins. Guo et al. 2017, arXiv:1706.04599, who take 15 bins.

    Args:
      confidence: float (n,), the probability of the predicted class. right: bool (n,).
    """
    place = np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    images = np.where(count, count, np.nan)
    means = [
        np.bincount(place, weights=np.asarray(a, np.float64), minlength=bins) / images
        for a in (confidence, right)
    ]
    error = float(np.nansum(count * np.abs(means[0] - means[1])) / len(place))
    return error, [(int(n), float(m), float(r)) for n, m, r in zip(count, *means, strict=True)]

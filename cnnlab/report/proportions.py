"""Statistics of shares: confidence intervals, comparison of two networks, calibration."""

import math
from typing import NamedTuple

import numpy as np

# 95% of a normal distribution lie within this many standard deviations
Z95 = 1.959963984540054


def wilson(right: int, n: int) -> tuple[float, float]:
    """Returns Wilson's 95% confidence interval of a share, without a correction for continuity.

    Unlike the normal approximation, it stays between 0 and 1 and has a width if none or all are
    right.

    Args:
      right: number of right answers.
      n: number of all answers, at least 1.

    Returns:
      (low, high).

    Raises:
      ValueError: `right` is not between 0 and n, or n is 0.

    Reference: Wilson 1927, Probable inference, the law of succession, and statistical inference,
    J. Am. Stat. Assoc. 22.

    Example:
      >>> wilson(90, 100)
      (0.825..., 0.944...)
    """
    if not 0 <= right <= n or n < 1:
        raise ValueError(f'{right} of {n} is no share')
    share = right / n
    z2 = Z95**2
    center = share + z2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = ((center + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    # exactly 0 and 1 there, without rounding errors
    return (0.0 if right == 0 else low), (1.0 if right == n else high)


class Paired(NamedTuple):
    """The comparison of two networks on the same images.

    Attributes:
      n: number of images.
      first_only: images that only the first network has right.
      second_only: images that only the second network has right.
      difference: the second's accuracy minus the first's.
      low, high: 95% confidence interval of the difference.
      p: of McNemar's exact test: the probability of a split of `first_only` and `second_only` at
        least this unequal if both networks are equally good.
    """

    n: int
    first_only: int
    second_only: int
    difference: float
    low: float
    high: float
    p: float


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """Compares two networks on the same images.

    With b images right in the first only and c in the second only, the interval is the normal one
    of paired shares, difference ± 1.96 sqrt(b + c - (b - c)^2 / n) / n, and the test is a two-sided
    binomial test of b among b + c.

    Args:
      first: bool (n,), whether each answer of the first network is right.
      second: bool (n,), the same for the second network.

    Raises:
      ValueError: they are empty or differ in length.

    Reference: McNemar 1947, Note on the sampling error of the difference between correlated
    proportions or percentages, Psychometrika 12.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f'answers to the same images are needed, not to {len(first)} and {len(second)}'
        )
    n = len(first)
    b = int((first & ~second).sum())
    c = int((second & ~first).sum())
    difference = (c - b) / n
    half = Z95 * math.sqrt(b + c - (b - c) ** 2 / n) / n
    return Paired(
        n=n,
        first_only=b,
        second_only=c,
        difference=difference,
        low=difference - half,
        high=difference + half,
        p=_two_sided(min(b, c), b + c),
    )


def _two_sided(k: int, n: int) -> float:
    """Returns twice the probability of at most k heads in n fair tosses (k <= n / 2), at most 1."""
    # in logarithms, since 2 ** -n underflows for large n
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(k + 1)
    ]
    top = max(logs)
    return min(1.0, 2 * math.exp(top) * math.fsum(math.exp(x - top) for x in logs))


def calibration(
    confidence: np.ndarray, right: np.ndarray, bins: int = 15
) -> tuple[float, list[tuple[int, float, float]]]:
    """Computes the expected calibration error.

    It is the mean over all images of |share right - mean confidence| in the bin of the image. Bins
    have equal width: (0, 1 / bins], ...

    Args:
      confidence: float (n,), probability of the predicted class.
      right: bool (n,), whether it is the true class.
      bins: number of bins; 15 in the paper.

    Returns:
      The error, and (images, mean confidence, share right) of each bin; the means of an empty bin
      are NaN.

    Reference: Guo et al. 2017, arXiv:1706.04599, section 2.
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

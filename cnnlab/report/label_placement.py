"""Where to write the names of points so that they cover neither each other nor the points."""

import numpy as np

_ANGLES = np.deg2rad(np.arange(0, 360, 22.5))
# pixels between a marker and its label
_GAPS = np.array([2, 8, 16, 26, 38, 52, 68, 86, 108, 132, 160])
# cost of each angle: to the right, then to the left, then above or below, then anything else
_PREFERENCE = np.full(16, 2.0)
_PREFERENCE[[0, 8, 4, 12]] = 0, 1, 1.5, 1.5
_PASSES = 8
# candidates that are weighed at a time
_CHUNK = 12
# where a leader line is sampled
_ALONG = np.linspace(0.15, 1, 8)


def place_labels(
    points: np.ndarray,
    sizes: np.ndarray,
    area: tuple[float, float, float, float],
    radius: float,
    obstacles: np.ndarray | None = None,
) -> np.ndarray:
    """Centers for the labels of `points`, by repeated choice of the best of 176 places around each.

    A place costs what its label covers of other labels, markers and obstacles, what lies outside of
    `area`, and its distance; leader lines pay for the labels and markers that they cross. Labels
    choose in turn, crowded points first, until no label moves (8 turns at most). Deterministic.

    Args:
      points: (n, 2) pixels; sizes: (n, 2) widths and heights of the labels.
      area: (left, bottom, right, top) within which labels stay.
      radius: of the markers.
      obstacles: (m, 4) boxes (left, bottom, right, top) to keep free where possible, such as error
        bars.

    Returns: (n, 2) centers of the labels.
    """
    points, sizes = (
        np.asarray(points, float).reshape(-1, 2),
        np.asarray(sizes, float).reshape(-1, 2),
    )
    markers = np.concatenate([points - radius, points + radius], 1)
    fixed = (
        markers
        if obstacles is None or not len(obstacles)
        else np.concatenate([markers, np.asarray(obstacles, float)])
    )
    centers = np.full_like(points, np.nan)
    candidates, standing = [], []
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        places = _candidates(point, size, radius)
        cost = _standing(
            places, point, size, area, np.delete(fixed, i, 0), np.delete(points, i, 0), radius
        )
        order = np.argsort(cost, kind='stable')
        candidates.append(places[order])
        standing.append(cost[order])
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    crowded = np.argsort(np.sort(distances, 1)[:, :4].sum(1), kind='stable')
    for _ in range(_PASSES):
        before = centers.copy()
        for i in crowded:
            placed = np.flatnonzero(~np.isnan(centers[:, 0]) & (np.arange(len(points)) != i))
            lowest = np.inf
            for start in range(0, len(candidates[i]), _CHUNK):
                if standing[i][start] >= lowest:
                    # what follows costs more before it meets any label
                    break
                chunk = candidates[i][start : start + _CHUNK]
                meeting = _meeting(
                    chunk, points[i], sizes[i], centers[placed], points[placed], sizes[placed]
                )
                cost = standing[i][start : start + _CHUNK] + meeting
                if cost.min() < lowest:
                    lowest, centers[i] = cost.min(), chunk[np.argmin(cost)]
        if np.array_equal(before, centers):
            break
    return centers


def leader(point: np.ndarray, center: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The point (or points, by broadcasting) of the label's box that is nearest to `point`: where
    its leader line ends.
    """
    return np.clip(point, center - size / 2, center + size / 2)


def _candidates(point: np.ndarray, size: np.ndarray, radius: float) -> np.ndarray:
    """(c, 2) centers: the box touches a circle around the point, at each angle and gap, the nearest
    first.
    """
    direction = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
    return (
        point
        + (radius + _GAPS[:, None, None]) * direction
        + np.sign(np.round(direction, 6)) * size / 2 * np.minimum(1, 1.5 * np.abs(direction))
    ).reshape(-1, 2)


def _standing(
    centers: np.ndarray,
    point: np.ndarray,
    size: np.ndarray,
    area: tuple[float, float, float, float],
    fixed: np.ndarray,
    others: np.ndarray,
    radius: float,
) -> np.ndarray:
    """(c,) cost of each candidate against what never moves."""
    boxes = _boxes(centers, size)
    outside = np.maximum(0, np.array(area[:2]) - boxes[:, :2]).sum(1) + np.maximum(
        0, boxes[:, 2:] - np.array(area[2:])
    ).sum(1)
    distance = (1.5 * _GAPS[:, None] + _PREFERENCE).ravel()
    crossed = _inside(
        _leader_samples(centers, point, size), np.concatenate([others - radius, others + radius], 1)
    ).sum((1, 2))
    return 1000 * outside + 3 * _overlap(boxes, fixed).sum(1) + distance + 20 * crossed


def _meeting(
    centers: np.ndarray,
    point: np.ndarray,
    size: np.ndarray,
    placed: np.ndarray,
    points: np.ndarray,
    sizes: np.ndarray,
) -> np.ndarray:
    """(c,) cost of each candidate against the labels placed so far and their leader lines."""
    boxes, standing = _boxes(centers, size), _boxes(placed, sizes)
    grown = standing + np.array([-2, -1, 2, 1])
    mine = _inside(_leader_samples(centers, point, size), standing).sum((1, 2))
    ends = leader(points, placed, sizes)
    theirs = (points[:, None] + _ALONG[:-1, None] * (ends - points)[:, None]).reshape(-1, 2)
    crossed = (
        _inside(np.broadcast_to(theirs, (len(boxes), *theirs.shape)), boxes[:, None]).sum((1, 2))
        if len(theirs)
        else 0
    )
    return 10 * _overlap(boxes, grown).sum(1) + 30 * mine + 30 * crossed


def _boxes(centers: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], -1)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) areas that the boxes (n, 4) and (m, 4) share."""
    low, high = (
        np.maximum(a[:, None, :2], b[None, :, :2]),
        np.minimum(a[:, None, 2:], b[None, :, 2:]),
    )
    return np.clip(high - low, 0, None).prod(-1)


def _leader_samples(centers: np.ndarray, point: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(c, s, 2) points along the leader of each candidate."""
    return point + _ALONG[:-1, None] * (leader(point, centers, size) - point)[:, None]


def _inside(samples: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(c, s, m) whether sample s of candidate c lies in a box; boxes are (m, 4), or (c, 1, 4) with
    one for each candidate.
    """
    boxes = boxes if boxes.ndim == 3 else boxes[None]
    above = samples[:, :, None] > boxes[:, None, :, :2]
    below = samples[:, :, None] < boxes[:, None, :, 2:]
    return np.all(above & below, axis=-1)

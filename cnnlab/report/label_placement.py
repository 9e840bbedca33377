"""Places the labels of points so that they cover neither each other nor the points."""

import numpy as np

# directions from a point to its label
_ANGLES = np.deg2rad(np.arange(0, 360, 22.5))
# pixels between a marker and its label
_GAPS = np.array([2, 8, 16, 26, 38, 52, 68, 86, 108, 132, 160])
# cost of each direction: least to the right, then to the left, then above and below
_PREFERENCE = np.full(16, 2.0)
_PREFERENCE[[0, 8, 4, 12]] = 0, 1, 1.5, 1.5
# most rounds in which labels move
_PASSES = 8
# candidates whose cost is computed at a time
_CHUNK = 12
# points of a leader line at which crossings are looked for, as shares of its length
_ALONG = np.linspace(0.15, 1, 8)


def place_labels(
    points: np.ndarray,
    sizes: np.ndarray,
    area: tuple[float, float, float, float],
    radius: float,
    obstacles: np.ndarray | None = None,
) -> np.ndarray:
    """Chooses the best of 176 candidate places for the label of each point.

    The cost of a place is the area that the label covers of other labels, markers and obstacles,
    the length outside of `area`, its distance from the point, and the labels and markers that its
    leader line crosses. Labels choose one after another, the most crowded points first, in at most
    8 rounds, until none moves. The result is deterministic.

    Args:
      points: (n, 2), in pixels.
      sizes: (n, 2), width and height of each label in pixels.
      area: (left, bottom, right, top), where labels should stay.
      radius: of the markers, in pixels.
      obstacles: (m, 4), boxes (left, bottom, right, top) that labels avoid, such as error bars.

    Returns:
      Centers of the labels, (n, 2).
    """
    points = np.asarray(points, float).reshape(-1, 2)
    sizes = np.asarray(sizes, float).reshape(-1, 2)
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
                    # candidates are sorted: the rest costs more even without other labels
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
    """Returns the end of a leader line: the point of the label's box that is nearest to `point`.

    The arguments broadcast, so that it works for many labels at once.
    """
    return np.clip(point, center - size / 2, center + size / 2)


def _candidates(point: np.ndarray, size: np.ndarray, radius: float) -> np.ndarray:
    """Returns the candidate centers of a label, (c, 2), nearest first.

    At each angle and gap the label touches a circle around the point.
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
    """Returns the cost of each candidate, (c,), without that of meeting other labels."""
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
    """Returns the cost of meeting the labels placed so far and their leader lines, (c,)."""
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
    """Returns the areas that boxes (n, 4) and boxes (m, 4) have in common, (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.clip(high - low, 0, None).prod(-1)


def _leader_samples(centers: np.ndarray, point: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Returns points along the leader line of each candidate, (c, s, 2)."""
    return point + _ALONG[:-1, None] * (leader(point, centers, size) - point)[:, None]


def _inside(samples: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Returns whether sample s of candidate c lies in box m, (c, s, m).

    Args:
      samples: (c, s, 2).
      boxes: (m, 4), or (c, 1, 4) with one box for each candidate.
    """
    boxes = boxes if boxes.ndim == 3 else boxes[None]
    above = samples[:, :, None] > boxes[:, None, :, :2]
    below = samples[:, :, None] < boxes[:, None, :, 2:]
    return np.all(above & below, axis=-1)

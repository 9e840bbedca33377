"""Retrieval: the images of a set whose features are nearest to those of a query."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from cnnlab import names

DISTANCES = ('cosine', 'euclidean')


def nearest(
    features: np.ndarray, queries: np.ndarray, count: int, *, distance: str = 'cosine'
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the images of a set that are nearest to each query, by their features.

    Args:
      features: (images, d) of the set.
      queries: (queries, d); a query that is in the set finds itself first.
      count: images for each query.
      distance: 'cosine' or 'euclidean'.

    Returns:
      indices and distances, (queries, count) each, the nearest first.

    Raises:
      ValueError: more images wanted than there are, other numbers of features, or an unknown
        distance.
    """
    names.among('distance', distance, DISTANCES)
    features, queries = np.asarray(features), np.asarray(queries)
    if not 1 <= count <= len(features):
        raise ValueError(
            f'the set has {len(features)} images; {count} nearest ones cannot be found'
        )
    if features.shape[1] != queries.shape[1]:
        raise ValueError(
            f'the set has {features.shape[1]} features for each image and the queries have '
            f'{queries.shape[1]}'
        )
    found = NearestNeighbors(n_neighbors=count, metric=distance).fit(features).kneighbors(queries)
    return found[1], found[0]

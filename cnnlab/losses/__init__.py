"""Losses: of classifiers, of embeddings (triplets), and penalties on weights."""

from cnnlab.losses.classification import (
    LOSSES,
    SMOOTHED,
    Loss,
    binary_cross_entropy,
    by_name,
    focal,
    hinge,
    rbf_map,
    register,
    shares,
    softmax,
    squared_hinge,
    sum_of_squares,
    weighted,
)
from cnnlab.losses.penalties import l1, l2
from cnnlab.losses.triplet import batch_hard, semi_hard

__all__ = [
    'LOSSES',
    'SMOOTHED',
    'Loss',
    'batch_hard',
    'binary_cross_entropy',
    'by_name',
    'focal',
    'hinge',
    'l1',
    'l2',
    'rbf_map',
    'register',
    'semi_hard',
    'shares',
    'softmax',
    'squared_hinge',
    'sum_of_squares',
    'weighted',
]

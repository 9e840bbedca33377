"""Weights of classes for sets in which some have more images than others."""

import numpy as np


def class_weights(labels: np.ndarray, classes: int, power: float = 1.0) -> np.ndarray:
    """What to multiply the loss of an image of each class by: float32 (classes,), proportional to
    (images of the class) ** -power.

    The mean over the images is 1, so that the learning rate keeps its meaning. With `power` 1 all
    classes weigh the same together, as scikit-learn's 'balanced' does; 0 weighs all images the
    same. A class without images has weight 0.

    Args:
      labels: integers (n,) in 0 .. classes - 1, of the training images.
      classes: how many classes there are.
      power: 0 to 1.

    Raises:
      ValueError: no labels, a label outside of the classes, or another power.
    """
    labels = np.asarray(labels)
    if not len(labels):
        raise ValueError('classes cannot be weighed without any image')
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f'labels run from {labels.min()} to {labels.max()}, classes from 0 to {classes - 1}'
        )
    if not 0 <= power <= 1:
        raise ValueError(f'the power of class weights is from 0 to 1, not {power}')
    counts = np.bincount(labels, minlength=classes)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0)
    return (weights * len(labels) / (weights @ counts)).astype(np.float32)

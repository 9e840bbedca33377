"""Class weights for data sets whose classes differ in size."""

import numpy as np


def class_weights(labels: np.ndarray, classes: int, power: float = 1.0) -> np.ndarray:
    """Factors on the loss of the images of each class, for training on unbalanced classes.

    The weight of a class is proportional to (number of its images) ** -power. The mean weight over
    the images is 1, so that the learning rate keeps its meaning. A class without images has
    weight 0.

    Args:
      labels: the class of each training image, integers (n,) in 0 .. classes - 1.
      classes: the number of classes.
      power: 0 gives every image the same weight; 1 gives every class the same total weight, as
        scikit-learn's 'balanced' does.

    Returns:
      float32 (classes,).

    Raises:
      ValueError: there are no labels, a label is not a class, or `power` is outside of 0 .. 1.

    Example:
      >>> class_weights(np.array([0, 0, 0, 0, 1, 1]), classes=2).tolist()
      [0.75, 1.5]
    """
    labels = np.asarray(labels)
    if not len(labels):
        raise ValueError('class weights need at least one image')
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f'labels run from {labels.min()} to {labels.max()}, classes from 0 to {classes - 1}'
        )
    if not 0 <= power <= 1:
        raise ValueError(f'the power of class weights must be from 0 to 1, not {power}')
    counts = np.bincount(labels, minlength=classes)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0)
    return (weights * len(labels) / (weights @ counts)).astype(np.float32)

"""Linear probes: how well a linear classifier tells the classes from the features of each layer.

Alain & Bengio 2016, arXiv:1610.01644.
"""

import warnings
from collections.abc import Mapping

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnlab.visual import batches


def accuracies(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    folds: int = 5,
    strength: float = 1.0,
    seed: int = 0,
) -> dict[str, float]:
    """{layer: mean top-1 of a logistic regression on standardized features, over stratified folds}.

    Args:
      features: {layer: (images, d)}, as `features.extract` gives them.
      labels: (images,) of at least two classes, each with `folds` images or more.
      folds: of cross-validation.
      strength: of the L2 penalty (scikit-learn's 1 / C).
      seed: of the folds.

    Raises:
      ValueError: other numbers of labels than of images, one class only, or a class with too few
        images.
    """
    labels = np.asarray(labels)
    found, counts = np.unique(labels, return_counts=True)
    if wrong := [layer for layer, x in features.items() if len(x) != len(labels)]:
        raise ValueError(f'there are {len(labels)} labels for {len(features[wrong[0]])} images')
    if len(found) < 2 or counts.min() < folds:
        raise ValueError(
            f'a probe with {folds} folds needs at least two classes with {folds} images each; got '
            f'{len(found)} classes, the '
            f'smallest with {counts.min() if len(found) else 0}'
        )
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    out = {}
    for layer in batches.watched(list(features), 'linear probes'):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, max_iter=500))
        with warnings.catch_warnings():
            # of features that are not scaled to be separable in few steps
            warnings.simplefilter('ignore', ConvergenceWarning)
            out[layer] = float(
                cross_val_score(probe, features[layer].astype(np.float64), labels, cv=split).mean()
            )
    return out

"""Linear probes: how well a linear classifier tells the classes from the features of each layer."""

import warnings
from collections.abc import Mapping

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnlab.report import progress


def accuracies(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    *,
    folds: int = 5,
    strength: float = 1.0,
    seed: int = 0,
) -> dict[str, float]:
    """Returns the top-1 accuracy of a logistic regression on the features of each layer.

    Features are standardized, and the accuracy is the mean over stratified folds.

    Args:
      features: {layer: (images, d)}, as `features.extract` gives them.
      labels: (images,) of at least two classes, each with `folds` images or more.
      folds: of cross-validation.
      strength: of the L2 penalty (scikit-learn's 1 / C).
      seed: of the folds.

    Returns:
      {layer: accuracy in 0..1}.

    Raises:
      ValueError: other numbers of labels than of images, one class only, or a class with too few
        images.

    Reference:
      Alain & Bengio 2016, arXiv:1610.01644.
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if wrong := [layer for layer, x in features.items() if len(x) != len(labels)]:
        raise ValueError(f'there are {len(labels)} labels for {len(features[wrong[0]])} images')
    if len(classes) < 2 or counts.min() < folds:
        raise ValueError(
            f'a probe with {folds} folds needs at least two classes with {folds} images each; got '
            f'{len(classes)} classes, the smallest with {counts.min() if len(classes) else 0}'
        )
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    out = {}
    for layer in progress.track(list(features), 'linear probes'):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=1 / strength, max_iter=500))
        with warnings.catch_warnings():
            # 500 steps may not be enough for many features, and the accuracy is good all the same
            warnings.simplefilter('ignore', ConvergenceWarning)
            out[layer] = float(
                cross_val_score(probe, features[layer].astype(np.float64), labels, cv=split).mean()
            )
    return out

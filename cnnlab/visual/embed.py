"""Features as points of a plane: principal components and t-SNE."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

# up to this many images all pairs are counted; for more, Barnes-Hut takes distant ones together
_EXACT = 500


def pca(features: np.ndarray, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Projects features onto their principal components.

    Args:
      features: (n, d).
      dimensions: components to keep.

    Returns:
      points (n, dimensions), and the fraction of the variance that each component explains
      (dimensions,).

    Raises:
      ValueError: more dimensions than images or features.
    """
    x = _matrix(features)
    if not 1 <= dimensions <= min(x.shape):
        raise ValueError(
            f'{x.shape[0]} images with {x.shape[1]} features have 1 to {min(x.shape)} principal '
            f'components; got {dimensions}'
        )
    fitted = PCA(dimensions, svd_solver='full').fit(x)
    return fitted.transform(x), fitted.explained_variance_ratio_


def tsne(features: np.ndarray, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """Returns points of a plane whose neighborhoods are those of the features.

    By scikit-learn, started from PCA. Features of more than 50 dimensions are first reduced to 50
    principal components, as the paper does.

    Args:
      features: (n, d).
      perplexity: about the number of neighbors that count.
      seed: of scikit-learn's random numbers.

    Returns:
      (n, 2).

    Raises:
      ValueError: the perplexity is not below the number of images, or there are fewer than 4.

    Reference:
      van der Maaten & Hinton 2008, JMLR 9.
    """
    x = _matrix(features)
    if len(x) < 4 or not 0 < perplexity < len(x):
        raise ValueError(
            f't-SNE needs 4 images or more and a perplexity above 0 and below their number; '
            f'got {len(x)} images and a perplexity of {perplexity:g}'
        )
    if min(x.shape) > 50:
        x, _ = pca(x, 50)
    form = 'exact' if len(x) <= _EXACT else 'barnes_hut'
    return TSNE(2, perplexity=perplexity, init='pca', random_state=seed, method=form).fit_transform(
        x
    )


def _matrix(features):
    x = np.asarray(features, np.float32)
    if x.ndim != 2 or not len(x) or not np.isfinite(x).all():
        raise ValueError(
            f'features are finite numbers of shape (images, features); got the shape {x.shape}'
        )
    return x

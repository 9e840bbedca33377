"""SmoothGrad: the mean gradient over noisy copies of an image."""

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab.classifier import Array, Classifier
from cnnlab.visual import batches, class_scores, gradients


def smooth_grad(
    net: Classifier,
    images: Array,
    classes: class_scores.Classes = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    batch: int = 16,
) -> np.ndarray:
    """Returns the mean gradient over noisy copies; `gradients.strongest` makes a map of it.

    Args:
      net, images, classes: as of `gradients.gradient`.
      samples: noisy copies of each image.
      noise: standard deviation of the Gaussian noise, as a fraction of each image's largest minus
        smallest value.
      seed: of the noise; that of an image does not depend on the other images.
      batch: copies at a time.

    Returns:
      float32 (n, height, width, channels), of both signs.

    Raises:
      ValueError: see `class_scores.resolve`; samples or batch below 1, negative noise.

    Reference:
      Smilkov et al. 2017, arXiv:1706.03825.
    """
    if samples < 1 or batch < 1 or noise < 0:
        raise ValueError(
            f'SmoothGrad takes samples and batch of at least 1 and noise of at least 0; got '
            f'{samples}, {batch}, {noise}'
        )
    classes = class_scores.resolve(net, images, classes)
    images = jnp.asarray(images)

    def of_copies(indices):
        image = indices // samples
        copies = _noisy(images, image, indices % samples, noise, seed)
        return gradients.of_classes(net.model, net.variables, copies, classes[image])

    total = np.zeros(images.shape, class_scores.result_dtype(images))
    for indices, values in batches.each(of_copies, len(images) * samples, batch, 'SmoothGrad'):
        np.add.at(total, indices // samples, values)
    return total / samples


@jax.jit
def _noisy(images, of_image, sample, noise, seed):
    x = images[of_image]
    draws = jax.vmap(
        lambda s: jax.random.normal(
            jax.random.fold_in(jax.random.key(seed), s), x.shape[1:], jnp.float32
        )
    )(sample)
    deviation = noise * (x.max((1, 2, 3), keepdims=True) - x.min((1, 2, 3), keepdims=True))
    return x + deviation.astype(x.dtype) * draws.astype(x.dtype)

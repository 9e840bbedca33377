"""SmoothGrad: the mean gradient over noisy copies of an image.

Smilkov et al. 2017, arXiv:1706.03825.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.visual import batches, gradients, target


def smooth_grad(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    cls: target.Classes = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    batch: int = 16,
) -> np.ndarray:
    """The mean gradient, float32 (n, height, width, channels); `gradients.strongest` makes a map of
    it.

    Args:
      model, variables, images, cls: as of `gradients.gradient`.
      samples: noisy copies of each image.
      noise: standard deviation of the noise, as a part of each image's largest minus smallest
        value.
      seed: of the noise; that of an image does not depend on the other images.
      batch: copies at a time.

    Raises:
      ValueError: see `target.classes`; samples or batch below 1, negative noise.
    """
    if samples < 1 or batch < 1 or noise < 0:
        raise ValueError(
            f'SmoothGrad takes samples and batch of at least 1 and noise of at least 0; got '
            f'{samples}, {batch}, {noise}'
        )
    found = target.classes(model, variables, images, cls)
    images = jnp.asarray(images)

    def of(indices):
        of_image = indices // samples
        return gradients.of_classes(
            model,
            variables,
            _noisy(images, of_image, indices % samples, noise, seed),
            found[of_image],
        )

    total = np.zeros(images.shape, target.result_dtype(images))
    for indices, values in batches.each(of, len(images) * samples, batch, 'SmoothGrad'):
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
    spread = noise * (x.max((1, 2, 3), keepdims=True) - x.min((1, 2, 3), keepdims=True))
    return x + spread.astype(x.dtype) * draws.astype(x.dtype)

"""Renormalised filters: Zeiler & Fergus 2013, arXiv:1311.2901 (facts.md, table 2)."""
import jax
import jax.numpy as jnp
import optax


def renormalise(rms: float) -> optax.GradientTransformation:
    """To be last in a chain: after the update, each convolution filter whose root mean square is above `rms` is scaled back to it.

    A filter is one output channel of a kernel (kh, kw, c, features); other leaves are left alone. ZFNet's limit is 0.1, which keeps a few
    filters of the first layer from dominating; that all convolutions are limited, not the first alone, is the paper's 'convolutional
    layers' in facts.md.

    Raises:
      ValueError: the limit is not above 0; or, in update, no parameters are given.
    """
    if not rms > 0:
        raise ValueError(f'filters are scaled back to a root mean square above 0, not {rms}')

    def limited(update, w):
        if w.ndim != 4:
            return update
        new = w + update
        size = jnp.sqrt(jnp.square(new).mean((0, 1, 2), keepdims=True))
        return new * jnp.minimum(1, rms / jnp.maximum(size, jnp.finfo(new.dtype).tiny)) - w

    def update(updates, state, params=None):
        if params is None:
            raise ValueError('filters cannot be renormalised without the parameters')
        return jax.tree.map(limited, updates, params), state
    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

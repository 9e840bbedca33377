"""Train states for tests of storage: with numbers that a careless copy would change, at any step;
and their comparison bit for bit.
"""

import jax
import numpy as np

from cnnlab.train.setup import build_setup
from tests.train.nets import tiny


def odd():
    """A state of numpy arrays with a moving average, and with such numbers."""
    found = jax.device_get(
        build_setup(tiny(average='ema', **{'average.decay': 0.9}), devices=1).init(np.uint32(0))
    )
    return found.replace(
        params={**found.params, 'odd': np.array([-0.0, np.nan, np.inf, 1e-45], np.float32)}
    )


def at(state, step):
    """The state as of another step."""
    return state.replace(step=np.int32(step), params=jax.tree.map(lambda a: a * step, state.params))


def same(a, b):
    """Bit for bit, in structure, dtype and value."""
    a, b = jax.device_get((a, b))
    assert jax.tree.structure(a) == jax.tree.structure(b)
    return all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes()
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )

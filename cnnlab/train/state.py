"""All that a step reads and writes, and all that a checkpoint holds: the data is a function of
(seed, step).
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab.nn import initializers


class TrainState(flax.struct.PyTreeNode):
    """A pytree of arrays.

    `ema` is None or {'params', 'batch_stats'}: their moving average, which evaluation then uses.
    `control` holds what decides about the run: 'best' (validation top-1 so far, -1 before the
    first) and 'best_step'; how often the guard acted, 'skipped' and 'rollbacks'; where a run may
    stop early also 'stale', the evaluations in a row since the best.
    """

    # int32: optimizer updates made
    step: jax.Array
    params: Any
    # {} for networks without
    batch_stats: Any
    opt_state: optax.OptState
    ema: Any
    control: dict[str, jax.Array]

    @property
    def evaluation_variables(self) -> dict[str, Any]:
        """{'params', 'batch_stats'} that evaluation uses: the average where there is one."""
        return self.ema or {'params': self.params, 'batch_stats': self.batch_stats}


def init_variables(
    model: nn.Module,
    seed: jax.Array,
    image: jax.ShapeDtypeStruct,
    initializer: initializers.Initializer | None = None,
) -> dict[str, Any]:
    """{'params', 'batch_stats'} of a network for images (n, h, w, c) of that shape and dtype; pure,
    and a function of the seed alone.

    Parameters are float32, or float64 for float64 images. `initializer` draws the kernels in place
    of the network's own.
    """
    variables = model.init(
        {'params': jax.random.key(seed)}, jnp.zeros(image.shape, image.dtype), train=False
    )
    if initializer is not None:
        variables = {
            **variables,
            'params': initializers.redrawn(variables['params'], initializer, jax.random.key(seed)),
        }
    wanted = jnp.promote_types(image.dtype, jnp.float32)
    variables = jax.tree.map(lambda a: a.astype(wanted), variables)
    return {'params': variables['params'], 'batch_stats': variables.get('batch_stats', {})}


def init_state(
    model: nn.Module,
    tx: optax.GradientTransformation,
    seed: jax.Array,
    image: jax.ShapeDtypeStruct,
    ema: bool = False,
    initializer: initializers.Initializer | None = None,
    stops: bool = False,
) -> TrainState:
    """The state at step 0, with an average to begin where `ema`, and with what early stopping
    counts where `stops`.
    """
    variables = init_variables(model, seed, image, initializer)
    control = {
        'best': jnp.full((), -1.0, jnp.float32),
        **{k: jnp.zeros((), jnp.int32) for k in ('best_step', 'skipped', 'rollbacks')},
    }
    if stops:
        control['stale'] = jnp.zeros((), jnp.int32)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        **variables,
        opt_state=tx.init(variables['params']),
        ema=variables if ema else None,
        control=control,
    )

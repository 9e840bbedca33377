"""The train state: all that a step reads and writes besides the batch, and all that a checkpoint
holds. Batches need no state, since they are a function of (seed, step).
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab.nn import initializers


class TrainState(flax.struct.PyTreeNode):
    """The state of training, a pytree of arrays.

    Attributes:
      step: int32, the number of optimizer updates made.
      params: of the network.
      batch_stats: of the network; {} if it has none.
      opt_state: of the optimizer.
      ema: None, or {'params', 'batch_stats'}: their average, which evaluation uses.
      control: 'best', the highest validation top-1 (-1 before the first) and its 'best_step'; the
        number of 'skipped' steps and 'rollbacks'; with early stopping also 'stale', the number of
        validations since the best.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema: Any
    control: dict[str, jax.Array]

    @property
    def evaluation_variables(self) -> dict[str, Any]:
        """{'params', 'batch_stats'} for evaluation: the average if there is one."""
        return self.ema or {'params': self.params, 'batch_stats': self.batch_stats}


def init_variables(
    model: nn.Module,
    seed: jax.Array,
    image: jax.ShapeDtypeStruct,
    initializer: initializers.Initializer | None = None,
) -> dict[str, Any]:
    """Initializes a network.

    Args:
      model: the network.
      seed: uint32.
      image: shape (n, h, w, c) and dtype of the images.
      initializer: draws the kernels in place of the network's own initializers.

    Returns:
      {'params', 'batch_stats'}, in float32, or float64 for float64 images.
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
    """Builds the state at step 0.

    Args:
      model, seed, image, initializer: see `init_variables`.
      tx: the optimizer.
      ema: whether to keep an average.
      stops: whether the run has early stopping.
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

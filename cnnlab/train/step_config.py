"""What a step computes with besides the state and the batch: one value for each kind of step."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab.data.preprocessing import normalize
from cnnlab.losses import Loss
from cnnlab.optim.average import ParameterAverage
from cnnlab.train.on_device.adversarial import Adversary


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ForwardConfig:
    """A network and how images reach it.

    Attributes:
      model: the network, `apply(variables, images, train)`.
      mean, std: what pixels (0 to 255) are normalized by.
      dtype: of the images that the network gets, and so of its activations.
    """

    model: nn.Module
    mean: Any
    std: Any
    dtype: Any = jnp.float32

    def inputs(self, image: jax.Array) -> jax.Array:
        """uint8 images (n, h, w, c) -> what the network gets."""
        return normalize(image, self.mean, self.std, self.dtype)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class StepConfig(ForwardConfig):
    """What `step.train_step` computes with.

    Attributes:
      tx: gradients -> updates of the parameters.
      loss: per image, of the logits.
      average: how `state.ema` moves, where there is one.
      flip, mixup, cutmix: see `mixing`; images are mirrored before they are normalized, and mixed
        after.
      accumulate: the batch goes through the network in so many parts, one after another, and the
        gradient is their mean. Every part is normalized by its own batch statistics; the running
        ones move once, by the mean over the parts: as with ghost batches of a part's size.
      penalty: what is added to the loss for these parameters.
      frozen: patterns of the parameters that get no gradient; `tx` must leave them alone
        (`optim.transforms.freezing`).
      aux_weight: of the loss of each auxiliary head, for networks that return (logits, aux, ...) in
        training.
      adversary: what changes the mirrored images before they are normalized.
    """

    tx: optax.GradientTransformation
    loss: Loss
    average: ParameterAverage | None = None
    flip: bool = False
    mixup: float = 0.0
    cutmix: float = 0.0
    accumulate: int = 1
    penalty: Callable[[Any], jax.Array] | None = None
    frozen: Sequence[str] = ()
    aux_weight: float = 0.3
    adversary: Adversary | None = None


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EvalConfig(ForwardConfig):
    """What `step.eval_step` computes with.

    Attributes:
      loss: per image, of the logits.
      tta: the views of each image whose logits are averaged, see `on_device.tta`.
    """

    loss: Loss
    tta: str = 'none'

"""Configurations of the train step and the evaluation step: all that is the same for every step."""

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
    """A network and the normalization of its images.

    Attributes:
      model: the network.
      mean, std: of the pixels (0 to 255), for normalization.
      dtype: of the network's input, and so of its activations.
    """

    model: nn.Module
    mean: Any
    std: Any
    dtype: Any = jnp.float32

    def inputs(self, image: jax.Array) -> jax.Array:
        """Normalizes uint8 images (n, h, w, c) for the network."""
        return normalize(image, self.mean, self.std, self.dtype)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class StepConfig(ForwardConfig):
    """The configuration of `step.train_step`.

    Attributes:
      tx: the optimizer.
      loss: (logits, labels) -> loss per image.
      average: updates `state.ema`; None if there is none.
      flip, mixup, cutmix: see `on_device.mixing`; images are flipped before normalization and mixed
        after it.
      accumulate: parts of a batch that go through the network one after another; the gradient is
        their mean. Each part is normalized by its own batch statistics, and the running ones move
        once, by the mean over the parts, as with ghost batches of the size of a part.
      penalty: parameters -> a term of the loss.
      frozen: patterns of the parameters without a gradient; `tx` must not change them
        (`optim.transforms.freezing`).
      aux_weight: weight of the loss of each auxiliary head, for networks that return
        (logits, aux, ...) in training.
      adversary: attacks the flipped images before normalization.
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
    """The configuration of `step.eval_step`.

    Attributes:
      loss: (logits, labels) -> loss per image.
      tta: the test-time augmentation, see `on_device.tta`.
    """

    loss: Loss
    tta: str = 'none'

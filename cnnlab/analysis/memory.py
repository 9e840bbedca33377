"""How much memory inference and training of a network take, from shapes alone: before a run, and
without a device.

Parameters, gradients, optimizer state and images are exact. Activations are what `buffers` models.
Of XLA's own memory analysis of the compiled train step on CPU the whole is off by: CIFAR ResNet-20
-4%, ResNet-18 +6%, VGG-11 +1%, LeNet-5 -3%, SqueezeNet 1.1 +19%; in the forms of convolutions that
run on CPU and at batch 8, MobileNet-v2 -4% at 96 pixels and +3% at 224, ResNeXt-50 +4%,
EfficientNet-B0 -26% (both at 96 pixels). In the reference form XLA on CPU makes depthwise kernels
dense, MobileNet-v2's to 32 MB each: its figure for that form is 1.4 times ours at 96 pixels and 1.1
times at 224, EfficientNet-B0's 2.6 times. Neither the forms that run on CPU nor cuDNN do so.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from cnnlab.analysis.buffers import bytes_of, peak_bytes
from cnnlab.analysis.cost import costs
from cnnlab.analysis.trace import abstract_variables, image_shapes
from cnnlab.nn.layers import reference_convolution
from cnnlab.nn.norms import replace_norm


@dataclasses.dataclass(frozen=True)
class Inference:
    """Bytes.

    Attributes:
      weights: parameters and batch statistics.
      images: the batch.
      kept: input and outputs of all layers together, those that work in place left out: the sum of
        the CNN lectures' tables.
      peak: the most that results take at one time, when each is dropped after its last use.
    """

    weights: int
    images: int
    kept: int
    peak: int

    @property
    def total(self) -> int:
        """Weights, images and the peak."""
        return self.weights + self.images + self.peak


@dataclasses.dataclass(frozen=True)
class Training:
    """Bytes at the moment of one train step when the most are held; they sum to `total`.

    Attributes:
      params: trained values.
      batch_stats: running statistics, the old ones.
      gradients: as many as `params`.
      optimizer: momentum and whatever else the rule keeps.
      images: the batch.
      activations: what the peak holds besides: results kept for the backward pass, and the room
        that operations need.
    """

    params: int
    batch_stats: int
    gradients: int
    optimizer: int
    images: int
    activations: int

    @property
    def total(self) -> int:
        """All of these."""
        return sum(dataclasses.astuple(self))


def inference(
    model: nn.Module, input_shape: tuple[int, ...], batch: int = 1, dtype=jnp.float32
) -> Inference:
    """The memory of `model.apply(variables, images)` for `batch` images of `input_shape`.

    Raises:
      ValueError: a size is not positive, or the network refuses such images.
    """
    images = image_shapes(input_shape, batch, dtype)
    with reference_convolution():
        variables = abstract_variables(model, images)
        peak = peak_bytes(jax.make_jaxpr(model.apply)(variables, images).jaxpr)
    return Inference(
        _bytes(variables), bytes_of(images), costs(model, input_shape, batch, dtype).bytes, peak
    )


def training(
    model: nn.Module,
    input_shape: tuple[int, ...],
    batch: int,
    dtype=jnp.float32,
    optimizer: optax.GradientTransformation | None = None,
) -> Training:
    """The memory of one step of softmax classification for `batch` images of `input_shape`.

    Args:
      model: takes `train=True`.
      input_shape: of one image, (height, width, channels).
      batch: images a step and device.
      dtype: of the images, hence of the activations.
      optimizer: any optax rule; SGD with momentum if left out.

    Raises:
      ValueError: a size is not positive, or the network refuses such images.
    """
    images = image_shapes(input_shape, batch, dtype)
    # ghost batches change no size, and need not divide the images of one device
    model = replace_norm(model, ghost_batch_size=None)
    labels = jax.ShapeDtypeStruct((batch,), jnp.int32)
    with reference_convolution():
        variables = abstract_variables(model, images)
        params = variables['params']
        rest = {name: tree for name, tree in variables.items() if name != 'params'}
        step = jax.make_jaxpr(jax.value_and_grad(_loss(model), has_aux=True))(
            params, rest, images, labels
        )
    state = jax.eval_shape((optimizer or optax.sgd(0.1, momentum=0.9)).init, params)
    gradients = _bytes(params)
    return Training(
        _bytes(params),
        _bytes(rest),
        gradients,
        _bytes(state),
        bytes_of(images),
        peak_bytes(step.jaxpr) - gradients,
    )


def _loss(model):
    def loss(
        params: Mapping[str, Any], rest: Mapping[str, Any], images: jax.Array, labels: jax.Array
    ):
        logits, moved = model.apply(
            {'params': params, **rest},
            images,
            train=True,
            mutable=['batch_stats'],
            rngs={'dropout': jax.random.key(0)},
        )
        return sum(
            optax.softmax_cross_entropy_with_integer_labels(head, labels).mean()
            for head in jax.tree.leaves(logits)
        ), moved

    return loss


def _bytes(tree) -> int:
    return sum(map(bytes_of, jax.tree.leaves(tree)))

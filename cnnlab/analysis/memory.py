"""Memory of inference and training, from shapes alone: before a run, and without a device.

Parameters, gradients, optimizer state and images are exact. Activations follow the model of
`buffers`.

The total differs from XLA's memory analysis of the compiled train step on CPU by -4% for CIFAR
ResNet-20, +6% for ResNet-18, +1% for VGG-11, -3% for LeNet-5 and +19% for SqueezeNet 1.1. With
`nn`'s fast forms of convolutions and 8 images per batch it differs by -4% (96 pixels) and +3% (224
pixels) for MobileNet-v2, by +4% for ResNeXt-50 and by -26% for EfficientNet-B0 (both at 96 pixels).

The reference form of depthwise convolutions needs more on CPU, because XLA makes their kernels
dense, up to 32 MB each in MobileNet-v2: 1.4 times our total at 96 pixels and 1.1 times at 224 for
MobileNet-v2, 2.6 times for EfficientNet-B0. Neither the fast forms nor cuDNN do that.
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
    """Memory of inference, in bytes.

    Attributes:
      weights: parameters and batch statistics.
      images: the batch of images.
      kept: input and outputs of all layers that do not work in place, as in the tables of the CNN
        lectures.
      peak: largest size of all results at one time, if each is freed after its last use.
    """

    weights: int
    images: int
    kept: int
    peak: int

    @property
    def total(self) -> int:
        """Bytes of weights, images and the peak of results."""
        return self.weights + self.images + self.peak


@dataclasses.dataclass(frozen=True)
class Training:
    """Memory of a train step at its peak, in bytes.

    Attributes:
      params: trained values.
      batch_stats: running statistics before the step.
      gradients: as large as `params`.
      optimizer: state of the optimizer, such as momentum.
      images: the batch of images.
      activations: the rest of the peak: results kept for the backward pass, and the workspace of
        operations.
    """

    params: int
    batch_stats: int
    gradients: int
    optimizer: int
    images: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of all of these."""
        return sum(dataclasses.astuple(self))


def inference(
    model: nn.Module, input_shape: tuple[int, ...], batch: int = 1, dtype=jnp.float32
) -> Inference:
    """Estimates the memory of `model.apply(variables, images)`.

    Args:
      model: the network.
      input_shape: shape of one image, (height, width, channels).
      batch: number of images.
      dtype: dtype of the images, and so of the activations.

    Raises:
      ValueError: a size is not positive, or the network does not take such images.

    Example:
      >>> inference(registry.create('resnet50'), (224, 224, 3), batch=32).total
    """
    images = image_shapes(input_shape, batch, dtype)
    with reference_convolution():
        variables = abstract_variables(model, images)
        peak = peak_bytes(jax.make_jaxpr(model.apply)(variables, images).jaxpr)
    return Inference(
        weights=_bytes(variables),
        images=bytes_of(images),
        kept=costs(model, input_shape, batch, dtype).bytes,
        peak=peak,
    )


def training(
    model: nn.Module,
    input_shape: tuple[int, ...],
    batch: int,
    dtype=jnp.float32,
    optimizer: optax.GradientTransformation | None = None,
) -> Training:
    """Estimates the memory of a train step with softmax cross-entropy on one device.

    Args:
      model: the network, which takes `train=True`.
      input_shape: shape of one image, (height, width, channels).
      batch: images per step and device.
      dtype: dtype of the images, and so of the activations.
      optimizer: any optax rule; None is SGD with momentum.

    Raises:
      ValueError: a size is not positive, or the network does not take such images.

    Example:
      >>> training(registry.create('resnet50'), (224, 224, 3), batch=32).activations
    """
    images = image_shapes(input_shape, batch, dtype)
    # no size depends on ghost batches, and their size need not divide the images of one device
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
        params=_bytes(params),
        batch_stats=_bytes(rest),
        gradients=gradients,
        optimizer=_bytes(state),
        images=bytes_of(images),
        # the gradients are outputs of the traced step, so its peak contains them
        activations=peak_bytes(step.jaxpr) - gradients,
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

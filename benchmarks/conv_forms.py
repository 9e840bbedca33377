"""Speed of convolutions, forward and backward: the form that `cnnlab.nn.convolve` chooses on this
machine against XLA's own.

    python -m benchmarks.conv_forms --repeats=5          # about a minute

For each shape and direction, prints the median milliseconds of both forms, measured in turns; their
ratio; the processor seconds of the fastest call, which other work on the machine disturbs less; and
the compile time of the chosen form.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks.turns import measured
from cnnlab.nn import convolve
from experiments import common

_REPEATS = flags.DEFINE_integer('repeats', 5, 'Measured calls of each form.', lower_bound=1)
_ONLY = flags.DEFINE_string('only', '', 'Text; only kinds of layers that contain it are measured.')


class Shape(NamedTuple):
    """A convolution and its input: square images of `size`, `channels` to `features`."""

    kind: str
    batch: int
    size: int
    channels: int
    features: int
    groups: int
    kernel: int
    stride: int = 1


SHAPES = (
    Shape('depthwise, MobileNet-v2', 8, 112, 32, 32, 32, 3),
    Shape('depthwise, MobileNet-v2', 8, 56, 144, 144, 144, 3, 2),
    Shape('depthwise, MobileNet-v2', 8, 14, 384, 384, 384, 3),
    Shape('depthwise, EfficientNet-B0', 8, 28, 240, 240, 240, 5),
    Shape('depthwise, EfficientNet-B0', 8, 7, 1152, 1152, 1152, 5),
    Shape('depthwise, ConvNeXt-T', 8, 28, 192, 192, 192, 7),
    Shape('grouped, ResNeXt-50', 8, 56, 128, 128, 32, 3),
    Shape('grouped, ResNeXt-50', 8, 28, 256, 256, 32, 3),
    Shape('grouped, ResNeXt-50', 8, 14, 512, 512, 32, 3),
    Shape('grouped, ResNeXt-50', 8, 7, 1024, 1024, 32, 3),
    Shape('grouped, RegNetY-400MF', 8, 14, 208, 208, 26, 3),
    Shape('grouped, AlexNet', 8, 27, 96, 256, 2, 5),
    Shape('product, ResNet-50', 8, 56, 64, 256, 1, 1),
    Shape('product, ResNet-50', 8, 56, 256, 512, 1, 1, 2),
    Shape('product, ResNet-50', 8, 14, 1024, 256, 1, 1),
    Shape('product, MobileNet-v2', 8, 112, 16, 96, 1, 1),
    Shape('dense, CIFAR ResNet', 128, 32, 16, 16, 1, 3),
    Shape('dense, CIFAR ResNet', 128, 16, 32, 32, 1, 3),
    Shape('dense, CIFAR ResNet', 128, 8, 64, 64, 1, 3),
    Shape('dense, CIFAR first layer', 128, 32, 3, 16, 1, 3),
    Shape('dense, digits', 50, 8, 16, 16, 1, 3),
    Shape('dense, ConvNetJS', 50, 32, 16, 20, 1, 5),
    Shape('dense, LeNet-5 C3', 128, 14, 6, 16, 1, 5),
    Shape('dense, ResNet-50', 8, 56, 64, 64, 1, 3),
    Shape('dense, ResNet-50', 8, 14, 256, 256, 1, 3),
    Shape('dense, ResNet-50', 8, 7, 512, 512, 1, 3),
    Shape('dense, ResNet-50, one image', 1, 56, 64, 64, 1, 3),
    Shape('one channel, LeNet-5', 128, 32, 1, 6, 1, 5),
    Shape('one channel, small convnet', 128, 28, 1, 32, 1, 3),
    Shape('kernel above map, CIFAR ResNet', 64, 2, 64, 64, 1, 3),
    Shape('kernel above map, ResNet-18', 8, 2, 512, 512, 1, 3),
)


def forms(shape: Shape):
    """Returns {form: {direction: function of (x, kernel, cotangent)}}, and these three arrays."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(
        rng.standard_normal((shape.batch, shape.size, shape.size, shape.channels)), jnp.float32
    )
    kernel = jnp.asarray(
        rng.standard_normal(
            (shape.kernel, shape.kernel, shape.channels // shape.groups, shape.features)
        ),
        jnp.float32,
    )
    options = {
        'stride': shape.stride,
        'pads': ((shape.kernel // 2,) * 2,) * 2,
        'groups': shape.groups,
    }
    reference = functools.partial(convolve.plain, **options)
    chosen = functools.partial(convolve.convolve, **options)
    out = jax.eval_shape(reference, x, kernel)
    cotangent = jnp.cos(jnp.arange(out.size, dtype=jnp.float32)).reshape(out.shape)
    both = {
        name: {
            'forward': lambda x, w, ct, f=f: f(x, w),
            'backward': lambda x, w, ct, f=f: jax.vjp(f, x, w)[1](ct),
        }
        for name, f in (('reference', reference), ('chosen', chosen))
    }
    return both, (x, kernel, cotangent)


def main(_):
    """Prints the table."""
    print(
        f'{"layer":28} {"shape":26} {"":9} {"reference":>12} {"chosen":>12} {"ratio":>7} '
        f'{"processor s":>17} {"compile":>9}'
    )
    for shape in SHAPES:
        if _ONLY.value not in shape.kind:
            continue
        both, arrays = forms(shape)
        text = (
            f'{shape.batch}x{shape.size}x{shape.size}x{shape.channels} '
            f'{shape.kernel}x{shape.kernel}/{shape.stride} g{shape.groups}'
        )
        for direction in ('forward', 'backward'):
            figures, compiling = measured(
                {n: f[direction] for n, f in both.items()}, arrays, _REPEATS.value
            )
            (old, old_cpu), (new, new_cpu) = figures['reference'], figures['chosen']
            print(
                f'{shape.kind:28} {text:26} {direction:9} {old:9.1f} ms {new:9.1f} ms '
                f'{old / new:6.1f}x {old_cpu:8.3f} {new_cpu:8.3f} '
                f'{compiling["chosen"]:7.2f} s',
                flush=True,
            )


if __name__ == '__main__':
    common.start(main)

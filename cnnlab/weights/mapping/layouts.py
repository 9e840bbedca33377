"""Layouts of an array in a source's file and here: pairs of functions, each the exact inverse of
the other.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Layout:
    """A change of axes without arithmetic, and its inverse.

    `rank` is the number of axes that the source's array has.
    """

    name: str
    rank: int
    to_ours: Callable[[np.ndarray], np.ndarray]
    to_source: Callable[[np.ndarray], np.ndarray]


def _axes(name, rank, *order):
    """The layout that moves axes: ours[i] is the source's axis order[i]."""
    back = tuple(int(i) for i in np.argsort(order))
    return Layout(name, rank, lambda a: a.transpose(order), lambda a: a.transpose(back))


VECTOR = Layout('as it is', 1, lambda a: a, lambda a: a)
# Keras convolutions, (height, width, inputs per group, outputs)
HWIO = Layout('HWIO', 4, lambda a: a, lambda a: a)
# Keras dense kernels
IO = Layout('IO', 2, lambda a: a, lambda a: a)
# torch convolutions, grouped ones too
OIHW = _axes('OIHW to HWIO', 4, 2, 3, 1, 0)
# torch linear weights
OI = _axes('OI to IO', 2, 1, 0)
# A linear layer of theirs that is a 1x1 convolution here, and the other way round.
OI_AS_CONV = Layout('OI to 11IO', 2, lambda a: a.T[None, None], lambda a: a[0, 0].T)
IO_AS_CONV = Layout('IO to 11IO', 2, lambda a: a[None, None], lambda a: a[0, 0])
OI11_AS_DENSE = Layout('OI11 to IO', 4, lambda a: a[:, :, 0, 0].T, lambda a: a.T[:, :, None, None])
HWIO11_AS_DENSE = Layout('11IO to IO', 4, lambda a: a[0, 0], lambda a: a[None, None])
# torchvision's ConvNeXt
CHANNELS_FIRST_SCALE = Layout(
    '(c, 1, 1) to (c,)', 3, lambda a: a.reshape(-1), lambda a: a.reshape(-1, 1, 1)
)


@functools.cache
def flattened(channels: int, height: int, width: int) -> Layout:
    """torch's first linear layer after a flatten, whose inputs run over (channels, height, width);
    ours run over (height, width, channels).
    """

    def to_ours(a):
        return (
            a.reshape(-1, channels, height, width)
            .transpose(2, 3, 1, 0)
            .reshape(height * width * channels, -1)
        )

    def to_source(a):
        return (
            a.reshape(height, width, channels, -1)
            .transpose(3, 2, 0, 1)
            .reshape(-1, channels * height * width)
        )

    return Layout(
        f'O({channels} {height} {width}) to ({height} {width} {channels})O', 2, to_ours, to_source
    )


@functools.cache
def window(height: int, width: int) -> Layout:
    """torch's convolution over a whole map, which is a dense layer here: the window becomes the
    inputs.
    """

    def to_source(a):
        return a.reshape(height, width, -1, a.shape[-1]).transpose(3, 2, 0, 1)

    return Layout(
        f'OI{height}{width} to ({height} {width} I)O',
        4,
        lambda a: a.transpose(2, 3, 1, 0).reshape(-1, a.shape[0]),
        to_source,
    )


@functools.cache
def depthwise(multiplier: int = 1) -> Layout:
    """Keras's depthwise kernels (h, w, channels, multiplier) as ours (h, w, 1, channels *
    multiplier).
    """
    return Layout(
        'HWCM to HW1(CM)',
        4,
        lambda a: a.reshape(*a.shape[:2], 1, -1),
        lambda a: a.reshape(*a.shape[:2], -1, multiplier),
    )

"""Reads SqueezeNet 1.0 as Deep Compression publishes it (Han, Mao & Dally 2016, arXiv:1510.00149):
two thirds of the weights pruned, the others 8-bit codes of shared values.

The format, after decode.py in github.com/songhan/SqueezeNet-Deep-Compression: the number of weights
that each layer keeps, as uint32; then for each layer 256 shared values and the biases as float32, a
code for each kept weight, and the 4-bit gaps between their places, two per byte. Layers are in the
order of the network, weights in Caffe's (out, in, height, width).
"""

import pathlib
from collections.abc import Iterator

import numpy as np

# where torchvision's squeezenet1_0 has fire2 to fire9 among its `features`
_FIRES = (3, 4, 5, 7, 8, 9, 10, 12)
_VALUES = 256


def _layers() -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """(torchvision's name, shape of the weights) of each convolution: SqueezeNet's Table 1."""
    yield 'features.0', (96, 3, 7, 7)
    inputs = 96
    for fire, place in enumerate(_FIRES, 2):
        squeeze, expand = 16 * (fire // 2), 64 * (fire // 2)
        yield f'features.{place}.squeeze', (squeeze, inputs, 1, 1)
        for size in (1, 3):
            yield f'features.{place}.expand{size}x{size}', (expand, squeeze, size, size)
        inputs = 2 * expand
    yield 'classifier.1', (1000, inputs, 1, 1)


def squeezenet(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of compressed_SqueezeNet.net, by the names of torchvision's squeezenet1_0.

    Caffe's network takes BGR images; the first kernel is reversed here, so that this one takes RGB:
    0 to 255, minus (123, 117, 104).

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is another file, or damaged; one sentence names it.
    """
    data, at = pathlib.Path(path).read_bytes(), 0

    def refused(why):
        return ValueError(f'{path} is not the SqueezeNet of Deep Compression: {why}')

    def take(dtype, count):
        nonlocal at
        size = np.dtype(dtype).itemsize * count
        if at + size > len(data):
            raise refused(f'it ends after {len(data):,} bytes')
        at += size
        return np.frombuffer(data, dtype, count, at - size)

    arrays = {}
    layers = list(_layers())
    for (name, shape), kept in zip(layers, take('<u4', len(layers)), strict=True):
        values, bias = take('<f4', _VALUES), take('<f4', shape[0])
        codes, packed = take(np.uint8, int(kept)), take(np.uint8, (int(kept) + 1) // 2)
        # the low half of a byte comes first
        gaps = np.stack([packed & 15, packed >> 4], 1).ravel()[:kept]
        places = np.cumsum(gaps + np.int64(1)) - 1
        weights = np.zeros(shape, np.float32)
        if len(places) and places[-1] >= weights.size:
            raise refused(f'a weight of {name} lies beyond its {weights.size:,}')
        weights.reshape(-1)[places] = values[codes]
        arrays[f'{name}.weight'], arrays[f'{name}.bias'] = weights, bias
    if at != len(data):
        raise refused(f'{len(data) - at:,} bytes follow its end')
    arrays['features.0.weight'] = np.ascontiguousarray(arrays['features.0.weight'][:, ::-1])
    return arrays

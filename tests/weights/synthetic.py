"""Weights and images made from names alone, so that two programs hold the same network without
exchanging a file.

An array is a function of its name, its shape, its kind and, for kernels, the network's gain:

    z = PCG64(first 8 bytes of sha256(name), little-endian), standard normal, float32, C order

    kernel_oi        sqrt(gain / prod(shape[1:])) z       PyTorch: (out, in/groups, h, w), (out, in)
    kernel_io        sqrt(gain / prod(shape[:-1])) z      Keras: (h, w, in/groups, out), (in, out)
    depthwise_hwcm   sqrt(gain / (shape[0] shape[1])) z   Keras: (h, w, channels, multiplier)
    norm_scale       1 + 0.1 z                            scale of a batch, layer or group norm
    bias, mean       0.1 z                                offset; running mean
    var              1 + 0.1 |z|                          running variance
    layer_scale      0.5 + 0.1 z                          ConvNeXt's scale of a branch
    count            0                                    counters, in a data type of their own

Name and shape are the peer's, so an array is made first and transposed afterwards. Only numpy is
needed: `peer_fixtures.py` imports this module in the peer's environment.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# how many inputs each output of a kernel sums over
_FAN_IN = {
    'kernel_oi': lambda shape: math.prod(shape[1:]),
    'kernel_io': lambda shape: math.prod(shape[:-1]),
    'depthwise_hwcm': lambda shape: math.prod(shape[:2]),
}
# the center of the values that lie 0.1 z around it
_CENTER = {'norm_scale': 1.0, 'bias': 0.0, 'mean': 0.0, 'var': 1.0, 'layer_scale': 0.5}
KINDS = (*_FAN_IN, *_CENTER, 'count')


def _normal(seed: int, shape: Sequence[int]) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, dtype=np.float32)


def seed_of(name: str) -> int:
    """The 64-bit seed of an array's name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], 'little')


def array(
    name: str, shape: Sequence[int], kind: str, *, gain: float = 2.0, dtype: str = 'float32'
) -> np.ndarray:
    """One parameter or buffer.

    Args:
      name, shape: the peer's own.
      kind: one of KINDS.
      gain: the variance of an output of a kernel whose inputs have variance 1; 2 is He's.
      dtype: of a counter; all others are float32.

    Raises:
      ValueError: there is no such kind.
    """
    if kind == 'count':
        return np.zeros(shape, dtype)
    if kind not in KINDS:
        raise ValueError(
            f'{name} is of the unknown kind {kind!r}; the kinds are {", ".join(KINDS)}'
        )
    z = _normal(seed_of(name), shape)
    # scalars are rounded to float32 before they meet the array: every numpy gives the same bits
    if kind in _FAN_IN:
        return z * np.float32(math.sqrt(gain / _FAN_IN[kind](shape)))
    if kind == 'var':
        z = np.abs(z)
    return np.float32(_CENTER[kind]) + np.float32(0.1) * z


def state_dict(manifest: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """{name: array} of a fixture's rows `keys` of (name, shape, dtype, kind), in their order."""
    return {
        name: array(name, shape, kind, gain=manifest['gain'], dtype=dtype)
        for name, shape, dtype, kind in manifest['keys']
    }


def images(size: int, *, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Two images of noise: float32 (2, size, size, 3), `shift + scale z` from seed 0."""
    z = _normal(0, (2, size, size, 3))
    return z if (scale, shift) == (1.0, 0.0) else np.float32(shift) + np.float32(scale) * z


def digest(arrays: Iterable[np.ndarray]) -> str:
    """sha256 of the bytes of the arrays, one after another, in C order and little-endian."""
    whole = hashlib.sha256()
    for values in arrays:
        whole.update(values.astype(values.dtype.newbyteorder('<'), copy=False).tobytes())
    return whole.hexdigest()

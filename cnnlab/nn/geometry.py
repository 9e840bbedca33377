"""Output sizes and padding of convolution and pooling, by the rules of the CNN lectures, torch,
Caffe and TensorFlow.
"""

from fractions import Fraction

# ((top, bottom), (left, right))
Pads = tuple[tuple[int, int], tuple[int, int]]
# the string is 'tf_same'
Padding = int | Pads | str


def output_size(size: int, window: int, stride: int = 1, padding: int = 0) -> int:
    """Computes (size - window + 2 padding) / stride + 1, which must be a whole number.

    This is the CNN lectures' rule. Layers round down instead, as every framework does; `analysis`
    marks those that drop a border.

    Args:
      size, window, stride, padding: in pixels; the padding is on each side.

    Raises:
      ValueError: the windows do not tile the padded input exactly, or the input is smaller than the
        window.

    Example:
      >>> output_size(7, 3), output_size(7, 3, stride=2)
      (5, 3)
    """
    exact = Fraction(size - window + 2 * padding, stride) + 1
    if exact < 1:
        raise ValueError(
            f'a window of {window} does not fit into {size} pixels padded by {padding}'
        )
    if exact.denominator != 1:
        raise ValueError(
            f'windows of {window} at stride {stride} do not tile {size} pixels padded by '
            f'{padding}: ({size} - {window} + 2 * {padding}) / {stride} + 1 = {float(exact):.2f}'
        )
    return int(exact)


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Makes a pair (height, width) of one number: 3 -> (3, 3)."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def same(kernel: int | tuple[int, int]) -> Pads:
    """The symmetric padding (k - 1) / 2 that keeps the size at stride 1.

    Raises:
      ValueError: the kernel is even, so that it has no such padding.
    """
    height, width = kernel = pair(kernel)
    if height % 2 == 0 or width % 2 == 0:
        raise ValueError(
            f'an even kernel {kernel} has no symmetric padding that keeps the size; state `padding`'
        )
    return (height // 2, height // 2), (width // 2, width // 2)


def resolve(padding: Padding, size: tuple[int, int], window: tuple[int, int], stride: int) -> Pads:
    """Resolves a layer's padding to ((top, bottom), (left, right)) in pixels.

    Args:
      padding: one number for all sides, the pairs themselves, or 'tf_same': TensorFlow's padding,
        with which the output has ceil(size / stride) pixels; where it is odd, the bottom and the
        right get one pixel more.
      size: of the map, (height, width).
      window: of the kernel or pooling, (height, width).
      stride: along both axes.

    Raises:
      ValueError: another text than 'tf_same'.
    """
    if padding == 'tf_same':
        rows, columns = (
            max((-(-n // stride) - 1) * stride + k - n, 0)
            for n, k in zip(size, window, strict=True)
        )
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
    if isinstance(padding, str):
        raise ValueError(
            f'padding {padding!r} is unknown; allowed: an int, ((top, bottom), (left, right)) or '
            f"'tf_same'"
        )
    if isinstance(padding, int):
        return ((padding, padding),) * 2
    (top, bottom), (left, right) = padding
    return (top, bottom), (left, right)


def windows(
    size: tuple[int, int], window: tuple[int, int], stride: int, pads: Pads, ceil: bool = False
) -> tuple[int, int]:
    """Counts the windows that fit: (rows, columns).

    Args:
      size, window: (height, width) in pixels.
      stride: along both axes.
      pads: ((top, bottom), (left, right)).
      ceil: a last, partial window counts too, unless it would start in the bottom or right padding
        (torch's rule).
    """
    out = []
    for n, k, (low, high) in zip(size, window, pads, strict=True):
        span = n + low + high - k
        count = (-(-span // stride) if ceil else span // stride) + 1
        if ceil and (count - 1) * stride >= n + low:
            count -= 1
        out.append(count if span >= 0 or ceil else 0)
    return out[0], out[1]


def checked_windows(
    path: tuple[str, ...], size, window, stride, pads: Pads, ceil: bool = False
) -> tuple[int, int]:
    """Counts the windows of a layer as `windows` does; there must be one.

    Args:
      path: of the layer.
      size, window, stride, pads, ceil: as in `windows`.

    Raises:
      ValueError: no window fits; the sentence names the layer and the least input that it takes.
    """
    out = windows(size, window, stride, pads, ceil)
    if min(out) < 1:
        least = ' x '.join(str(max(k - sum(p), 1)) for k, p in zip(window, pads, strict=True))
        raise ValueError(
            f'the image is too small for this network: layer {"/".join(path) or "(top)"} gets '
            f'{size[0]} x {size[1]} pixels and its window of {window[0]} x {window[1]} needs at '
            f'least {least}'
        )
    return out

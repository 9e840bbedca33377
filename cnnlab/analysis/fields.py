"""Receptive fields: which pixels of the image a unit of the network sees.

A value has one `Field` per image axis (rows, columns). Operations map fields to fields: they keep,
move or merge positions. Sizes are in pixels of the image; a field may reach beyond the border, into
the padding.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Field:
    """The receptive fields of all units along one image axis.

    Attributes:
      axis: the array axis of the positions; None once a global mean or a dense layer has merged
        them.
      count: number of positions.
      size: pixels that one unit sees through convolutions and pools.
      jump: pixels between the centers of neighboring units: the accumulated stride.
      center: center of the first unit; 0 is the center of the first pixel.
      image: pixels of the image along this axis.
      whole: whether the unit also sees every pixel of the axis by some path: a global mean, a
        squeeze-and-excitation gate, the statistics of a group norm.
      inner: values of the array axis that belong to one position; more than 1 after a flatten.
    """

    axis: int | None
    count: int
    size: float
    jump: float
    center: float
    image: int
    whole: bool = False
    inner: int = 1

    def moved(self, axis: int | None) -> 'Field':
        """Returns the same positions along another array axis."""
        return dataclasses.replace(self, axis=axis)

    def window(
        self,
        count: int,
        width: int,
        stride: int,
        low: int,
        dilation: int = 1,
        base_dilation: int = 1,
    ) -> 'Field':
        """Returns the field after a convolution or a pool.

        Args:
          count: positions of the output.
          width: taps of the window.
          stride: of the windows.
          low: padding before the first position.
          dilation: distance between taps.
          base_dilation: one more than the zeros between neighboring inputs, as in a transposed
            convolution.
        """
        step = self.jump / base_dilation
        reach = (width - 1) * dilation
        return dataclasses.replace(
            self,
            count=count,
            size=self.size + reach * step,
            jump=step * stride,
            center=self.center + (reach / 2 - low) * step,
        )

    def cut(self, start: int, count: int, stride: int) -> 'Field':
        """Returns the field of `count` of the positions, from `start` on and `stride` apart."""
        return dataclasses.replace(
            self, count=count, center=self.center + start * self.jump, jump=self.jump * stride
        )

    def merged(self) -> 'Field':
        """Returns the field of one unit that sees all that the positions see together."""
        size = self.size + (self.count - 1) * self.jump
        center = self.center + (self.count - 1) / 2 * self.jump
        reach = (size - 1) / 2
        covers = self.count > 1 and center - reach <= 0 and center + reach >= self.image - 1
        return dataclasses.replace(
            self, axis=None, count=1, inner=1, size=size, center=center, whole=self.whole or covers
        )


# of the rows and the columns of the image; () if the input is no image
Fields = tuple[Field, ...]


def of_image(shape: tuple[int, ...]) -> Fields:
    """Returns the fields of the pixels of images (n, h, w, c); () for other ranks."""
    if len(shape) != 4:
        return ()
    return tuple(Field(axis, shape[axis], 1, 1, 0.0, shape[axis]) for axis in (1, 2))


def joined(operands: list[Fields], shape: tuple[int, ...]) -> Fields:
    """Returns the fields after an operation value by value: the union of the operands' fields.

    Args:
      operands: fields of each operand; all have the rank of the result.
      shape: of the result; operands may be broadcast to it.
    """
    return tuple(
        _union(list(fields), shape) for fields in zip(*(f for f in operands if f), strict=True)
    )


def _union(fields: list[Field], shape: tuple[int, ...]) -> Field:
    # a gate (n, 1, 1, c) has no positions of its own: it takes those of the map that it multiplies
    def positional(field):
        return field.axis is not None and (field.count > 1 or shape[field.axis] == 1)

    placed = [f for f in fields if positional(f)] or fields
    low = min(f.center - (f.size - 1) / 2 for f in placed)
    high = max(f.center + (f.size - 1) / 2 for f in placed)
    first = placed[0]
    size = max([high - low + 1, *(f.size for f in fields if not f.whole)])
    return dataclasses.replace(
        first, size=size, center=(low + high) / 2, whole=any(f.whole for f in fields)
    )


def concatenated(operands: list[Fields], dimension: int, shape: tuple[int, ...]) -> Fields:
    """Returns the fields of a concatenation of arrays along axis `dimension`."""
    out = []
    for fields in zip(*(f for f in operands if f), strict=True):
        if all(f.axis == dimension for f in fields):
            out.append(_chained(fields))
        elif (
            all(f.axis is None for f in fields)
            and shape[dimension] == len(fields) > 1
            and fields[0].center != fields[-1].center
        ):
            # means over different parts of the image, such as the bins of an adaptive pool
            out.append(_chained([f.moved(dimension) for f in fields]))
        else:
            out.append(_union(list(fields), shape))
    return tuple(out)


def _chained(fields) -> Field:
    """Returns the field of positions that follow each other along the axis."""
    first, last = fields[0], fields[-1]
    count = sum(f.count for f in fields)
    end = last.center + (last.count - 1) * last.jump
    jump = (end - first.center) / (count - 1) if count > 1 else first.jump
    return dataclasses.replace(
        first,
        count=count,
        size=max(f.size for f in fields),
        jump=jump,
        whole=any(f.whole for f in fields),
    )


def reduced(fields: Fields, axes: tuple[int, ...]) -> Fields:
    """Returns the fields after a reduction (sum, maximum, ...) over array axes."""
    return tuple(
        f
        if f.axis is None
        else f.merged()
        if f.axis in axes
        else f.moved(f.axis - sum(a < f.axis for a in axes))
        for f in fields
    )


def permuted(fields: Fields, position: dict[int, int]) -> Fields:
    """Returns the fields after array axes have moved.

    Args:
      fields: before.
      position: {old axis: new axis}; positions along a missing axis are merged.
    """
    return tuple(
        f if f.axis is None else f.moved(position[f.axis]) if f.axis in position else f.merged()
        for f in fields
    )


def reshaped(fields: Fields, old: tuple[int, ...], new: tuple[int, ...]) -> Fields:
    """Returns the fields after a row-major reshape from shape `old` to shape `new`.

    Positions are found by their stride in memory, so that they survive a flatten and its inverse.
    """
    return tuple(f if f.axis is None else _followed(f, f.axis, old, new) for f in fields)


def _followed(field: Field, at: int, old: tuple[int, ...], new: tuple[int, ...]) -> Field:
    if field.count == 1:
        stays = new[at : at + 1] == (1,) and old[:at] == new[:at]
        return field if stays else field.merged()
    stride = math.prod(old[at + 1 :]) * field.inner
    for axis, size in enumerate(new):
        behind = math.prod(new[axis + 1 :])
        if stride % behind == 0 and stride * field.count <= behind * size:
            return dataclasses.replace(field, axis=axis, inner=stride // behind)
    # no new axis holds all positions: the reshape has split them
    return field.merged()

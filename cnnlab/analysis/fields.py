"""Which pixels a unit sees: receptive fields by axis, through any operation that keeps, moves or
merges positions.

A value in the network is described per image axis (rows, columns) by a `Field`; operations map
fields to fields. Sizes are in pixels of the image; a field may reach beyond the border, into
padding.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Field:
    """What the units along one image axis see.

    Attributes:
      axis: the array axis along which the positions lie; None once they are merged into one (a
        global mean, a dense layer).
      count: how many positions there are.
      size: pixels that one unit sees along convolutions and pools.
      jump: pixels from one unit's center to the next's: the accumulated stride.
      center: the first unit's center; 0 is the center of the first pixel.
      image: how many pixels the image has along this axis.
      whole: some path to the unit starts from every pixel of the axis: a global mean, a
        squeeze-excite gate, statistics of a group norm.
      inner: how many values of the array axis one position takes (more than 1 after positions were
        flattened together with others).
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
        """The same positions along another array axis."""
        return dataclasses.replace(self, axis=axis)

    def window(
        self, count: int, width: int, stride: int, low: int, dilation: int = 1, spread: int = 1
    ) -> 'Field':
        """After windows of `width` taps, `dilation` apart, at `stride`, with `low` pixels of
        padding before the first.

        `spread` - 1 zeros stand between the inputs of a transposed convolution.
        """
        step = self.jump / spread
        reach = (width - 1) * dilation
        return dataclasses.replace(
            self,
            count=count,
            size=self.size + reach * step,
            jump=step * stride,
            center=self.center + (reach / 2 - low) * step,
        )

    def cut(self, start: int, count: int, stride: int) -> 'Field':
        """Of the positions, `count` from `start` on, `stride` apart."""
        return dataclasses.replace(
            self, count=count, center=self.center + start * self.jump, jump=self.jump * stride
        )

    def merged(self) -> 'Field':
        """One unit that sees what all positions see together."""
        size = self.size + (self.count - 1) * self.jump
        center = self.center + (self.count - 1) / 2 * self.jump
        reach = (size - 1) / 2
        covers = self.count > 1 and center - reach <= 0 and center + reach >= self.image - 1
        return dataclasses.replace(
            self, axis=None, count=1, inner=1, size=size, center=center, whole=self.whole or covers
        )


# rows and columns of the image; empty where the input has no such axes
Fields = tuple[Field, ...]


def of_image(shape: tuple[int, ...]) -> Fields:
    """The fields of the pixels themselves, for images (n, h, w, c); none for other ranks."""
    if len(shape) != 4:
        return ()
    return tuple(Field(axis, shape[axis], 1, 1, 0.0, shape[axis]) for axis in (1, 2))


def joined(operands: list[Fields], shape: tuple[int, ...]) -> Fields:
    """Of an operation value by value (with broadcasting) on operands of one rank: the union of what
    they see.
    """
    return tuple(
        _union(list(fields), shape) for fields in zip(*(f for f in operands if f), strict=True)
    )


def _union(fields: list[Field], shape: tuple[int, ...]) -> Field:
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
    """Of arrays put one after the other along `dimension`."""
    out = []
    for fields in zip(*(f for f in operands if f), strict=True):
        if all(f.axis == dimension for f in fields):
            out.append(_chained(fields))
        elif (
            all(f.axis is None for f in fields)
            and shape[dimension] == len(fields) > 1
            and fields[0].center != fields[-1].center
        ):
            # bins of an adaptive pool
            out.append(_chained([f.moved(dimension) for f in fields]))
        else:
            out.append(_union(list(fields), shape))
    return tuple(out)


def _chained(fields) -> Field:
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
    """After the array axes `axes` are summed (or maximized ...) away."""
    return tuple(
        f
        if f.axis is None
        else f.merged()
        if f.axis in axes
        else f.moved(f.axis - sum(a < f.axis for a in axes))
        for f in fields
    )


def permuted(fields: Fields, position: dict[int, int]) -> Fields:
    """After array axis `a` became `position[a]`; positions along an axis that went nowhere are
    merged.
    """
    return tuple(
        f if f.axis is None else f.moved(position[f.axis]) if f.axis in position else f.merged()
        for f in fields
    )


def reshaped(fields: Fields, old: tuple[int, ...], new: tuple[int, ...]) -> Fields:
    """After a row-major reshape: positions follow their stride in memory, also inside a merged axis
    and out of it again.
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
    # the positions themselves were split
    return field.merged()

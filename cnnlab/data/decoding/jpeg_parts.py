"""Cuts a part of a baseline JPEG out as a smaller JPEG, so that a crop decodes less.

A JPEG codes its units (8x8 to 16x16 pixels) row by row. Rows below the part are dropped by stating
a smaller height. In a file with restart marks the units between two marks do not depend on others,
so the units of the part make a JPEG of their own, with the same tables.

The files that `data.prepare` writes have a mark after every unit. That costs 4% more bytes
(measured on 100 images of 256 pixels), and a crop decodes its own pixels only.
"""

from typing import NamedTuple

import numpy as np

# pixels around the part that are kept: color at half the resolution is interpolated from neighbors
_MARGIN = 2
# Cutting takes time too: a part with a larger share of the pixels (or rows) is not cut out.
_WORTH = 0.8
_WORTH_ROWS = 0.95
_END = b'\xff\xd9'
# marks a file of several images (Multi-Picture Format)
_SEVERAL = b'MPF\0'


class Header(NamedTuple):
    """The layout of a JPEG.

    Attributes:
      start: offset of the coded units.
      frame: offset of the frame header.
      size: (height, width) of the image.
      unit: (height, width) of a unit in pixels.
      interval: the number of units from one restart mark to the next; 0 without marks.
    """

    start: int
    frame: int
    size: tuple[int, int]
    unit: tuple[int, int]
    interval: int


def window(
    data: bytes, top: int, left: int, height: int, width: int
) -> tuple[bytes, int, int] | None:
    """Cuts a JPEG that holds a part of the image.

    Decoded by OpenCV, the part has exactly the pixels that it has in the whole image. The new file
    may lack its end marker, which some decoders need.

    Args:
      data: the file.
      top, left, height, width: the part, in pixels.

    Returns:
      (the new file, top and left of the part in it); None where cutting would save little or the
      file is not a baseline JPEG.
    """
    found = _header(data)
    if found is None:
        return None
    return (
        _marked(data, found, top, left, height, width)
        if found.interval
        else _above(data, found, top, left, height)
    )


def _above(
    data: bytes, header: Header, top: int, left: int, height: int
) -> tuple[bytes, int, int] | None:
    """Drops the rows below the part, by stating a smaller height.

    Their code stays in the file. The end marker goes, or the decoder would read up to it.
    """
    rows, tall = header.size[0], header.unit[0]
    needed = -(-(top + height + _MARGIN) // tall) * tall
    # The last test keeps out files in which other images follow.
    if needed > _WORTH_ROWS * rows or not data.endswith(_END) or _SEVERAL in data[: header.start]:
        return None
    return (
        b''.join(
            (data[: header.frame + 5], needed.to_bytes(2, 'big'), data[header.frame + 7 : -2])
        ),
        top,
        left,
    )


def _marked(
    data: bytes, header: Header, top: int, left: int, height: int, width: int
) -> tuple[bytes, int, int] | None:
    """Keeps the units of the part alone; restart marks say where they are."""
    start, frame, (rows, columns), (tall, wide), interval = header
    unit_rows, unit_columns = -(-rows // tall), -(-columns // wide)
    if unit_columns % interval:
        return None
    # the number of restart intervals in a row of units, and the width of one in pixels
    across, span = unit_columns // interval, interval * wide
    r0, r1 = max(0, top - _MARGIN) // tall, min(unit_rows, -(-(top + height + _MARGIN) // tall))
    c0, c1 = max(0, left - _MARGIN) // span, min(across, -(-(left + width + _MARGIN) // span))
    if (r1 - r0) * (c1 - c0) > _WORTH * unit_rows * across:
        return None
    end = data.rfind(_END)
    marks = _marks(np.frombuffer(data, np.uint8, end - start, start)) + start
    if len(marks) != unit_rows * across - 1:
        return None
    first = np.concatenate(([start], marks + 2)).reshape(unit_rows, across)[r0:r1, c0].tolist()
    last = np.concatenate((marks, [end])).reshape(unit_rows, across)[r0:r1, c1 - 1].tolist()
    units = np.frombuffer(
        bytearray(b'\xff\xd0'.join([data[a:b] for a, b in zip(first, last, strict=True)])), np.uint8
    )
    places = _marks(units)
    units[places + 1] = 0xD0 + np.arange(len(places)) % 8
    height, width = min(rows, r1 * tall) - r0 * tall, min(columns, c1 * span) - c0 * span
    size = height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
    return (
        b''.join((data[: frame + 5], size, data[frame + 9 : start], units.data, _END)),
        top - r0 * tall,
        left - c0 * span,
    )


def _marks(units: np.ndarray) -> np.ndarray:
    """Positions of the restart marks (FF D0 to FF D7) in entropy-coded data.

    There no other FF is followed by such a byte.
    """
    places = np.flatnonzero(units[:-1] == 0xFF)
    return places[units[places + 1] & 0xF8 == 0xD0]


def _header(data: bytes) -> Header | None:
    """Reads the header of a baseline JPEG with one scan; None for other files."""
    if not data.startswith(b'\xff\xd8'):
        return None
    at, frame, interval = 2, None, 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], 'big')
        if kind == 0xC0:
            frame = at
        elif 0xC1 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            # The coding is not baseline.
            return None
        elif kind == 0xDD:
            interval = int.from_bytes(data[at + 4 : at + 6], 'big')
        elif kind == 0xDA:
            # The scan holds only some of the components.
            if frame is None or data[at + 4] != data[frame + 9]:
                return None
            height, width = (int.from_bytes(data[frame + k : frame + k + 2], 'big') for k in (5, 7))
            factors = data[frame + 11 : frame + 11 + 3 * data[frame + 9] : 3]
            unit = (
                (8, 8)
                if len(factors) == 1
                else (8 * max(f & 15 for f in factors), 8 * max(f >> 4 for f in factors))
            )
            return Header(at + 2 + length, frame, (height, width), unit, interval)
        at += 2 + length
    return None

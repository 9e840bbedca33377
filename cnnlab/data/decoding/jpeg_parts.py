"""A part of a baseline JPEG as a smaller JPEG, by moving bytes: so that a decoder without a notion
of parts decodes less.

Rows below the part are left out by stating a smaller height, since the units of an image (of 8x8 to
16x16 pixels) are coded row by row. Where there is a restart mark after every so many units, those
between two marks do not depend on any others, and the units that a part needs are a JPEG of their
own under the same tables. Those that `data.prepare` makes have a mark after every unit: 4% more
bytes (measured on 100 images of 256 pixels), and a crop pays for its own pixels only.
"""

from typing import NamedTuple

import numpy as np

# pixels: color at half the resolution is interpolated from its neighbors
_MARGIN = 2
# of the pixels; a part that needs more is not cut out, since cutting costs time too
_WORTH = 0.8
_WORTH_ROWS = 0.95
_END = b'\xff\xd9'
# of a file of several images
_SEVERAL = b'MPF\0'


class Header(NamedTuple):
    """What the head of a JPEG tells."""

    # of the coded units in the file
    start: int
    # of the frame header
    frame: int
    # height, width
    size: tuple[int, int]
    # height and width in pixels of what is coded together
    unit: tuple[int, int]
    # units from one restart mark to the next; 0 without marks
    interval: int


def window(
    data: bytes, top: int, left: int, height: int, width: int
) -> tuple[bytes, int, int] | None:
    """(JPEG that holds the part, top and left of the part in it); None where little would be saved,
    or the file is no baseline JPEG.

    Decoded by OpenCV, the part has the very pixels that it has in the whole. The result may lack
    the mark of its end, for which others ask.
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
    """Without the rows below the part.

    What codes them stays; without a mark after it the decoder does not look for what it skips.
    """
    rows, tall = header.size[0], header.unit[0]
    needed = -(-(top + height + _MARGIN) // tall) * tall
    # or more follows the image
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
    """The units of the part alone, where restart marks tell where they are."""
    start, frame, (rows, columns), (tall, wide), interval = header
    unit_rows, unit_columns = -(-rows // tall), -(-columns // wide)
    if unit_columns % interval:
        return None
    # runs of units in a row of them, and the pixels of one run
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
    """Where restart marks (FF D0 ..

    FF D7) are in entropy-coded data, in which no other FF is followed by such a byte.
    """
    places = np.flatnonzero(units[:-1] == 0xFF)
    return places[units[places + 1] & 0xF8 == 0xD0]


def _header(data: bytes) -> Header | None:
    """Of a baseline JPEG with one scan, None for other files."""
    if not data.startswith(b'\xff\xd8'):
        return None
    at, frame, interval = 2, None, 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], 'big')
        if kind == 0xC0:
            frame = at
        elif 0xC1 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            # not baseline
            return None
        elif kind == 0xDD:
            interval = int.from_bytes(data[at + 4 : at + 6], 'big')
        elif kind == 0xDA:
            # a scan of some components only
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

"""A part of a JPEG as a smaller JPEG, without decoding: what restart marks allow.

Where a JPEG has a restart mark after every so many of its units (of 8x8 to 16x16 pixels), the units between two marks do not depend on any
others (ITU-T T.81, section E.1.4), and those that a part of the image needs are a JPEG of their own under the same tables. Those that
`data.prepare` makes have a mark after every unit: 4% more bytes, and a crop pays for its own pixels only.
"""
import numpy as np

_MARGIN = 2  # pixels: colour at half the resolution is interpolated from its neighbours
_WORTH = 0.8  # of the pixels; a part that needs more is not cut out, since cutting costs time too


def window(data: bytes, top: int, left: int, height: int, width: int) -> tuple[bytes, int, int] | None:
    """(JPEG that holds the part, top and left of the part in it); None where the image has no such marks, or little would be saved.

    Decoded, the part has the very pixels that it has in the whole.
    """
    if data.find(b'\xff\xdd\x00\x04', 0, 4096) < 0:  # it defines no interval of restarts
        return None
    found = _header(data)
    if found is None:
        return None
    start, frame, (rows, columns), (tall, wide), interval = found
    unit_rows, unit_columns = -(-rows // tall), -(-columns // wide)
    if not interval or unit_columns % interval:
        return None
    across, span = unit_columns // interval, interval * wide  # runs of units in a row of them, and the pixels of one run
    r0, r1 = max(0, top - _MARGIN) // tall, min(unit_rows, -(-(top + height + _MARGIN) // tall))
    c0, c1 = max(0, left - _MARGIN) // span, min(across, -(-(left + width + _MARGIN) // span))
    if (r1 - r0) * (c1 - c0) > _WORTH * unit_rows * across:
        return None
    end = data.rfind(b'\xff\xd9')
    marks = _marks(np.frombuffer(data, np.uint8, end - start, start)) + start
    if len(marks) != unit_rows * across - 1:
        return None
    first = np.concatenate(([start], marks + 2)).reshape(unit_rows, across)[r0:r1, c0].tolist()
    last = np.concatenate((marks, [end])).reshape(unit_rows, across)[r0:r1, c1 - 1].tolist()
    units = np.frombuffer(bytearray(b'\xff\xd0'.join([data[a:b] for a, b in zip(first, last, strict=True)])), np.uint8)
    places = _marks(units)
    units[places + 1] = 0xD0 + np.arange(len(places)) % 8
    height, width = min(rows, r1 * tall) - r0 * tall, min(columns, c1 * span) - c0 * span
    size = height.to_bytes(2, 'big') + width.to_bytes(2, 'big')
    return b''.join((data[:frame + 5], size, data[frame + 9:start], units, b'\xff\xd9')), top - r0 * tall, left - c0 * span


def _marks(units: np.ndarray) -> np.ndarray:
    """Where restart marks (FF D0 .. FF D7) are in entropy-coded data, in which no other FF is followed by such a byte."""
    places = np.flatnonzero(units[:-1] == 0xFF)
    return places[units[places + 1] & 0xF8 == 0xD0]


def _header(data: bytes) -> tuple[int, int, tuple[int, int], tuple[int, int], int] | None:
    """(start of the coded units, of the frame header, (height, width), pixels of a unit, restart interval) of a baseline JPEG."""
    at, frame, interval = 2, None, 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], 'big')
        if kind == 0xC0:
            frame = at
        elif 0xC1 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return None  # not baseline
        elif kind == 0xDD:
            interval = int.from_bytes(data[at + 4:at + 6], 'big')
        elif kind == 0xDA:
            if frame is None or data[at + 4] != data[frame + 9]:  # a scan of some components only
                return None
            size = tuple(int.from_bytes(data[frame + k:frame + k + 2], 'big') for k in (5, 7))
            factors = data[frame + 11:frame + 11 + 3 * data[frame + 9]:3]
            unit = (8, 8) if len(factors) == 1 else (8 * max(f & 15 for f in factors), 8 * max(f >> 4 for f in factors))
            return at + 2 + length, frame, size, unit, interval
        at += 2 + length
    return None

"""Image files that are decoded when their pixels are needed, and no further than needed."""

import cv2
import numpy as np

from cnnlab.data.decoding import decode as decoders
from cnnlab.data.decoding.decode import decode
from cnnlab.data.decoding.jpeg_parts import window

# the factors by which a JPEG decoder can shrink an image while it decodes
REDUCTIONS = (8, 4, 2)


class Encoded:
    """An image that is not decoded yet.

    Its attributes and methods raise Unreadable where the data is not an image or ends early.

    Args:
      data: the bytes of the file.
      channels: 1 for gray, 3 for RGB.
      what: what errors call the image.
      name: the name of the file, if there is one.
    """

    def __init__(self, data: bytes, channels: int, what: str, name: str = ''):
        self.data, self.channels, self.what, self.name = data, channels, what, name
        self._size: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, c) of the decoded image, read from the header where the file is a JPEG."""
        if self._size is None:
            pixels = stored_pixels(self.data)
            self._size = (
                jpeg_size(self.data) or (self.decode() if pixels is None else pixels).shape[:2]
            )
        return (*self._size, self.channels)

    def decode(self, reduce: int = 1) -> np.ndarray:
        """The image, with both sides divided by `reduce`: 1, 2, 4 or 8.

        A JPEG is decoded from its low frequencies, which is faster; other files are decoded whole.

        Returns:
          uint8 (h / reduce, w / reduce, c), sides rounded as in `decode.decode`.
        """
        return decode(self.data, self.channels, self.what, reduce)

    def part(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """`decode()[top:top + height, left:left + width]`, perhaps read-only.

        Decodes only this part where the file allows it.
        """
        if (image := stored_pixels(self.data)) is None or self.channels != 3:
            decoders.check_whole(self.data, self.what)
            data, top, left = window(self.data, top, left, height, width) or (self.data, top, left)
            image = decoders.pixels(data, self.channels, self.what)
        return image[top : top + height, left : left + width]


def pixels(image: np.ndarray | Encoded) -> np.ndarray:
    """The whole image as an array, decoded if it is not decoded yet."""
    return image.decode() if isinstance(image, Encoded) else image


def stored_pixels(data: bytes) -> np.ndarray | None:
    """The pixels of an uncompressed PPM file as `data.prepare` writes it, without a copy.

    Returns:
      uint8 (h, w, 3); None for any other file.
    """
    if not data.startswith(b'P6\n'):
        return None
    head = data[:40].split(b'\n', 3)
    if (
        len(head) < 4
        or head[2] != b'255'
        or len(size := head[1].split()) != 2
        or not all(s.isdigit() for s in size)
    ):
        return None
    width, height = map(int, size)
    start = sum(map(len, head[:3])) + 3
    return (
        np.frombuffer(data, np.uint8, offset=start).reshape(height, width, 3)
        if len(data) - start == 3 * height * width
        else None
    )


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) from the frame header of a JPEG; None where it is missing or damaged."""
    if not data.startswith(b'\xff\xd8'):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF:
            # a fill byte
            at += 1
        elif 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            # A start of frame; C4, C8 and CC are tables, extensions and conditioning.
            height, width = (int.from_bytes(data[at + k : at + k + 2], 'big') for k in (5, 7))
            return (height, width) if height and width else None
        elif kind == 0x01 or 0xD0 <= kind <= 0xD8:
            # These markers have no length field.
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return None


def cut(
    image: np.ndarray | Encoded,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    interpolation: int,
) -> np.ndarray:
    """Cuts a box from an image and resizes it.

    An `Encoded` image is decoded at the smallest scale at which the box is still at least as large
    as the result.

    Args:
      image: uint8 (h, w, c) or `Encoded`.
      box: (top, left, height, width) in pixels.
      size: (height, width) of the result.
      interpolation: one of OpenCV's INTER_ constants.

    Returns:
      uint8 (*size, c).
    """
    top, left, height, width = box
    if isinstance(image, Encoded):
        whole = image.shape[:2]
        reduce = next((r for r in REDUCTIONS if height >= r * size[0] and width >= r * size[1]), 1)
        if reduce == 1:
            image, top, left = image.part(*box), 0, 0
        else:
            image = image.decode(reduce)
            y, x = (have / had for have, had in zip(image.shape[:2], whole, strict=True))
            top, left = int(top * y), int(left * x)
            height, width = (
                min(round(height * y), image.shape[0] - top),
                min(round(width * x), image.shape[1] - left),
            )
    part = image[top : top + height, left : left + width]
    if part.shape[:2] == size:
        return part
    return cv2.resize(part, (size[1], size[0]), interpolation=interpolation).reshape(
        *size, image.shape[-1]
    )

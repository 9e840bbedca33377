"""Encoded images to pixels, by OpenCV, in RGB.

OpenCV and Pillow decode JPEG and PNG to identical pixels; TensorFlow's default JPEG decoder differs
by a level on average.
"""

import cv2
import numpy as np

_FLAGS = {
    1: (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE),
    2: (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    4: (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    8: (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
}

# of later versions of OpenCV: spares turning the channels round
_RGB = getattr(cv2, 'IMREAD_COLOR_RGB', None)


class Unreadable(ValueError):
    """The data of an image is missing, damaged or none of an image: an error in evaluation, passed
    over in training (`skips`).
    """


def decode(data: bytes, channels: int, what: str, reduce: int = 1) -> np.ndarray:
    """uint8 (h, w, channels) from a JPEG, PNG, BMP, WebP, TIFF or PNM file.

    Gray images get three equal channels where three are wanted; an alpha channel is dropped. The
    orientation that EXIF data may state is ignored, as in torchvision's ImageFolder, so that the
    pixels are those of the file.

    Args:
      data: the bytes of the file.
      channels: 1 or 3.
      what: names the image in errors.
      reduce: 1, 2, 4 or 8: sides are divided by it, rounded up for a JPEG, whose decoder leaves the
        work out, else down.

    Raises:
      Unreadable: the data is no image, or ends early.
    """
    check_whole(data, what)
    return pixels(data, channels, what, reduce)


def check_whole(data: bytes, what: str) -> None:
    """Unreadable where the file ends before the image does."""
    if _truncated(data):
        raise Unreadable(f'{what} is truncated: its {len(data)} bytes end before the image does')


def pixels(data: bytes, channels: int, what: str, reduce: int = 1) -> np.ndarray:
    """As `decode`, of data that may end early: what is missing is gray then."""
    rgb = _RGB if reduce == 1 and channels == 3 else None
    flag = _FLAGS[reduce][channels == 1] if rgb is None else rgb
    try:
        image = (
            cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
            if data
            else None
        )
    except cv2.error:
        image = None
    if image is None:
        raise Unreadable(f'{what} is not a readable image ({len(data)} bytes)')
    if rgb is not None:
        return image
    return image[:, :, None] if channels == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end.

    Decoders fill the missing part with gray and say nothing.

    Inside the entropy-coded data of a JPEG neither marker can occur, so that an end marker (FF D9)
    after the last start of scan (FF DA) is the image's own, not that of an embedded thumbnail.
    """
    if data.startswith(b'\xff\xd8'):
        # both look at a few bytes only if all is well
        return data.find(b'\xff\xda', max(0, data.rfind(b'\xff\xd9'))) >= 0
    if data.startswith(b'\x89PNG'):
        return data.rfind(b'IEND') < 0
    return False

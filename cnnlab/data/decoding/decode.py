"""Decoding of image files to RGB pixels, by OpenCV.

OpenCV and Pillow decode JPEG and PNG to identical pixels; TensorFlow's default JPEG decoder differs
by one level on average.
"""

import cv2
import numpy as np

_FLAGS = {
    1: (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE),
    2: (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    4: (cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    8: (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
}

# Newer versions of OpenCV decode to RGB directly, which saves a pass that swaps the channels.
_RGB = getattr(cv2, 'IMREAD_COLOR_RGB', None)


class Unreadable(ValueError):
    """The file of an image is missing, damaged or not an image.

    An error in evaluation; in training another image takes its place (`unreadable_images`).
    """


def decode(data: bytes, channels: int, what: str, reduce: int = 1) -> np.ndarray:
    """Decodes a JPEG, PNG, BMP, WebP, TIFF or PNM file.

    With 3 channels a gray image is repeated in each of them; an alpha channel is dropped. The EXIF
    orientation is ignored, as in torchvision's ImageFolder.

    Args:
      data: the bytes of the file.
      channels: 1 for gray, 3 for RGB.
      what: what errors call the image.
      reduce: the factor by which both sides shrink: 1, 2, 4 or 8. Sides are rounded up for a JPEG,
        which then decodes faster, and down for other files.

    Returns:
      uint8 (h, w, channels).

    Raises:
      Unreadable: the data is not an image, or ends early.
    """
    check_whole(data, what)
    return pixels(data, channels, what, reduce)


def check_whole(data: bytes, what: str) -> None:
    """Raises Unreadable if the file ends before its image does."""
    if _truncated(data):
        raise Unreadable(f'{what} is truncated: its {len(data)} bytes end before the image does')


def pixels(data: bytes, channels: int, what: str, reduce: int = 1) -> np.ndarray:
    """As `decode`, but a file may end early: the missing part is then gray."""
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
    """Whether a JPEG or PNG lacks its end; decoders fill the missing part with gray, silently.

    Neither marker of a JPEG occurs inside its entropy-coded data. So an end marker (FF D9) after
    the last start of scan (FF DA) belongs to the image, not to an embedded thumbnail.
    """
    if data.startswith(b'\xff\xd8'):
        # Searching backwards for the end first makes both searches short in a whole file.
        return data.find(b'\xff\xda', max(0, data.rfind(b'\xff\xd9'))) >= 0
    if data.startswith(b'\x89PNG'):
        return data.rfind(b'IEND') < 0
    return False

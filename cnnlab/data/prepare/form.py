"""The form in which a prepared data set stores images: their own bytes, or resized once.

Images that are resized once need not be decoded in full size in every epoch.
"""

import dataclasses

import cv2
import numpy as np

from cnnlab import names
from cnnlab.data.decoding.encoded import Encoded

ENCODINGS = ('jpeg', 'pixels')


@dataclasses.dataclass(frozen=True)
class Form:
    """How images are stored.

    Attributes:
      short_side: the shorter side of the stored image in pixels, the longer one in proportion; 0
        stores the bytes of the input. Images are resized by averaging areas, and never enlarged.
      quality: of the JPEG, 1 to 100, with color at half the resolution. FFCV has 90 for ImageNet
        (docs/benchmarks.rst in github.com/libffcv/ffcv).
      encoding: 'jpeg'; or 'pixels' for an uncompressed PPM, which takes about ten times the space
        and no time to decode.

    Raises:
      ValueError: a value is not allowed.
    """

    short_side: int = 0
    quality: int = 90
    encoding: str = 'jpeg'

    def __post_init__(self) -> None:
        names.among('encoding', self.encoding, ENCODINGS)
        if self.short_side < 0:
            raise ValueError(
                f'short_side is a number of pixels, or 0 for the original size, not '
                f'{self.short_side}'
            )
        if not 1 <= self.quality <= 100:
            raise ValueError(f'quality must be from 1 to 100, not {self.quality}')
        if self.encoding == 'pixels' and not self.short_side:
            raise ValueError(
                'encoding pixels needs a short_side; without one images keep their own encoding'
            )

    def store(self, image: Encoded) -> bytes:
        """The bytes to store for an image; it is always decoded once, as a check.

        Raises:
          ValueError: it is not an image, or ends early.
        """
        short = min(image.shape[:2]) if self.short_side else 0
        # The decoder may shrink the image to no less than twice the size; averaging does the rest.
        reduce = next((r for r in (8, 4, 2) if short // r >= 2 * self.short_side > 0), 1)
        pixels = image.decode(reduce)
        if (
            not self.short_side
            or short <= self.short_side
            and self.encoding == 'jpeg'
            and image.data.startswith(b'\xff\xd8')
        ):
            return image.data
        return self._encoded(self._smaller(pixels))

    def _smaller(self, pixels: np.ndarray) -> np.ndarray:
        h, w, _ = pixels.shape
        short = min(h, w)
        if short <= self.short_side:
            return pixels
        height, width = (max(1, round(side * self.short_side / short)) for side in (h, w))
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)

    def _encoded(self, pixels: np.ndarray) -> bytes:
        h, w, _ = pixels.shape
        if self.encoding == 'pixels':
            return b'P6\n%d %d\n255\n' % (w, h) + pixels.tobytes()
        # With a restart mark after every unit a reader decodes only the units of a crop: see
        # `jpeg_parts`.
        options = (
            cv2.IMWRITE_JPEG_QUALITY,
            self.quality,
            cv2.IMWRITE_JPEG_OPTIMIZE,
            1,
            cv2.IMWRITE_JPEG_RST_INTERVAL,
            1,
        )
        done, data = cv2.imencode('.jpg', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
        if not done:
            raise ValueError(
                f'an image of {h}x{w} pixels cannot be stored as JPEG, whose sides are at most '
                f'65,535'
            )
        return data.tobytes()

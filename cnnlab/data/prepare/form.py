"""In what form a preparation stores an image: its own bytes, or made smaller once, so that no epoch
pays for it again.
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
      short_side: of the stored image in pixels, the longer one in proportion, by averaging areas; 0
        stores the bytes of the input. No image is made larger: one that has no more pixels is kept
        as it is.
      quality: of the JPEG, 1 to 100, its color at half the resolution. 90 is FFCV's for ImageNet
        (docs/benchmarks.rst in github.com/libffcv/ffcv).
      encoding: 'jpeg', or 'pixels' for an uncompressed PPM: about ten times the space, nothing to
        decode.
    """

    short_side: int = 0
    quality: int = 90
    encoding: str = 'jpeg'

    def __post_init__(self) -> None:
        names.among('encoding', self.encoding, ENCODINGS)
        if self.short_side < 0:
            raise ValueError(
                f'short_side is a number of pixels above 0, or 0 for the original, not '
                f'{self.short_side}'
            )
        if not 1 <= self.quality <= 100:
            raise ValueError(f'quality is from 1 to 100, not {self.quality}')
        if self.encoding == 'pixels' and not self.short_side:
            raise ValueError('the original has an encoding of its own; pixels needs a short_side')

    def store(self, image: Encoded) -> bytes:
        """The bytes to keep of an image, every one of which has been decoded once.

        Raises:
          ValueError: it is no image, or ends early.
        """
        short = min(image.shape[:2]) if self.short_side else 0
        # twice what is wanted is left to average
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
        # A restart mark after every unit lets a reader decode those of a crop and no others: see
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

"""Test protocols: how an image becomes the views that a network is tested on."""

import dataclasses

import numpy as np

from cnnlab import names
from cnnlab.data.decoding import resample
from cnnlab.data.transforms.flip import flip_left_right

MODES = ('short', 'squash')
CROPS = ('center', 'corners', 'googlenet', 'whole')
AVERAGES = ('softmax', 'logits')
ROUNDINGS = ('torchvision', 'nearest')
# The most pixels of a resized image. A strip of 1 x 20,000, with its shorter side resized to 256,
# would have 1.3e9.
_LARGEST = 100_000_000


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How an image becomes views, and how the scores of the views become one prediction.

    Attributes:
      scales: the image is resized to each of these sides, in pixels.
      crop: the side of a view in pixels; not used by 'whole'.
      crops: 'center'; 'corners', the four corners and the center; 'googlenet', these five of each
        of three squares (left, middle and right, or top, middle and bottom) and the square itself
        resized to `crop`; or 'whole', the whole image, for fully-convolutional networks.
      flip: whether every view is also mirrored, left to right.
      square: whether crops are cut from the middle square of the image.
      mode: 'short' resizes the shorter side to a scale, the longer one in proportion; 'squash'
        resizes both sides to it.
      filter, antialias: see `resample.resize`.
      average: the scores that are averaged over the views, 'softmax' or 'logits'.
      rounding: 'torchvision' rounds the longer side down and the start of the middle to the
        nearest, half to even; 'nearest' rounds the longer side to the nearest and the start of the
        middle down. The difference is one pixel, and on 100 images one point of top-1.
      multiple: for 'whole', the longer side is cut, about its middle, to a multiple of this many
        pixels, so that few sizes are compiled. VGG's and SqueezeNet's strides are at most 32; 1
        cuts nothing.

    Raises:
      ValueError: a name is not known, a number is not above 0, or the crop is larger than the
        resized image.
    """

    scales: tuple[int, ...] = (256,)
    crop: int = 224
    crops: str = 'center'
    flip: bool = False
    square: bool = False
    mode: str = 'short'
    filter: str = 'pillow_bilinear'
    antialias: bool = True
    average: str = 'softmax'
    rounding: str = 'torchvision'
    multiple: int = 32

    def __post_init__(self) -> None:
        names.among('resize mode', self.mode, MODES)
        names.among('way to take crops', self.crops, CROPS)
        names.among('average', self.average, AVERAGES)
        names.among('rounding', self.rounding, ROUNDINGS)
        resample.check(self.filter, self.antialias)
        if not self.scales or min(*self.scales, self.multiple, self.crop) < 1:
            raise ValueError('scales, crop and multiple must be numbers of pixels above 0')
        if self.crops != 'whole' and self.crop > min(self.scales):
            raise ValueError(
                f'a crop of {self.crop} pixels cannot be cut from an image resized to '
                f'{min(self.scales)}; '
                'change the resize or the crop'
            )

    @property
    def count(self) -> int:
        """The number of views per image."""
        return (
            len(self.scales)
            * {'center': 1, 'corners': 5, 'googlenet': 18, 'whole': 1}[self.crops]
            * (1 + self.flip)
        )

    def views(self, image: np.ndarray) -> list[np.ndarray]:
        """Cuts the views of an image.

        Args:
          image: uint8 (h, w, 3).

        Returns:
          `count` arrays uint8 (height, width, 3), all `crop` x `crop` except with 'whole'.

        Raises:
          ValueError: the image is so long and narrow that the resized image would be huge.
        """
        found = [view for scale in self.scales for view in self._at(image, scale)]
        return [v for view in found for v in (view, flip_left_right(view))] if self.flip else found

    def sentence(self) -> str:
        """Describes the protocol in words.

        Such as 'the shorter side to 256 pixels (bilinear), 224 from the center'.
        """
        side = {'short': 'the shorter side', 'squash': 'both sides'}[self.mode]
        scales = ', '.join(map(str, self.scales))
        text = f'{side} to {scales} pixels ({self.filter.removeprefix("pillow_")})'
        if self.crops == 'whole':
            text += ', the whole image'
        elif self.crops != 'center':
            text += f', {self.count} views of {self.crop}'
        elif self.crop < min(self.scales) or self.mode == 'short':
            text += f', {self.crop} from the center'
        return text + (', also mirrored' if self.flip else '')

    def _at(self, image, scale):
        h, w, _ = image.shape
        whole = round if self.rounding == 'nearest' else int
        height, width = (
            (scale, scale)
            if self.mode == 'squash'
            else (whole(scale * side / min(h, w)) for side in (h, w))
        )
        if height * width > _LARGEST:
            raise ValueError(
                f'an image of {h}x{w} pixels with its shorter side at {scale} would have '
                f'{height}x{width}: too long to resize'
            )
        image = resample.resize(image, (height, width), self.filter, self.antialias)
        if self.square:
            image = self._middle(image, min(height, width), min(height, width))
        height, width, _ = image.shape
        if self.crops == 'whole':
            sides = (
                side if side <= scale else side // self.multiple * self.multiple or side
                for side in (height, width)
            )
            return [self._middle(image, *sides)]
        if self.crops == 'googlenet':
            return [
                view
                for square in _squares(image)
                for view in (*self._five(square), self._shrunk(square))
            ]
        return (
            self._five(image)
            if self.crops == 'corners'
            else [self._middle(image, self.crop, self.crop)]
        )

    def _middle(self, image, height, width):
        half = (lambda n: n // 2) if self.rounding == 'nearest' else (lambda n: round(n / 2))
        top, left = (
            half(have - want) for have, want in zip(image.shape, (height, width), strict=False)
        )
        return image[top : top + height, left : left + width]

    def _five(self, image):
        """Top left, top right, bottom left, bottom right, center."""
        h, w, _ = image.shape
        corners = [
            image[top : top + self.crop, left : left + self.crop]
            for top in (0, h - self.crop)
            for left in (0, w - self.crop)
        ]
        return [*corners, self._middle(image, self.crop, self.crop)]

    def _shrunk(self, square):
        return resample.resize(square, (self.crop, self.crop), self.filter, self.antialias)


def _squares(image):
    """Yields the largest squares at both ends and in the middle of the longer side."""
    h, w, _ = image.shape
    side, room = min(h, w), max(h, w) - min(h, w)
    for start in (0, round(room / 2), room):
        yield image[start : start + side] if h > w else image[:, start : start + side]

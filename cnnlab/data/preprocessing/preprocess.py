"""From a picture to the array that a network takes, and back."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar
from typing import Protocol as Interface

import jax
import jax.numpy as jnp
import numpy as np

from cnnlab import names
from cnnlab.data.decoding.read import Picture, read_image
from cnnlab.data.preprocessing.normalize import normalize, to_pixels
from cnnlab.data.protocols.protocol import Protocol
from cnnlab.data.protocols.transformed import Transformed

# of what pictures are read as, in the order in which the network takes them
CHANNELS = ('rgb', 'bgr', 'gray')
# of a network's images
DTYPES = ('float32', 'bfloat16', 'float64')
_normalized = jax.jit(normalize, static_argnames='dtype')


class Views(Interface):
    """How a picture is resized and cropped: a `Protocol`, or the transforms of a recipe."""

    # of the dataclass that it is
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def count(self) -> int:
        """Views of a picture."""

    @property
    def average(self) -> str:
        """What is averaged over the views: 'softmax' or 'logits'."""

    def views(self, image: np.ndarray) -> list[np.ndarray]:
        """uint8 (h, w, c) -> `count` arrays uint8 (height, width, c)."""

    def sentence(self) -> str:
        """What is done, in words."""


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Resize and crop, order the channels, then (pixels - mean) / std: all that lies between a
    picture and a network.

    A pytree of mean and std, so that compiled functions take any of one kind.

    Attributes:
      protocol: how a picture becomes one view (of the size of the network's images), or several.
      mean, std: in the unit of pixels, 0 to 255, whatever the source's was; a number, one for each
        channel in the order of `channels`, or an image (h, w, c). A std of shape (d, d) is a
        whitening matrix, see `normalize`.
      channels: 'rgb', 'bgr' or 'gray': what a picture is read as, and the order that the network
        takes.
      scale: None normalizes as training does, compiled. A number is what a source multiplies pixels
        by before it subtracts the mean, 1/255 mostly: then `normalize` does the source's own
        operations in its order, which decides about the last bit and nothing else.
      dtype: of the network's images, hence what it computes in.

    Raises:
      ValueError: an order of channels or a dtype that is not known; a std or scale that is not
        above 0.
    """

    protocol: Views
    mean: Any = 0.0
    std: Any = 255.0
    channels: str = 'rgb'
    scale: float | None = None
    dtype: str = 'float32'

    def __post_init__(self) -> None:
        names.among('order of channels', self.channels, CHANNELS)
        names.among('dtype of images', self.dtype, DTYPES)
        for field in ('mean', 'std'):
            object.__setattr__(self, field, _plain(getattr(self, field)))
        divides = np.ndim(self.std) != 2
        if (divides and not np.all(np.asarray(self.std) > 0)) or not (self.scale or 1) > 0:
            raise ValueError(
                f'pixels are divided by a deviation above 0 and multiplied by a scale above 0, '
                f'not by {self.std} and {self.scale}'
            )

    @classmethod
    def published(
        cls,
        resize: int,
        crop: int,
        interpolation: str,
        mean: Any,
        std: Any,
        mode: str = 'short',
        scale: float = 1 / 255,
        channels: str = 'rgb',
    ) -> 'Preprocess':
        """As sources of weights state it: resize, center crop, then (pixel * scale - mean) / std.

        Args:
          resize: pixels; of the shorter side, or of both for the mode 'squash'.
          crop: pixels, square, from the center.
          interpolation: 'nearest', 'bilinear' or 'bicubic', of Pillow.
          mean, std: for each channel, of `pixel * scale`: for the usual scale (0.485, ...).
          mode: 'short' or 'squash'.
          scale: 1 where the mean is in pixel values.
          channels: 'rgb' or 'bgr'.

        Raises:
          ValueError: an interpolation, mode or order of channels that is not known; a crop larger
            than what it is cut from.

        Example:
          Preprocess.published(256, 224, 'bilinear', (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        """
        names.among('interpolation', interpolation, INTERPOLATIONS)
        names.among('order of channels', channels, ('rgb', 'bgr'))
        if crop > resize:
            raise ValueError(f'a crop of {crop} pixels cannot be cut from {resize}')
        if not scale > 0:
            raise ValueError(f'pixels are multiplied by a scale above 0, not by {scale}')
        filter, antialias = INTERPOLATIONS[interpolation]
        return cls(
            Protocol((resize,), crop, mode=mode, filter=filter, antialias=antialias),
            np.asarray(mean, np.float64) / scale,
            np.asarray(std, np.float64) / scale,
            channels,
            scale,
        )

    def sentence(self) -> str:
        """What is done to the pixels' places, in words: 'the shorter side to 256 pixels (bilinear),
        224 from the center'.
        """
        return self.protocol.sentence()

    def views(self, image: Picture) -> list[np.ndarray]:
        """Every view of a picture by the protocol, uint8 RGB or gray (h, w, c).

        Args:
          image: the path of a file, a Pillow image, or a uint8 array (h, w), (h, w, 1) or
            (h, w, 3) in RGB.

        Raises:
          FileNotFoundError: there is no such file. ValueError: it is no picture, or does not fit
            the protocol.
        """
        return self.protocol.views(read_image(image, 1 if self.channels == 'gray' else 3))

    def pixels(self, image: Picture) -> np.ndarray:
        """The picture as the network sees it: uint8 RGB or gray (h, w, c), the only view.

        Raises:
          ValueError: the protocol has several views. Others: see `views`.
        """
        if self.protocol.count != 1:
            raise ValueError(
                f'a picture has {self.protocol.count} views by this protocol; `views` gives them'
            )
        return self.views(image)[0]

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 RGB or gray (..., h, w, c) -> what the network takes, of `dtype`."""
        x = self._ordered(np.asarray(pixels))
        if self.scale is None:
            batch = x.reshape(-1, *x.shape[-3:])
            mean, std = (np.float32(v) for v in (self.mean, self.std))
            return np.asarray(_normalized(batch, mean, std, dtype=self.dtype)).reshape(x.shape)
        mean, std = (
            np.float32(np.asarray(v, np.float64) * self.scale) for v in (self.mean, self.std)
        )
        return ((x.astype(np.float32) * np.float32(self.scale) - mean) / std).astype(
            jnp.dtype(self.dtype)
        )

    def __call__(self, image: Picture) -> np.ndarray:
        """The network's input for one picture: (h, w, c) of `dtype`."""
        return self.normalize(self.pixels(image))

    def on_device(self, pixels: jax.Array) -> jax.Array:
        """`normalize` within a compiled function, for uint8 or float pixels (n, h, w, c);
        differentiable.
        """
        mean, std = (jnp.asarray(v, jnp.float32) for v in (self.mean, self.std))
        return normalize(self._ordered(pixels), mean, std, jnp.dtype(self.dtype))

    def from_unit(self, images: jax.Array) -> jax.Array:
        """`on_device` for images in [0, 1]."""
        return self.on_device(to_pixels(images))

    def to_unit(self, images: jax.Array | np.ndarray) -> np.ndarray:
        """Back: pictures, float32 in [0, 1], RGB or gray, of a network's images (n, h, w, c).

        Raises:
          ValueError: the network's images are whitened.
        """
        if np.ndim(self.std) == 2:
            raise ValueError('the network takes whitened images, of which no picture can be made')
        x = np.asarray(jnp.asarray(images, jnp.float32))
        x = x * np.asarray(self.std, np.float32) + np.asarray(self.mean, np.float32)
        return self._ordered(np.clip(x / np.float32(255), 0, 1))

    def _ordered(self, x):
        return x[..., ::-1] if self.channels == 'bgr' else x

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold, but for means and deviations that are arrays of more
        than one axis; `from_dict` is the inverse.
        """
        protocol = {'kind': type(self.protocol).__name__, **dataclasses.asdict(self.protocol)}
        return {**vars(self), 'protocol': protocol}

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> 'Preprocess':
        """The inverse of `to_dict`, of lists for tuples too."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in stated['protocol'].items()
        }
        kind: Any = names.lookup('protocol', fields.pop('kind'), _KINDS)
        return cls(**{**stated, 'protocol': kind(**fields)})

    def tree_flatten(self):
        """(what is traced, what a compiled function is made for)."""
        leaves = tuple(
            np.asarray(v, np.float32)[()] if isinstance(v, float | tuple) else v
            for v in (self.mean, self.std)
        )
        return leaves, (self.protocol, self.channels, self.scale, self.dtype)

    @classmethod
    def tree_unflatten(cls, static, leaves):
        """Unchecked, since the leaves may be anything under a transformation."""
        made = object.__new__(cls)
        fields = ('mean', 'std', 'protocol', 'channels', 'scale', 'dtype')
        for field, value in zip(fields, (*leaves, *static), strict=True):
            object.__setattr__(made, field, value)
        return made


# {as sources of weights say it: (filter, antialias) of `data.decoding.resample`}
INTERPOLATIONS = {
    'nearest': ('pillow_nearest', False),
    'bilinear': ('pillow_bilinear', True),
    'bicubic': ('pillow_bicubic', True),
}
_KINDS = {kind.__name__: kind for kind in (Protocol, Transformed)}


def _plain(values: Any) -> Any:
    """A number or a tuple of numbers where that is enough, else a float32 array."""
    array = np.asarray(values)
    return np.asarray(array, np.float32) if array.ndim > 1 else _tuple(array.tolist())


def _tuple(value):
    return tuple(value) if isinstance(value, list) else float(value)

"""From a picture to the input of a network, and back."""

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

# the order of channels in the network's input; pictures are read as RGB or gray
CHANNELS = ('rgb', 'bgr', 'gray')
# the dtypes of the network's input
DTYPES = ('float32', 'bfloat16', 'float64')
_normalized = jax.jit(normalize, static_argnames='dtype')


class Views(Interface):
    """How a picture is resized and cropped: a `Protocol`, or the transforms of a recipe."""

    # Every implementation is a dataclass.
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def count(self) -> int:
        """The number of views per picture."""

    @property
    def average(self) -> str:
        """The scores that are averaged over the views: 'softmax' or 'logits'."""

    def views(self, image: np.ndarray) -> list[np.ndarray]:
        """uint8 (h, w, c) -> `count` arrays uint8 (height, width, c)."""

    def sentence(self) -> str:
        """A description in words."""


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True)
class Preprocess:
    """The preprocessing of a network: resize, crop, order the channels, then (pixels - mean) / std.

    It is a pytree with the leaves mean and std, so that a compiled function takes any instance that
    is otherwise equal.

    Attributes:
      protocol: how a picture becomes one view of the network's input size, or several.
      mean, std: in the unit of pixels, 0 to 255: a number, one for each channel in the order of
        `channels`, or an image (h, w, c). A std of shape (d, d) is a whitening matrix; see
        `normalize`.
      channels: 'rgb', 'bgr' or 'gray', the order of channels in the network's input.
      scale: None normalizes as training does, compiled. A number is the source's factor on pixels,
        mostly 1/255: `normalize` then computes (pixels * scale - mean) / std as the source does,
        which may differ in the last bit.
      dtype: of the network's input, and so the dtype that it computes in.

    Raises:
      ValueError: the order of channels or the dtype is not known, or std or scale is not above 0.

    Example:
      >>> preprocess = Preprocess.published(
      ...     256, 224, 'bilinear', (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
      ... )
      >>> preprocess(np.zeros((300, 400, 3), np.uint8)).shape
      (224, 224, 3)
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
                f'std and scale of a preprocessing must be above 0, not {self.std} and {self.scale}'
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
        """Preprocessing as the sources of published weights state it.

        Resize, center crop, then (pixels * scale - mean) / std.

        Args:
          resize: the shorter side in pixels, or both sides with the mode 'squash'.
          crop: the side of the square center crop in pixels.
          interpolation: 'nearest', 'bilinear' or 'bicubic', by Pillow.
          mean, std: of each channel, in the unit of `pixels * scale`, such as (0.485, ...).
          mode: 'short' or 'squash'.
          scale: 1 if the source states its mean in the unit of pixels.
          channels: 'rgb' or 'bgr'.

        Raises:
          ValueError: the interpolation, mode or order of channels is not known, or the crop is
            larger than the resized image.
        """
        names.among('interpolation', interpolation, INTERPOLATIONS)
        names.among('order of channels', channels, ('rgb', 'bgr'))
        if crop > resize:
            raise ValueError(
                f'a crop of {crop} pixels cannot be cut from an image resized to {resize}'
            )
        if not scale > 0:
            raise ValueError(f'the scale of pixels must be above 0, not {scale}')
        filter, antialias = INTERPOLATIONS[interpolation]
        return cls(
            Protocol((resize,), crop, mode=mode, filter=filter, antialias=antialias),
            np.asarray(mean, np.float64) / scale,
            np.asarray(std, np.float64) / scale,
            channels,
            scale,
        )

    def sentence(self) -> str:
        """Describes resizing and cropping in words.

        Such as 'the shorter side to 256 pixels (bilinear), 224 from the center'.
        """
        return self.protocol.sentence()

    def views(self, image: Picture) -> list[np.ndarray]:
        """All views of a picture: a list of uint8 (h, w, c), RGB or gray.

        Args:
          image: the path of a file, a Pillow image, or a uint8 array (h, w), (h, w, 1) or
            (h, w, 3) in RGB.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it is not a picture, or does not fit the protocol.
        """
        return self.protocol.views(read_image(image, 1 if self.channels == 'gray' else 3))

    def pixels(self, image: Picture) -> np.ndarray:
        """The only view of a picture: uint8 (h, w, c), RGB or gray.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: the protocol has several views, or as in `views`.
        """
        if self.protocol.count != 1:
            raise ValueError(
                f'this protocol has {self.protocol.count} views per picture; `views` gives them'
            )
        return self.views(image)[0]

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (..., h, w, c), RGB or gray -> the network's input, of `dtype`."""
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
        """The network's input for a picture: (h, w, c) of `dtype`."""
        return self.normalize(self.pixels(image))

    def on_device(self, pixels: jax.Array) -> jax.Array:
        """`normalize` inside a compiled function, for uint8 or float pixels (n, h, w, c).

        Differentiable.
        """
        mean, std = (jnp.asarray(v, jnp.float32) for v in (self.mean, self.std))
        return normalize(self._ordered(pixels), mean, std, jnp.dtype(self.dtype))

    def from_unit(self, images: jax.Array) -> jax.Array:
        """`on_device` for images in [0, 1]."""
        return self.on_device(to_pixels(images))

    def to_unit(self, images: jax.Array | np.ndarray) -> np.ndarray:
        """Turns network inputs (n, h, w, c) back into pictures: float32 in [0, 1], RGB or gray.

        Raises:
          ValueError: the network takes whitened images.
        """
        if np.ndim(self.std) == 2:
            raise ValueError(
                'the network takes whitened images, which cannot be turned back into pictures'
            )
        x = np.asarray(jnp.asarray(images, jnp.float32))
        x = x * np.asarray(self.std, np.float32) + np.asarray(self.mean, np.float32)
        return self._ordered(np.clip(x / np.float32(255), 0, 1))

    def _ordered(self, x):
        return x[..., ::-1] if self.channels == 'bgr' else x

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values; `from_dict` is the inverse.

        JSON can hold them, unless mean or std is an array of more than one axis.
        """
        protocol = {'kind': type(self.protocol).__name__, **dataclasses.asdict(self.protocol)}
        return {**vars(self), 'protocol': protocol}

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> 'Preprocess':
        """The inverse of `to_dict`; takes lists in place of tuples."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in stated['protocol'].items()
        }
        kind: Any = names.lookup('protocol', fields.pop('kind'), _KINDS)
        return cls(**{**stated, 'protocol': kind(**fields)})

    def tree_flatten(self):
        """(traced leaves, static fields)."""
        leaves = tuple(
            np.asarray(v, np.float32)[()] if isinstance(v, float | tuple) else v
            for v in (self.mean, self.std)
        )
        return leaves, (self.protocol, self.channels, self.scale, self.dtype)

    @classmethod
    def tree_unflatten(cls, static, leaves):
        """Builds an instance without checks: under a transformation leaves may be any object."""
        made = object.__new__(cls)
        fields = ('mean', 'std', 'protocol', 'channels', 'scale', 'dtype')
        for field, value in zip(fields, (*leaves, *static), strict=True):
            object.__setattr__(made, field, value)
        return made


# the name that sources of weights use -> (filter, antialias) of `data.decoding.resample`
INTERPOLATIONS = {
    'nearest': ('pillow_nearest', False),
    'bilinear': ('pillow_bilinear', True),
    'bicubic': ('pillow_bicubic', True),
}
_KINDS = {kind.__name__: kind for kind in (Protocol, Transformed)}


def _plain(values: Any) -> Any:
    """A number or a tuple of numbers; a float32 array if there is more than one axis."""
    array = np.asarray(values)
    return np.asarray(array, np.float32) if array.ndim > 1 else _tuple(array.tolist())


def _tuple(value):
    return tuple(value) if isinstance(value, list) else float(value)

"""Parameters of a picture that gradient ascent makes: pixels or Fourier coefficients, in RGB or in
decorrelated colors.

The choice decides which pictures are near one another, hence where ascent ends; every picture can
be written in each form.

Reference: Olah, Mordvintsev & Schubert 2017, Feature Visualization, doi.org/10.23915/distill.00007.
The numbers are those of github.com/tensorflow/lucid (optvis/param/spatial.py and color.py).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

# lucid's color_correlation_svd_sqrt: the square root of the covariance of ImageNet's colors
_COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
_COLORS = _COLORS / np.linalg.norm(_COLORS, axis=0).max()
# lucid's factor, which brings the pictures of coefficients to the range of its pixels
_FOURIER_GAIN = 1 / 4


@dataclasses.dataclass(frozen=True)
class Parametrization:
    """A map from parameters to pictures (n, h, w, c) in (0, 1).

    Attributes:
      shape: (n, h, w, c) of the pictures.
      fourier: parameters are Fourier coefficients, each divided by its frequency, so that all
        scales are learned at once; else they are pixels before a sigmoid.
      decorrelated: the channels of the parameters are the principal colors of natural images; for
        three channels only.

    Raises:
      ValueError: decorrelated colors for pictures without three channels.
    """

    shape: tuple[int, ...]
    fourier: bool = True
    decorrelated: bool = True

    def __post_init__(self):
        if self.decorrelated and self.shape[-1] != 3:
            raise ValueError(
                f'decorrelated colors are those of RGB pictures; these have {self.shape[-1]} '
                f'channels: use decorrelated=False'
            )

    def initial(self, seed: int) -> jax.Array:
        """Returns small Gaussian parameters, float32.

        Pixels have the shape of the pictures; Fourier coefficients have (2, n, h, w // 2 + 1, c),
        real and imaginary parts.
        """
        n, h, w, c = self.shape
        size = (2, n, h, w // 2 + 1, c) if self.fourier else self.shape
        return 0.01 * jax.random.normal(jax.random.key(seed), size)

    def pictures(self, parameters: jax.Array) -> jax.Array:
        """Returns the pictures of parameters, float32 (n, h, w, c) in (0, 1)."""
        x = self._values(parameters)
        if self.decorrelated:
            x = x @ jnp.asarray(_COLORS.T)
        return jax.nn.sigmoid(x)

    def blurred(self, parameters: jax.Array, sigma: float) -> jax.Array:
        """Returns the parameters of blurred pictures.

        Args:
          parameters: as `initial` returns them.
          sigma: standard deviation, in pixels, of a Gaussian that blurs the values before the
            sigmoid; borders wrap around.
        """
        damp = jnp.exp(-2 * (jnp.pi * sigma * self._frequencies()) ** 2)
        if self.fourier:
            return parameters * damp[None, None, :, :, None]
        spectrum = jnp.fft.rfft2(parameters, axes=(1, 2)) * damp[None, :, :, None]
        return jnp.fft.irfft2(spectrum, self.shape[1:3], axes=(1, 2))

    def _frequencies(self):
        _, h, w, _ = self.shape
        # cycles per pixel
        return jnp.hypot(jnp.fft.fftfreq(h)[:, None], jnp.fft.rfftfreq(w)[None])

    def _values(self, parameters):
        if not self.fourier:
            return parameters
        _, h, w, _ = self.shape
        scale = np.sqrt(h * w) / jnp.maximum(self._frequencies(), 1 / max(h, w))
        spectrum = (parameters[0] + 1j * parameters[1]) * scale[None, :, :, None]
        return jnp.fft.irfft2(spectrum, (h, w), axes=(1, 2)) * _FOURIER_GAIN

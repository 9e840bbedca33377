"""The mean and the standard deviation of a training set, or its whitening matrix."""

import numpy as np

from cnnlab import names
from cnnlab.data.sources.base import ImageSource

KINDS = (
    'unit',
    'symmetric',
    'channel',
    'pixel_mean',
    'lenet',
    'imagenet',
    'imagenet_mean',
    'pca_whitening',
    'zca_whitening',
)
# mean and std of R, G and B in 0..1: datasets/imagenet.lua in
# github.com/facebookarchive/fb.resnet.torch
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CHUNK = 1024
# the most numbers per image that are whitened; the matrix has their square and takes a minute
_LARGEST = 4096
# Added to every variance, as Stanford's CS231n, notes on data preprocessing, adds 1e-5; that its
# pixels are in 0..1 is assumed.
_LEAST = 1e-5 * 255**2

# A number serves all channels.
Statistic = np.ndarray | np.float32


def statistics(source: ImageSource, kind: str) -> tuple[Statistic, Statistic]:
    """Mean and standard deviation for a kind of normalization.

    unit: 0 and 255, for inputs in 0..1; shapes ().
    symmetric: 127.5 and 127.5, for inputs in -1..1, as TensorFlow's Inception and its successors
      take them; shapes ().
    channel: mean and standard deviation of each channel over all pixels of `source`; shapes (c,).
      For MNIST 0.1307 and 0.3081 of 255.
    pixel_mean: the mean image (h, w, c), as He et al. 2015 subtract it on CIFAR (arXiv:1512.03385,
      Section 4.2: 'per-pixel mean'). They state no scale; std is 255, for inputs in -1..1
      (`assumed`).
    imagenet: the published mean and standard deviation of each channel on ImageNet, for any source;
      shapes (3,).
    imagenet_mean: the same mean and std 1, for inputs of 0..255 minus the mean color, as networks
      before batch norm took them; shapes (3,).
    pca_whitening: the mean image (h, w, c) and a matrix (d, d), d = h w c. The numbers of
      `(pixels - mean).ravel() @ matrix` are uncorrelated, with variance 1 (less where the data had
      almost none), and lie along the principal components, the largest first.
    zca_whitening: the same, rotated back, so that the result is an image, as convolutional networks
      need it. For small images only.
    lenet: 20 and 200, so that the background (0) becomes -0.1 and the foreground (255) 1.175, the
      input of LeNet-5 in 1998; shapes ().

    All sums are over integers, hence exact and equal on every machine.

    Args:
      source: the training images, before any transform.
      kind: one of `KINDS`.

    Returns:
      (mean, std), float32 in the unit of pixels, 0 to 255; both broadcast against (n, h, w, c).

    Raises:
      ValueError: there is no such kind, `source` is empty, a channel is constant, images differ in
        size where a mean image is needed, or they are too large to be whitened.
    """
    names.among('normalization', kind, KINDS)
    if kind == 'unit':
        return np.float32(0), np.float32(255)
    if kind == 'symmetric':
        return np.float32(127.5), np.float32(127.5)
    if kind == 'imagenet':
        mean, std = IMAGENET
        return 255 * np.asarray(mean, np.float32), 255 * np.asarray(std, np.float32)
    if kind == 'imagenet_mean':
        return 255 * np.asarray(IMAGENET[0], np.float32), np.ones(3, np.float32)
    if kind == 'lenet':
        return np.float32(0.1 / 1.275 * 255), np.float32(255 / 1.275)
    if not len(source):
        raise ValueError(f'{source.name} {source.split} has no images to take a mean of')
    if kind.endswith('whitening'):
        return _whitening(source, turned_back=kind == 'zca_whitening')
    return _channel(source) if kind == 'channel' else _pixel_mean(source)


def _chunks(source: ImageSource):
    """Yields all images, in lists."""
    for start in range(0, len(source), _CHUNK):
        yield [
            e['image'] for e in source.__getitems__(range(start, min(start + _CHUNK, len(source))))
        ]


def _channel(source: ImageSource) -> tuple[np.ndarray, np.ndarray]:
    histogram = np.zeros((source[0]['image'].shape[-1], 256), np.int64)
    for images in _chunks(source):
        for c, counts in enumerate(histogram):
            counts += np.bincount(
                np.concatenate([image[..., c].ravel() for image in images]), minlength=256
            )
    pixels = histogram.sum(1)
    total, squares = histogram @ np.arange(256), histogram @ np.arange(256) ** 2
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    flat = np.flatnonzero((histogram > 0).sum(1) == 1)
    if flat.size:
        raise ValueError(
            f'channel {flat[0]} of {source.name} {source.split} is {mean[flat[0]]:.0f} in every '
            f'pixel: its standard deviation is 0'
        )
    return mean.astype(np.float32), std.astype(np.float32)


def _pixel_mean(source: ImageSource) -> tuple[np.ndarray, np.float32]:
    if source.image_shape is None:
        raise ValueError(
            f'the images of {source.name} {source.split} differ in size and have no mean image'
        )
    total = np.zeros(source.image_shape, np.int64)
    for images in _chunks(source):
        total += np.sum(images, axis=0, dtype=np.int64)
    return (total / len(source)).astype(np.float32), np.float32(255)


def _whitening(source: ImageSource, turned_back: bool) -> tuple[np.ndarray, np.ndarray]:
    mean, _ = _pixel_mean(source)
    d = mean.size
    if d > _LARGEST:
        raise ValueError(
            f'images of {" x ".join(map(str, mean.shape))} have {d:,} numbers; whitening takes at '
            f'most {_LARGEST:,}'
        )
    products = np.zeros((d, d))
    for images in _chunks(source):
        rows = np.stack(images).reshape(len(images), d) - mean.ravel().astype(np.float64)
        products += rows.T @ rows
    variances, components = np.linalg.eigh(products / len(source))
    variances, components = np.maximum(variances[::-1], 0), components[:, ::-1]
    # The sign of an eigenvector is arbitrary; this choice is the same on every machine.
    components = components * np.where(components.sum(0) < 0, -1, 1)
    matrix = components / np.sqrt(variances + _LEAST)
    return mean, (matrix @ components.T if turned_back else matrix).astype(np.float32)

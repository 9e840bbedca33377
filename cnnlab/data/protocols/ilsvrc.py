"""ILSVRC-2012: its size, and the protocols by which papers and libraries tested on it.

The classes are in `cnnlab.data.synsets`, the labels of the validation images in
`cnnlab.data.prepare.labels`.
"""

from collections.abc import Callable

from cnnlab import names
from cnnlab.data.protocols.protocol import Protocol

CLASSES = 1000
# Russakovsky et al. 2014, arXiv:1409.0575. The labels of the test images are secret.
IMAGES = {'train': 1_281_167, 'validation': 50_000, 'test': 100_000}
# the usual center crop as a share of the shorter side, also for inputs of other sizes than 224
_SHARE = 224 / 256


def alexnet_10crop(crop: int) -> Protocol:
    """Ten crops of the middle 256 x 256 square: corners and center, mirrored too.

    The softmax is averaged. The filter is assumed.

    Reference: Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional
    neural networks.
    """
    return Protocol((256,), crop, crops='corners', flip=True, square=True)


def resnet_10crop(crop: int) -> Protocol:
    """Ten crops of the image with a shorter side of 256: corners and center, mirrored too.

    Bicubic without antialias, as datasets/transforms.lua in
    github.com/facebookarchive/fb.resnet.torch.

    Reference: He et al. 2015, arXiv:1512.03385, call ten-crop testing the standard and refer to
    Krizhevsky et al.
    """
    return Protocol(
        (256,), crop, crops='corners', flip=True, filter='opencv_bicubic', antialias=False
    )


def resnet_multiscale(crop: int) -> Protocol:
    """Ten crops at each of five scales: shorter sides of 224, 256, 384, 480 and 640.

    The softmax is averaged; the paper does not say whether scores are averaged before or after the
    softmax (assumed: after).

    Reference: He et al. 2015, arXiv:1512.03385, at these scales, with fully-convolutional networks.
    Where a network has that form, `crops='whole'` does the same.
    """
    return Protocol((224, 256, 384, 480, 640), crop, crops='corners', flip=True)


def googlenet_144(crop: int) -> Protocol:
    """144 crops: 4 scales x 3 squares x (4 corners, center, the resized square) x mirrored or not.

    The shorter side is 256, 288, 320 and 352; the softmax is averaged. The filter is assumed.

    Reference: Szegedy et al. 2014, Going deeper with convolutions, arXiv:1409.4842, on the
    classification challenge of ILSVRC 2014.
    """
    return Protocol((256, 288, 320, 352), crop, crops='googlenet', flip=True)


def vgg_dense(crop: int) -> Protocol:
    """The network slides over the whole image at three scales, mirrored too.

    Dense layers become convolutions, 7x7 and 1x1. Scores are averaged over positions, then the
    softmax over scales and mirror images. The shorter side is 256, 384 and 512, for a network
    trained on [256, 512]; for one trained at S it should be S - 32, S and S + 32. The filter is
    assumed.

    Reference: Simonyan & Zisserman 2014, arXiv:1409.1556, on testing.
    """
    return Protocol((256, 384, 512), crops='whole', flip=True)


def torchvision(crop: int) -> Protocol:
    """The center crop, 224 of a shorter side of 256, by Pillow's bilinear filter.

    As references/classification/presets.py in github.com/pytorch/vision. Weights of torchvision
    state their own sizes (many newer ones 232), which take precedence.
    """
    return Protocol((int(crop / _SHARE),), crop)


def timm(crop: int) -> Protocol:
    """The center crop, 87.5% of the shorter side (224 of 256), by Pillow's bicubic filter.

    As timm/data/transforms_factory.py in github.com/huggingface/pytorch-image-models, with its
    default crop_pct. Weights of timm state their own sizes, which take precedence.
    """
    return Protocol((int(crop / _SHARE),), crop, filter='pillow_bicubic')


def keras(crop: int) -> Protocol:
    """The center crop, 224 of a shorter side of 256, by OpenCV's bicubic filter.

    This gave the accuracies of keras-applications: its maintainer in issues 88 and 99 of
    github.com/keras-team/keras-applications. For inputs of 299 and 331 the shorter side is not
    stated (assumed: in proportion).
    """
    return Protocol((int(crop / _SHARE),), crop, filter='opencv_bicubic', antialias=False)


def squash(crop: int) -> Protocol:
    """Both sides resized to 256, then the center crop, as for Caffe's AlexNet and SqueezeNet.

    As examples/imagenet/create_imagenet.sh (RESIZE_HEIGHT=256, RESIZE_WIDTH=256) in
    github.com/BVLC/caffe. Pillow's filter is assumed.
    """
    return Protocol((256,), crop, mode='squash')


PROTOCOLS: dict[str, Callable[[int], Protocol]] = {
    f.__name__: f
    for f in (
        alexnet_10crop,
        googlenet_144,
        keras,
        resnet_10crop,
        resnet_multiscale,
        squash,
        timm,
        torchvision,
        vgg_dense,
    )
}


def protocol(name: str, crop: int = 224) -> Protocol:
    """Looks up a protocol, for a network with inputs of `crop` x `crop` pixels.

    Raises:
      KeyError: there is no such protocol; the message gives the nearest names.
      ValueError: crops of this size do not fit the protocol.

    Example:
      >>> protocol('torchvision', 224).sentence()
      'the shorter side to 256 pixels (bilinear), 224 from the center'
    """
    found = names.lookup('protocol', name, PROTOCOLS)
    try:
        return found(crop)
    except ValueError as error:
        raise ValueError(
            f'the protocol {name} does not fit a network with an input of {crop} pixels: {error}'
        ) from None

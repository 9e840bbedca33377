"""Facts of ILSVRC-2012: sizes, labels, how papers trained on its images and how they tested on
them.

Classes are in `cnnlab.data.synsets`, the labels of the validation images in
`cnnlab.data.prepare.labels`.
"""

from collections.abc import Callable

from cnnlab import names
from cnnlab.data.protocols.protocol import Protocol

CLASSES = 1000
# Russakovsky et al. 2014, arXiv:1409.0575; test labels are secret
IMAGES = {'train': 1_281_167, 'validation': 50_000, 'test': 100_000}
# of the shorter side that is left by the usual center crop; for other inputs than 224 in proportion
_SHARE = 224 / 256


def alexnet_10crop(crop: int) -> Protocol:
    """Ten patches: the corners and the center of the middle 256 x 256 square, and their mirror
    images; the softmax is averaged.

    Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural
    networks. The filter is assumed.
    """
    return Protocol((256,), crop, crops='corners', flip=True, square=True)


def resnet_10crop(crop: int) -> Protocol:
    """Ten crops of an image whose shorter side is 256: datasets/transforms.lua in
    github.com/facebookarchive/fb.resnet.torch.

    He et al. 2015, arXiv:1512.03385, call ten-crop testing the standard and refer to Krizhevsky et
    al. Bicubic and without antialias there.
    """
    return Protocol(
        (256,), crop, crops='corners', flip=True, filter='opencv_bicubic', antialias=False
    )


def resnet_multiscale(crop: int) -> Protocol:
    """Ten crops at each of five scales, the shorter side 224, 256, 384, 480 and 640; the softmax is
    averaged.

    He et al. 2015, arXiv:1512.03385, average the scores of fully-convolutional networks at these
    scales; with `crops='whole'` this does too, for networks that have that form. Whether they
    averaged before or after the softmax is not said (assumed: after).
    """
    return Protocol((224, 256, 384, 480, 640), crop, crops='corners', flip=True)


def googlenet_144(crop: int) -> Protocol:
    """4 scales x 3 squares x (4 corners, center, the whole square resized) x 2 mirror images; the
    softmax is averaged.

    The shorter side is 256, 288, 320 and 352. Szegedy et al. 2014, Going deeper with convolutions,
    arXiv:1409.4842, on ILSVRC 2014's classification. The filter is assumed.
    """
    return Protocol((256, 288, 320, 352), crop, crops='googlenet', flip=True)


def vgg_dense(crop: int) -> Protocol:
    """The network slid over the whole image at three scales, scores averaged over places, the
    softmax over scales and mirror images.

    Simonyan & Zisserman 2014, arXiv:1409.1556, on testing: dense layers become convolutions, 7x7
    and 1x1, and the map of class scores is averaged; the shorter side is 256, 384 and 512 for a
    network trained on [256, 512]. For one trained at S, it is S - 32, S and S + 32. The filter is
    assumed.
    """
    return Protocol((256, 384, 512), crops='whole', flip=True)


def torchvision(crop: int) -> Protocol:
    """The center of an image, 224 of a shorter side of 256, by Pillow's bilinear.

    references/classification/presets.py in github.com/pytorch/vision. Weights of torchvision say
    their own numbers, many of the newer ones 232, and those are then used.
    """
    return Protocol((int(crop / _SHARE),), crop)


def timm(crop: int) -> Protocol:
    """The center, 87.5% of the shorter side (224 of 256), by Pillow's bicubic.

    timm/data/transforms_factory.py in github.com/huggingface/pytorch-image-models, with its default
    crop_pct. Weights of timm say their own numbers, and those are then used.
    """
    return Protocol((int(crop / _SHARE),), crop, filter='pillow_bicubic')


def keras(crop: int) -> Protocol:
    """The center of an image, 224 of a shorter side of 256, by OpenCV's bicubic: how the figures of
    keras-applications were made.

    Its maintainer in issues 88 and 99 of github.com/keras-team/keras-applications. The README there
    has inputs of 299 and 331 too, for which the shorter side is not said (assumed: in proportion).
    """
    return Protocol((int(crop / _SHARE),), crop, filter='opencv_bicubic', antialias=False)


def squash(crop: int) -> Protocol:
    """Both sides to 256, then the center: Caffe's way to prepare ImageNet, and that of Caffe's
    AlexNet and SqueezeNet.

    examples/imagenet/create_imagenet.sh (RESIZE_HEIGHT=256, RESIZE_WIDTH=256) in
    github.com/BVLC/caffe. The filter is Pillow's (assumed).
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
    """The protocol of that name for a network whose input is `crop` pixels a side.

    Raises:
      KeyError: no such name (the nearest are given). ValueError: such crops cannot be cut from its
        images.
    """
    found = names.lookup('protocol', name, PROTOCOLS)
    try:
        return found(crop)
    except ValueError as error:
        raise ValueError(
            f'the protocol {name} does not fit a network with an input of {crop} pixels: {error}'
        ) from None


# What images go through before a paper's network is trained on them, for `Recipe.augment`; '{size}'
# is the side of its input.
_COLOR = 'color_jitter(0.4, 0.4, 0.4)'
AUGMENT: dict[str, tuple[str, ...]] = {
    # Krizhevsky et al. 2012, Sections 2 and 4.1: the middle square of 256, a window of it,
    # mirrored, colored
    'alexnet': ('resize(256)', 'center_crop(256)', 'random_window({size})', 'flip()', 'lighting()'),
    # Simonyan & Zisserman 2014, Section 3.1: the shorter side in [256, 512], mirrored, a random
    # shift of the RGB colors
    'vgg': ('scale_jitter({size}, 256, 512)', 'flip()', 'lighting()'),
    # Szegedy et al. 2014, Section 6: 8-100% of the area, 3/4-4/3; their photometric distortions are
    # not given in numbers
    'googlenet': ('random_resized_crop({size})', 'flip()', _COLOR),
    # He et al. 2015, Section 3.4: the shorter side in [256, 480], mirrored, AlexNet's colors
    'resnet': ('scale_jitter({size}, 256, 480)', 'flip()', 'lighting()'),
    # datasets/imagenet.lua in github.com/facebookarchive/fb.resnet.torch
    'fb_resnet': ('random_resized_crop({size})', _COLOR, 'lighting()', 'flip()'),
    # references/classification/presets.py in github.com/pytorch/vision, and the recipe of 2021
    # (docs/sources.md, "Recipes")
    'torchvision': ('random_resized_crop({size})', 'flip()'),
    'torchvision_2021': (
        'random_resized_crop({size})',
        'flip()',
        "trivial_augment(filter='bilinear')",
        'erase(0.1)',
    ),
}


def augment(name: str, size: int = 224) -> tuple[str, ...]:
    """The views of a training by name, for images of `size` x `size`; KeyError with the nearest
    names otherwise.
    """
    return tuple(view.format(size=size) for view in names.lookup('training views', name, AUGMENT))

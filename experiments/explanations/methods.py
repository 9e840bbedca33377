"""The methods by name, as --methods and the page have them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cnnlab.visual import grad_cam, gradients

from . import attribution, feature_space, imagining, looking
from .attribution import by_gradient, cam, plain
from .case import Case, Group


class Method(NamedTuple):
    """A section of the page."""

    title: str
    text: str
    groups: Callable[[Case], Iterator[Group]]
    # whether it needs a layer with rows and columns
    spatial: bool = False


METHODS: dict[str, Method] = {
    'filters': Method(
        'First-layer filters',
        'The kernels of the first layer, in the colors that they answer to.',
        looking.first_layer,
    ),
    'activations': Method(
        'Activation maps',
        'What single feature maps give for a picture; black is 0.',
        looking.activation_maps,
        True,
    ),
    'deconvnet': Method(
        'Deconvnet projections',
        'The strongest activations of a feature map, brought back to pixels through transposed '
        'filters, the '
        'switches of the pools and rectified signals (Zeiler & Fergus 2013), and the patches that '
        'they see.',
        looking.projections,
        True,
    ),
    'patches': Method(
        'Strongest patches',
        'The patches of the set that excite a feature map most, as large as its units see.',
        looking.strongest_patches,
        True,
    ),
    'saliency': Method(
        'Saliency',
        'The gradient of the class score by the pixels (Simonyan et al. 2013).',
        by_gradient('saliency', plain(gradients.gradient)),
    ),
    'smooth_grad': Method(
        'SmoothGrad',
        'The mean gradient over noisy copies (Smilkov et al. 2017).',
        by_gradient('smooth_grad', attribution.smooth),
    ),
    'guided_backprop': Method(
        'Guided backprop',
        'Only positive signals pass back through ReLUs (Springenberg et al. 2014).',
        by_gradient('guided_backprop', plain(gradients.guided_backprop)),
    ),
    'integrated_gradients': Method(
        'Integrated gradients',
        'Gradients on the way from gray, times the difference; they must sum to the '
        'change of the score (Sundararajan et al. 2017).',
        by_gradient('integrated_gradients', attribution.integrated),
    ),
    'grad_cam': Method(
        'Grad-CAM',
        'Feature maps weighted by their mean gradients (Selvaraju et al. 2016).',
        cam('grad_cam', grad_cam.grad_cam),
        True,
    ),
    'grad_cam_plus_plus': Method(
        'Grad-CAM++',
        'Positions weighted one by one (Chattopadhyay et al. 2017).',
        cam('grad_cam_plus_plus', grad_cam.grad_cam_plus_plus),
        True,
    ),
    'guided_grad_cam': Method(
        'Guided Grad-CAM',
        'Guided backprop times the upsampled Grad-CAM.',
        by_gradient('guided_grad_cam', attribution.guided_cam),
        True,
    ),
    'lrp': Method(
        'LRP-epsilon',
        'Relevance handed down layer by layer, with eps 0.001 (Bach et al. 2015).',
        by_gradient('lrp', attribution.relevance),
    ),
    'occlusion': Method(
        'Occlusion',
        'A gray square moves over the picture (Zeiler & Fergus 2013, Figure 7).',
        attribution.occluded,
        True,
    ),
    'rise': Method(
        'RISE',
        'Random masks weighted by the probability under them (Petsiuk et al. 2018).',
        attribution.masked,
    ),
    'sanity': Method(
        'Sanity checks',
        'Layers made random one after another from the last to the first: a map that stays '
        'explains no '
        'network (Adebayo et al. 2018).',
        attribution.randomized,
        True,
    ),
    'maximize': Method(
        'Maximized classes and units',
        'Pictures made by gradient ascent, as Fourier coefficients in decorrelated colors '
        'with jitter and zoom.',
        imagining.maximized,
    ),
    'invert': Method(
        'Feature inversion',
        'Pictures whose features are those of the first (Mahendran & Vedaldi 2014).',
        imagining.inverted,
        True,
    ),
    'deep_dream': Method(
        'DeepDream',
        'What a layer sees is made stronger (Mordvintsev et al. 2015).',
        imagining.dreams,
        True,
    ),
    'style': Method(
        'Style transfer',
        'The content of the first picture in the style of the second (Gatys et al. 2015).',
        imagining.styled,
        True,
    ),
    'features': Method(
        'Feature space',
        'The pictures as points: PCA, t-SNE, nearest neighbors, classes, linear probes.',
        feature_space.space,
        True,
    ),
}

"""The methods of explanation by name, as --methods and the page have them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cnnlab import names
from cnnlab.visual import grad_cam, gradients
from cnnlab.visual.explanations import attribution, feature_space, synthesis, units
from cnnlab.visual.explanations.attribution import by_gradient, cam, plain
from cnnlab.visual.explanations.case import Case, Group


class Method(NamedTuple):
    """A method of explanation: a section of the page.

    Attributes:
      title: of the section.
      text: a sentence below it that says what is shown, with its source.
      groups: makes the rows of the section, each a name and its pictures.
      spatial: whether it needs a layer with rows and columns.
    """

    title: str
    text: str
    groups: Callable[[Case], Iterator[Group]]
    spatial: bool = False


METHODS: dict[str, Method] = {
    'filters': Method(
        'First-layer filters',
        'The kernels of the first layer, in the colors that they answer to.',
        units.first_layer,
    ),
    'activations': Method(
        'Activation maps',
        'What single feature maps give for a picture; black is 0.',
        units.activation_maps,
        True,
    ),
    'deconvnet': Method(
        'Deconvnet projections',
        'The strongest activations of a feature map, brought back to pixels through transposed '
        'filters, the '
        'switches of the pools and rectified signals (Zeiler & Fergus 2013), and the patches that '
        'they see.',
        units.projections,
        True,
    ),
    'patches': Method(
        'Strongest patches',
        'The patches of the set that excite a feature map most, as large as its units see.',
        units.strongest_patches,
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
        synthesis.maximized,
    ),
    'invert': Method(
        'Feature inversion',
        'Pictures whose features are those of the first (Mahendran & Vedaldi 2014).',
        synthesis.inverted,
        True,
    ),
    'deep_dream': Method(
        'DeepDream',
        'What a layer sees is made stronger (Mordvintsev et al. 2015).',
        synthesis.dreams,
        True,
    ),
    'style': Method(
        'Style transfer',
        'The content of the first picture in the style of the second (Gatys et al. 2015).',
        synthesis.styled,
        True,
    ),
    'features': Method(
        'Feature space',
        'The pictures as points: PCA, t-SNE, nearest neighbors, classes, linear probes.',
        feature_space.space,
        True,
    ),
}


def register(name: str, method: Method) -> None:
    """Makes a method of one's own known by name: after `register('mine', Method(...))` the
    experiment `explain` takes --methods=mine.

    Raises:
      ValueError: the name is taken.

    Example:
      register('mine', Method('Mine', 'What it shows.', by_gradient('mine', plain(my_gradient))))
    """
    names.add('explanation', name, method, METHODS)

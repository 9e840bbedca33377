"""Attribution by gradients: which pixels, or which places of a layer, speak for a class."""

import numpy as np

from cnnlab.visual import grad_cam, gradients, lrp
from cnnlab.visual.integrated_gradients import integrated_gradients
from cnnlab.visual.registry import register
from cnnlab.visual.sections import Attributed, by_layer, by_pixel, plain
from cnnlab.visual.smooth_grad import smooth_grad

# larger than the default of `lrp_epsilon`: it absorbs weak and contradictory relevance
_LRP_EPS = 1e-3


def _smooth_grad(request):
    values = smooth_grad(
        request.net,
        request.images,
        request.classes,
        samples=request.samples,
        seed=request.seed,
    )
    return Attributed(values)


def _integrated_gradients(request):
    found = integrated_gradients(request.net, request.images, request.classes, steps=request.steps)
    remarks = []
    for values, change, missing in zip(*found, strict=True):
        share = abs(missing) / max(abs(change), 1e-12)
        remarks.append(
            f'; sum {values.sum():.3f} for a change of {change:.3f} ({share:.1%} missing)'
        )
    return Attributed(found.attribution, remarks)


def _guided_grad_cam(request):
    values = grad_cam.guided_grad_cam(
        request.net, request.images, request.cam_path, request.classes
    )
    return Attributed(values, [f'; layer {request.cam_path}'] * len(request.images))


def _lrp(request):
    values = np.asarray(lrp.lrp_epsilon(request.net, request.images, request.classes, eps=_LRP_EPS))
    return Attributed(values, [f'; sum {v.sum():.2f}' for v in values])


register(
    'saliency',
    by_pixel('saliency', plain(gradients.gradient)),
    kind='attribution',
    title='Saliency',
    text='The gradient of the class score by the pixels (Simonyan et al. 2013).',
)
register(
    'smooth_grad',
    by_pixel('smooth_grad', _smooth_grad),
    kind='attribution',
    title='SmoothGrad',
    text='The mean gradient over noisy copies (Smilkov et al. 2017).',
)
register(
    'guided_backprop',
    by_pixel('guided_backprop', plain(gradients.guided_backprop)),
    kind='attribution',
    title='Guided backprop',
    text='Only positive signals pass back through ReLUs (Springenberg et al. 2014).',
)
register(
    'integrated_gradients',
    by_pixel('integrated_gradients', _integrated_gradients),
    kind='attribution',
    title='Integrated gradients',
    text='Gradients on the way from gray, times the difference; they must sum to the change of the '
    'score (Sundararajan et al. 2017).',
)
register(
    'grad_cam',
    by_layer('grad_cam', grad_cam.grad_cam),
    kind='attribution',
    title='Grad-CAM',
    text='Feature maps weighted by their mean gradients (Selvaraju et al. 2016).',
    spatial=True,
)
register(
    'grad_cam_plus_plus',
    by_layer('grad_cam_plus_plus', grad_cam.grad_cam_plus_plus),
    kind='attribution',
    title='Grad-CAM++',
    text='Positions weighted one by one (Chattopadhyay et al. 2017).',
    spatial=True,
)
register(
    'guided_grad_cam',
    by_pixel('guided_grad_cam', _guided_grad_cam),
    kind='attribution',
    title='Guided Grad-CAM',
    text='Guided backprop times the upsampled Grad-CAM.',
    spatial=True,
)
register(
    'lrp',
    by_pixel('lrp', _lrp),
    kind='attribution',
    title='LRP-epsilon',
    text='Relevance handed down layer by layer, with eps 0.001 (Bach et al. 2015).',
)

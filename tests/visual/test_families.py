"""Every method on ten families, at the smallest size that they take: values in float32, and traced for sixteen images in bfloat16."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.models import registry
from cnnlab.visual import activations, deconvnet, grad_cam, gradients, layers, lrp, occlusion, patches, rise, smooth_grad

# (name, side, fields): ten families, the deep ones in a shallow form
NETS = [
    ('convnetjs_cifar10', 16, {}), ('lenet5_dense', 32, {}), ('keras_mnist_convnet', 14, {}), ('cifar_nin', 16, {}),
    ('cifar_resnet20', 8, {'blocks': 1}), ('cifar_preresnet110', 8, {'blocks': 1}), ('cifar_se_preresnet110', 8, {'blocks': 1}),
    ('cifar_densenet40_12', 8, {'blocks': (2, 2, 2)}), ('squeezenet1_1', 33, {'num_classes': 8}),
    ('shufflenet_v2_x0_5', 32, {'num_classes': 8, 'blocks': (1, 1, 1)}),
]


def built(name, side, fields):
    """(model, variables from cheap draws, two images)."""
    model = registry.create(name, **fields)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, side, side, registry.entry(name).input_shape[-1])).astype(np.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)

    def draw(path, leaf):
        last = path[-1].key
        if last in ('scale', 'var'):
            return np.ones(leaf.shape, np.float32)
        fan_in = max(np.prod(leaf.shape[:-1]), 1) if leaf.ndim > 1 else 100
        return rng.standard_normal(leaf.shape).astype(np.float32) * np.float32(np.sqrt(2 / fan_in))

    return model, jax.tree_util.tree_map_with_path(draw, shapes), images


def by_gradient(model, path, variables, images):
    """All methods that are one program, so that they compile as one."""
    classes = np.arange(len(images), dtype=np.int32) % 5
    out = {'gradient': gradients.gradient(model, variables, images, classes),
           'lrp': lrp.lrp_epsilon(model, variables, images, classes, eps=0.1),
           'grad_cam': grad_cam.grad_cam(model, variables, images, path, classes),
           'grad_cam_plus_plus': grad_cam.grad_cam_plus_plus(model, variables, images, path, classes)}
    if not isinstance(model, type(registry.create('lenet5_dense'))):  # its tanh is refused
        out |= {'guided_backprop': gradients.guided_backprop(model, variables, images, classes),
                'deconvnet': deconvnet.of_channel(model, variables, images, path, 1).pixels}
    return out


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'side', 'fields'), NETS, ids=[name for name, *_ in NETS])
def test_every_gradient_method_works_on_a_family(name, side, fields):
    model, variables, images = built(name, side, fields)
    path = layers.spatial(model, variables, images)
    found = jax.jit(lambda v, x: by_gradient(model, path, v, x))(variables, images)
    for method, value in found.items():
        assert np.isfinite(value).all(), method
        assert len(value) == 2 and value.dtype == jnp.float32
    assert all(found[m].shape == images.shape for m in ('gradient', 'lrp'))
    assert np.abs(found['gradient']).max() > 0 and found['grad_cam'].min() >= 0
    assert ('deconvnet' in found) == (name != 'lenet5_dense')
    half = jax.ShapeDtypeStruct((16, *images.shape[1:]), jnp.bfloat16)
    traced = jax.eval_shape(lambda v, x: by_gradient(model, path, v, x), variables, half)
    assert {m: (a.shape[1:], a.dtype) for m, a in traced.items()} == {m: (a.shape[1:], a.dtype) for m, a in found.items()}
    box = patches.box(model, images.shape[1:], path, 0, 0)
    assert box.height >= 1 and box.top <= 0 <= box.top + box.height
    assert activations.of_layer(model, variables, images, path).shape[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize('name', ['convnetjs_cifar10', 'lenet5_dense'])
def test_methods_that_ask_many_images_work_on_a_family(name):
    model, variables, images = built(*next(net for net in NETS if net[0] == name))
    side = images.shape[1]
    assert np.isfinite(occlusion.occlusion(model, variables, images, 1, window=side // 2, stride=side // 2, batch=4).score).all()
    assert np.isfinite(rise.rise(model, variables, images, 1, masks=4, cells=3, batch=4)).all()
    assert np.isfinite(smooth_grad.smooth_grad(model, variables, images, 1, samples=2, batch=4)).all()

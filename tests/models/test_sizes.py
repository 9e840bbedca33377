"""The input size of a network in a comparison."""

import pytest

from cnnlab.models import registry, sizes


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('mlp2', (8, 8)),
        ('softmax_linear', (8, 8)),
        ('cifar_resnet20', (8, 8)),
        ('cifar_plain20', (8, 8)),
        ('lenet5', (32, 32)),
        ('lenet5_dense', (32, 32)),
        ('convnetjs_cifar10', (32, 32)),
        ('keras_mnist_convnet', (28, 28)),
    ],
)
def test_global_pooling_keeps_the_size_of_images_and_a_fixed_flattening_enlarges_them(name, size):
    assert sizes.fitting(name, (8, 8, 1)) == size


def test_an_alias_makes_the_same_network_and_is_not_listed():
    assert registry.create('resnet20') == registry.create('cifar_resnet20')
    assert registry.resolve('resnet20') == 'cifar_resnet20' and 'resnet20' not in registry.names()
    with pytest.raises(ValueError, match="the model name 'lenet5' is taken"):
        registry.alias('lenet5', 'lenet5_dense')

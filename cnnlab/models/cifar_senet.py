"""Squeeze-and-excitation on CIFAR: Hu et al. 2017, arXiv:1709.01507, the pre-activation and wide
networks of its tables on CIFAR.
"""

import functools

from cnnlab.models.cifar_preresnet import CifarPreResNet
from cnnlab.models.registry import register

_register = functools.partial(
    register,
    cls=CifarPreResNet,
    family='Squeeze-and-excitation on CIFAR',
    paper='arXiv:1709.01507',
    year=2017,
    input_shape=(32, 32, 3),
    # as on ImageNet (the paper's default)
    reduction=16,
)
# Parameters: summed over the layers in tests/models/test_preresnet.py.
_register(
    'cifar_se_preresnet110', blocks=18, block='basic', widens=False, shortcut='A', params=1_742_200
)
_register('cifar_se_preresnet164', blocks=18, params=1_905_362)
_register('se_wrn16_8', blocks=2, block='basic', width=128, params=11_049_290)

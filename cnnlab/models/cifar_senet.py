"""Squeeze-and-excitation on CIFAR: Hu et al. 2017, arXiv:1709.01507, on the pre-activation and wide
nets of its CIFAR tables.
"""

from cnnlab.models.cifar_preresnet import CifarPreResNet
from cnnlab.models.registry import register

# r = 16, as on ImageNet (the paper's default). Parameters: summed over the layers in
# tests/models/test_preresnet.py.
for _name, _params, _fields in (
    (
        'cifar_se_preresnet110',
        1_742_200,
        {'blocks': 18, 'block': 'basic', 'widens': False, 'shortcut': 'A'},
    ),
    ('cifar_se_preresnet164', 1_905_362, {'blocks': 18}),
    ('se_wrn16_8', 11_049_290, {'blocks': 2, 'block': 'basic', 'width': 128}),
):
    register(
        _name,
        CifarPreResNet,
        reduction=16,
        params=_params,
        input_shape=(32, 32, 3),
        paper='arXiv:1709.01507',
        year=2017,
        **_fields,
    )

"""Wide ResNets: Zagoruyko & Komodakis 2016, "Wide residual networks", arXiv:1605.07146; for CIFAR
as models/wide-resnet.lua in github.com/szagoruyko/wide-residual-networks.
"""

import functools

from cnnlab.models.cifar_preresnet import CifarPreResNet
from cnnlab.models.registry import register
from cnnlab.models.resnet import ResNet

_register = functools.partial(register, family='Wide ResNet', paper='arXiv:1605.07146', year=2016)
_cifar = functools.partial(_register, cls=CifarPreResNet, block='basic', input_shape=(32, 32, 3))
# Parameters: summed over Table 1 in tests/models/test_counts.py. WRN-d-k: d = 6n + 4 layers, k
# times the channels. Dropout 0.3 is an option of the paper's CIFAR runs: `create('wrn28_10',
# dropout=0.3)`.
_cifar('wrn28_10', blocks=4, width=160, params=36_479_194)
_cifar('wrn16_8', blocks=2, width=128, params=10_961_370)
_cifar('wrn40_4', blocks=6, width=64, params=8_949_210)

# Parameters: torchvision's count (tests/models/peers.json). Bottlenecks with twice the channels in
# the 3x3; the stride is on it (torchvision, timm).
_imagenet = functools.partial(_register, cls=ResNet, stride_on='3x3', width=128)
_imagenet('wide_resnet50_2', blocks=(3, 4, 6, 3), params=68_883_240)
_imagenet('wide_resnet101_2', blocks=(3, 4, 23, 3), params=126_886_696)

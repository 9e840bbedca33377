"""Key maps for the CIFAR ResNets of akamaster/pytorch_resnet_cifar10 (option A: shortcuts
without weights).
"""

from cnnlab.data.preprocessing import Preprocess
from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import torch_layers as torch

RULES = (
    torch.conv_norm('conv1', 'bn1', 'stem'),
    torch.conv_norm('layer{s}.{b}.conv{i}', 'layer{s}.{b}.bn{i}', 'stage{s}/block{b+1}/conv{i}'),
    torch.dense('linear', 'head'),
)

for _id, _model in {
    'akamaster/resnet20': 'cifar_resnet20',
    'akamaster/resnet32': 'cifar_resnet32',
    'akamaster/resnet44': 'cifar_resnet44',
    'akamaster/resnet56': 'cifar_resnet56',
    'akamaster/resnet110': 'cifar_resnet110',
    'akamaster/resnet1202': 'cifar_resnet1202',
}.items():
    register(
        _id,
        model=_model,
        rules=RULES,
        # trainer.py there
        preprocess=Preprocess.published(
            32, 32, 'bilinear', (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        ),
        class_order='cifar10',
        license='BSD-2-Clause',
    )

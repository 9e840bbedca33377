"""Key maps for VGG of torchvision, timm (whose dense layers are convolutions that slide over
larger images) and Keras.
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import torch_layers as torch

# convolutions before each pooling
_BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _features(depth, norm):
    """torch numbers all layers in a row: a convolution, its batch norm where there is one, its
    ReLU; and the poolings.
    """
    rules, at = [], 0
    for i, convolutions in enumerate(_BLOCKS[depth], 1):
        for j in range(1, convolutions + 1):
            conv, target = f'features.{at}', f'conv{i}_{j}'
            rules.append(
                torch.conv_norm(conv, f'features.{at + 1}', target)
                if norm
                else torch.conv(conv, target)
            )
            at += 3 if norm else 2
        at += 1
    return rules


_TORCHVISION_HEAD = (
    torch.dense('classifier.0', 'fc6', flatten=(512, 7, 7)),
    torch.dense('classifier.3', 'fc7'),
    torch.dense('classifier.6', 'fc8'),
)
_TIMM_HEAD = (
    torch.conv_as_dense('pre_logits.fc1', 'fc6', window=(7, 7)),
    torch.conv_as_dense('pre_logits.fc2', 'fc7'),
    torch.dense('head.fc', 'fc8'),
)
_KERAS = (
    keras.conv('block{i}_conv{j}', 'conv{i}_{j}'),
    keras.dense('fc1', 'fc6'),
    keras.dense('fc2', 'fc7'),
    keras.dense('predictions', 'fc8'),
)

for _id, _model, _convs in (
    ('torchvision/vgg11', 'vgg11', _features(11, False)),
    ('torchvision/vgg11_bn', 'vgg11_bn', _features(11, True)),
    ('torchvision/vgg13', 'vgg13', _features(13, False)),
    ('torchvision/vgg13_bn', 'vgg13_bn', _features(13, True)),
    ('torchvision/vgg16', 'vgg16', _features(16, False)),
    ('torchvision/vgg16_bn', 'vgg16_bn', _features(16, True)),
    ('torchvision/vgg19', 'vgg19', _features(19, False)),
    ('torchvision/vgg19_bn', 'vgg19_bn', _features(19, True)),
):
    register(_id, model=_model, rules=(_convs, _TORCHVISION_HEAD))
for _id, _model, _convs in (
    ('timm/vgg11', 'vgg11', _features(11, False)),
    ('timm/vgg11_bn', 'vgg11_bn', _features(11, True)),
    ('timm/vgg13', 'vgg13', _features(13, False)),
    ('timm/vgg13_bn', 'vgg13_bn', _features(13, True)),
    ('timm/vgg16', 'vgg16', _features(16, False)),
    ('timm/vgg16_bn', 'vgg16_bn', _features(16, True)),
    ('timm/vgg19', 'vgg19', _features(19, False)),
    ('timm/vgg19_bn', 'vgg19_bn', _features(19, True)),
):
    register(_id, model=_model, fields={'dense': True}, rules=(_convs, _TIMM_HEAD))
for _id, _model in {
    'keras/VGG16': 'vgg16',
    'keras/VGG19': 'vgg19',
}.items():
    register(_id, model=_model, rules=_KERAS)

"""Key maps for DenseNet of torchvision, timm (the same names) and Keras."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers, torch_layers

_LAYER = 'block{b}/layer{i}'
_TORCH = (
    torch_layers.conv_norm('features.conv0', 'features.norm0', 'stem'),
    torch_layers.conv_norm(
        'features.denseblock{b}.denselayer{i}.conv1',
        'features.denseblock{b}.denselayer{i}.norm1',
        f'{_LAYER}/conv1x1',
    ),
    torch_layers.conv_norm(
        'features.denseblock{b}.denselayer{i}.conv2',
        'features.denseblock{b}.denselayer{i}.norm2',
        f'{_LAYER}/conv3x3',
    ),
    torch_layers.conv_norm(
        'features.transition{b}.conv', 'features.transition{b}.norm', 'transition{b}'
    ),
    torch_layers.norm('features.norm5', 'norm'),
    torch_layers.dense('classifier', 'head'),
)
_KERAS = (
    keras_layers.conv_norm('conv1_conv', 'conv1_bn', 'stem'),
    keras_layers.conv_norm(
        'conv{b+1}_block{i}_1_conv', 'conv{b+1}_block{i}_0_bn', f'{_LAYER}/conv1x1'
    ),
    keras_layers.conv_norm(
        'conv{b+1}_block{i}_2_conv', 'conv{b+1}_block{i}_1_bn', f'{_LAYER}/conv3x3'
    ),
    keras_layers.conv_norm('pool{b+1}_conv', 'pool{b+1}_bn', 'transition{b}'),
    keras_layers.norm('bn', 'norm'),
    keras_layers.dense('predictions', 'head'),
)
# torchvision's published files are older than its module names
_OLD = ((r'(denselayer\d+\.(?:norm|conv))\.([12])\.', r'\1\2.'),)

for _id, _model in {
    'torchvision/densenet121': 'densenet121',
    'torchvision/densenet161': 'densenet161',
    'torchvision/densenet169': 'densenet169',
    'torchvision/densenet201': 'densenet201',
    'timm/densenet121': 'densenet121',
    'timm/densenet161': 'densenet161',
    'timm/densenet169': 'densenet169',
    'timm/densenet201': 'densenet201',
}.items():
    register(_id, model=_model, rules=_TORCH, old_names=_OLD)
for _id, _model in {
    'keras/DenseNet121': 'densenet121_keras',
    'keras/DenseNet169': 'densenet169_keras',
    'keras/DenseNet201': 'densenet201_keras',
}.items():
    register(_id, model=_model, rules=_KERAS)

"""Key maps for MobileNet (v1) of timm and Keras."""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers as keras
from cnnlab.weights.mapping import timm_mobile
from cnnlab.weights.mapping import torch_layers as torch

_BLOCKS = (1, 2, 2, 6, 2)
_PLACES = [(i, j) for i, blocks in enumerate(_BLOCKS) for j in range(blocks)]

_TIMM = (
    torch.conv_norm('conv_stem', 'bn1', 'stem'),
    [timm_mobile.separable(i, j, 'pointwise') for i, j in _PLACES],
    torch.dense('classifier', 'head'),
)


def _keras_block(n, i, j):
    ours = f'stage{i + 1}/block{j + 1}/'
    return (
        keras.depthwise(f'conv_dw_{n}', f'{ours}depthwise/conv'),
        keras.norm(f'conv_dw_{n}_bn', f'{ours}depthwise/norm'),
        keras.conv_norm(f'conv_pw_{n}', f'conv_pw_{n}_bn', f'{ours}pointwise'),
    )


_KERAS = (
    keras.conv_norm('conv1', 'conv1_bn', 'stem'),
    [_keras_block(n, *place) for n, place in enumerate(_PLACES, 1)],
    keras.conv_as_dense('conv_preds', 'head'),
)

register('timm/mobilenetv1_100', model='mobilenet_v1', rules=_TIMM)
register('timm/mobilenetv1_125', model='mobilenet_v1_125', rules=_TIMM)
register('keras/MobileNet', model='mobilenet_v1_keras', rules=_KERAS)

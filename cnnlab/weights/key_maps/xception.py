"""Key maps for Xception of timm and of Keras. timm's block b is the paper's (and Keras's) block
b + 1.
"""

from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers, torch_layers


def _sepconv(source, norm, target):
    return (
        torch_layers.conv(f'{source}.conv1', f'{target}/depthwise'),
        torch_layers.conv(f'{source}.pointwise', f'{target}/pointwise'),
        torch_layers.norm(norm, f'{target}/norm'),
    )


def _block(number):
    # in `rep` a ReLU comes first, except in block 1; then separable convolution, batch norm, ReLU,
    # ...
    first = 0 if number == 1 else 1
    source, target = f'block{number}', f'block{number + 1}'
    return (
        torch_layers.conv_norm(f'{source}.skip', f'{source}.skipbn', f'{target}/shortcut'),
        [
            _sepconv(
                f'{source}.rep.{first + 3 * i}',
                f'{source}.rep.{first + 3 * i + 1}',
                f'{target}/sepconv{i + 1}',
            )
            for i in range(3)
        ],
    )


_TIMM = (
    torch_layers.conv_norm('conv1', 'bn1', 'block1_conv1'),
    torch_layers.conv_norm('conv2', 'bn2', 'block1_conv2'),
    [_block(number) for number in range(1, 13)],
    _sepconv('conv3', 'bn3', 'block14_sepconv1'),
    _sepconv('conv4', 'bn4', 'block14_sepconv2'),
    torch_layers.dense('fc', 'head'),
)

_KERAS = (
    [
        keras_layers.conv_norm(f'block1_conv{i}', f'block1_conv{i}_bn', f'block1_conv{i}')
        for i in (1, 2)
    ],
    keras_layers.numbered_conv_norms(f'block{b}/shortcut' for b in (2, 3, 4, 13)),
    [
        (
            keras_layers.separable(
                f'block14_sepconv{i}',
                f'block14_sepconv{i}/depthwise',
                f'block14_sepconv{i}/pointwise',
            ),
            keras_layers.norm(f'block14_sepconv{i}_bn', f'block14_sepconv{i}/norm'),
        )
        for i in (1, 2)
    ],
    keras_layers.separable(
        'block{b}_sepconv{i}', 'block{b}/sepconv{i}/depthwise', 'block{b}/sepconv{i}/pointwise'
    ),
    keras_layers.norm('block{b}_sepconv{i}_bn', 'block{b}/sepconv{i}/norm'),
    keras_layers.dense('predictions', 'head'),
)

register('timm/legacy_xception', model='xception_timm', rules=_TIMM)
register('keras/Xception', model='xception', rules=_KERAS)

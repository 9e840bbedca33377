"""Key maps for ConvNeXt of torchvision, timm and Keras.

Layers that are linear there are 1x1 convolutions here.
"""

import functools

from cnnlab.models import registry
from cnnlab.weights.catalog import register
from cnnlab.weights.mapping import keras_layers, torch_layers
from cnnlab.weights.mapping.layouts import CHANNELS_FIRST_SCALE, VECTOR
from cnnlab.weights.mapping.rules import Leaf, Rule


def _torchvision():
    rules = []
    # features: stem, stage 1, step to stage 2, stage 2, ...
    for s in range(4):
        source, ours = f'features.{2 * s + 1}.{{b}}', f'stage{s + 1}/block{{b+1}}'
        rules += [
            torch_layers.conv(f'{source}.block.0', f'{ours}/depthwise'),
            torch_layers.affine(f'{source}.block.2', f'{ours}/norm'),
            torch_layers.dense_as_conv(f'{source}.block.3', f'{ours}/expand'),
            torch_layers.dense_as_conv(f'{source}.block.5', f'{ours}/project'),
            torch_layers.leaf(
                source, 'layer_scale', f'{ours}/scale', 'scale', CHANNELS_FIRST_SCALE
            ),
        ]
        if s:
            rules += [
                torch_layers.affine(f'features.{2 * s}.0', f'down{s + 1}_norm'),
                torch_layers.conv(f'features.{2 * s}.1', f'down{s + 1}'),
            ]
    return (
        torch_layers.conv('features.0.0', 'stem'),
        torch_layers.affine('features.0.1', 'stem_norm'),
        rules,
        torch_layers.affine('classifier.0', 'norm'),
        torch_layers.dense('classifier.2', 'head'),
    )


def _timm():
    block, ours = 'stages.{s}.blocks.{b}', 'stage{s+1}/block{b+1}'
    return (
        torch_layers.conv('stem.0', 'stem'),
        torch_layers.affine('stem.1', 'stem_norm'),
        torch_layers.affine('stages.{s}.downsample.0', 'down{s+1}_norm'),
        torch_layers.conv('stages.{s}.downsample.1', 'down{s+1}'),
        torch_layers.conv(f'{block}.conv_dw', f'{ours}/depthwise'),
        torch_layers.affine(f'{block}.norm', f'{ours}/norm'),
        torch_layers.dense_as_conv(f'{block}.mlp.fc1', f'{ours}/expand'),
        torch_layers.dense_as_conv(f'{block}.mlp.fc2', f'{ours}/project'),
        torch_layers.leaf(block, 'gamma', f'{ours}/scale', 'scale'),
        torch_layers.affine('head.norm', 'norm'),
        torch_layers.dense('head.fc', 'head'),
    )


# The names in the authors' own files, which timm publishes too: its `checkpoint_filter_fn`.
_AUTHORS = (
    (r'^downsample_layers\.0\.', 'stem.'),
    (r'^downsample_layers\.(\d+)\.', r'stages.\1.downsample.'),
    (r'^stages\.(\d+)\.(\d+)\.', r'stages.\1.blocks.\2.'),
    (r'\.dwconv\.', '.conv_dw.'),
    (r'\.pwconv([12])\.', r'.mlp.fc\1.'),
    (r'^norm\.', 'head.norm.'),
    (r'^head\.(weight|bias)$', r'head.fc.\1'),
)


def _keras(model):
    """The rules of a network of Keras, whose layers' names begin with that of the network.

    Keras names a layer scale's only variable automatically and so numbers it over the network;
    its .h5 files call it gamma.
    """
    name = model.removesuffix('_keras')
    block, ours = f'{name}_stage_{{s}}_block_{{b}}', 'stage{s+1}/block{b+1}'
    stem, down, leaf = (
        f'{name}_stem/{name}_stem',
        f'{name}_downsampling',
        Leaf('params', 'scale', VECTOR),
    )
    blocks = registry.entry(model).fields['blocks']
    places = [(s, b) for s, n in enumerate(blocks) for b in range(n)]
    return (
        keras_layers.conv(f'{stem}_conv', 'stem'),
        keras_layers.affine(f'{stem}_layernorm', 'stem_norm'),
        keras_layers.affine(f'{down}_block_{{s}}/{down}_layernorm_{{s}}', 'down{s+2}_norm'),
        keras_layers.conv(f'{down}_block_{{s}}/{down}_conv_{{s}}', 'down{s+2}'),
        keras_layers.conv(f'{block}_depthwise_conv', f'{ours}/depthwise'),
        keras_layers.affine(f'{block}_layernorm', f'{ours}/norm'),
        keras_layers.dense_as_conv(f'{block}_pointwise_conv_1', f'{ours}/expand'),
        keras_layers.dense_as_conv(f'{block}_pointwise_conv_2', f'{ours}/project'),
        [
            Rule(
                f'{name}_stage_{s}_block_{b}_layer_scale',
                f'stage{s + 1}/block{b + 1}/scale',
                {f'variable_{i}' if i else 'variable': leaf, 'gamma': leaf},
                separator='/',
            )
            for i, (s, b) in enumerate(places)
        ],
        keras_layers.affine(f'{name}_head_layernorm', 'norm'),
        keras_layers.dense(f'{name}_head_dense', 'head'),
    )


for _id, _model in {
    'torchvision/convnext_tiny': 'convnext_tiny',
    'torchvision/convnext_small': 'convnext_small',
    'torchvision/convnext_base': 'convnext_base',
    'torchvision/convnext_large': 'convnext_large',
}.items():
    register(_id, model=_model, rules=_torchvision)
for _id, _model in {
    'timm/convnext_tiny': 'convnext_tiny',
    'timm/convnext_small': 'convnext_small',
    'timm/convnext_base': 'convnext_base',
    'timm/convnext_large': 'convnext_large',
    'timm/convnext_xlarge': 'convnext_xlarge',
}.items():
    register(_id, model=_model, rules=_timm, old_names=_AUTHORS)
for _id, _model in {
    'keras/ConvNeXtTiny': 'convnext_tiny_keras',
    'keras/ConvNeXtSmall': 'convnext_small_keras',
    'keras/ConvNeXtBase': 'convnext_base_keras',
    'keras/ConvNeXtLarge': 'convnext_large_keras',
    'keras/ConvNeXtXLarge': 'convnext_xlarge_keras',
}.items():
    register(
        _id,
        model=_model,
        rules=functools.partial(_keras, _model),
        ignore=(r'(?:.*/)?seed_generator(?:_\d+)?/seed_generator_state',),
    )

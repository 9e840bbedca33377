"""Rules for the modules of torch, by kind: `conv('layer{s}.{b}.conv{i}',
'stage{s}/block{b+1}/conv{i}')`.

`source` is the name of a module in the state dict and `target` the path of ours, both templates
(`templates.Pair`).
"""

from cnnlab.weights.mapping import layouts
from cnnlab.weights.mapping.layouts import VECTOR, Layout
from cnnlab.weights.mapping.rules import Leaf, Rule

_BIAS = Leaf('params', 'bias', VECTOR)
_COUNTER = {'num_batches_tracked': ('int64', ())}


def _weighted(source, target, layout):
    return Rule(source, target, {'weight': Leaf('params', 'kernel', layout), 'bias': _BIAS})


def conv(source: str, target: str) -> Rule:
    """Conv2d, grouped and depthwise too: weight OIHW to kernel HWIO; bias where there is one."""
    return _weighted(source, target, layouts.OIHW)


def dense(source: str, target: str, flatten: tuple[int, int, int] | None = None) -> Rule:
    """Linear: weight OI to kernel IO.

    `flatten` is the (channels, height, width) of the map that torch flattened before this layer.
    """
    return _weighted(source, target, layouts.flattened(*flatten) if flatten else layouts.OI)


def dense_as_conv(source: str, target: str) -> Rule:
    """A Linear of the source that is a 1x1 Conv here."""
    return _weighted(source, target, layouts.OI_AS_CONV)


def conv_as_dense(source: str, target: str, window: tuple[int, int] = (1, 1)) -> Rule:
    """A Conv2d of the source that is a Dense here: a 1x1 one, or one whose `window` (height, width)
    is a whole map.
    """
    return _weighted(
        source, target, layouts.OI11_AS_DENSE if window == (1, 1) else layouts.window(*window)
    )


def norm(source: str, target: str) -> Rule:
    """BatchNorm2d: weight, bias, running_mean and running_var; num_batches_tracked is a counter."""
    return Rule(
        source,
        target,
        {
            'weight': Leaf('params', 'scale', VECTOR),
            'bias': _BIAS,
            'running_mean': Leaf('batch_stats', 'mean', VECTOR),
            'running_var': Leaf('batch_stats', 'var', VECTOR),
        },
        _COUNTER,
    )


def affine(source: str, target: str) -> Rule:
    """LayerNorm and GroupNorm: weight and bias."""
    return Rule(source, target, {'weight': Leaf('params', 'scale', VECTOR), 'bias': _BIAS})


def leaf(source: str, name: str, target: str, ours: str, layout: Layout = VECTOR) -> Rule:
    """One parameter that is no module's weight or bias: `leaf('stages.{s}.blocks.{b}', 'gamma',
    'stage{s+1}/...', 'scale')`.
    """
    return Rule(source, target, {name: Leaf('params', ours, layout)})


def conv_norm(source_conv: str, source_norm: str, target: str) -> tuple[Rule, Rule]:
    """A convolution and its batch norm that are one `nn.layers.ConvNorm` here."""
    return conv(source_conv, f'{target}/conv'), norm(source_norm, f'{target}/norm')

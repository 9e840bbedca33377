"""Rules for the layers of Keras, by kind: `conv('conv{s}_block{b}_{i}_conv',
'stage{s-1}/block{b}/conv{i}')`.

`source` is a layer's path as in `variable.path` ('block1_conv1', 'cell_1/block_2/conv'), with the
numbers that automatic names have in a fresh process ('conv2d', 'conv2d_1'); a file's own numbers
are mapped to those by order before any rule is asked. `target` is the path of ours. Both are
templates (`templates.Pair`).
"""

from collections.abc import Iterable

from cnnlab.weights.mapping import layouts
from cnnlab.weights.mapping.layouts import VECTOR, Layout
from cnnlab.weights.mapping.rules import Leaf, Rule

_BIAS = Leaf('params', 'bias', VECTOR)


def _rule(source, target, arrays, counters=None):
    return Rule(source, target, arrays, counters or {}, separator='/')


def conv(source: str, target: str) -> Rule:
    """Conv2D, also grouped: kernel HWIO as it is; bias where the model has one."""
    return _rule(source, target, {'kernel': Leaf('params', 'kernel', layouts.HWIO), 'bias': _BIAS})


def dense(source: str, target: str) -> Rule:
    """Dense: kernel IO as it is."""
    return _rule(source, target, {'kernel': Leaf('params', 'kernel', layouts.IO), 'bias': _BIAS})


def dense_as_conv(source: str, target: str) -> Rule:
    """A Dense of the source that is a 1x1 Conv here."""
    return _rule(
        source, target, {'kernel': Leaf('params', 'kernel', layouts.IO_AS_CONV), 'bias': _BIAS}
    )


def conv_as_dense(source: str, target: str) -> Rule:
    """A 1x1 Conv2D of the source that is a Dense here."""
    return _rule(
        source, target, {'kernel': Leaf('params', 'kernel', layouts.HWIO11_AS_DENSE), 'bias': _BIAS}
    )


def depthwise(source: str, target: str) -> Rule:
    """DepthwiseConv2D with depth multiplier 1: kernel (h, w, c, 1) to (h, w, 1, c)."""
    return _rule(
        source, target, {'kernel': Leaf('params', 'kernel', layouts.depthwise()), 'bias': _BIAS}
    )


def separable(source: str, depthwise_target: str, pointwise_target: str) -> tuple[Rule, Rule]:
    """SeparableConv2D: its two kernels are two convolutions here; a bias belongs to the second."""
    return (
        _rule(
            source,
            depthwise_target,
            {'depthwise_kernel': Leaf('params', 'kernel', layouts.depthwise())},
        ),
        _rule(
            source,
            pointwise_target,
            {'pointwise_kernel': Leaf('params', 'kernel', layouts.HWIO), 'bias': _BIAS},
        ),
    )


def norm(source: str, target: str) -> Rule:
    """BatchNormalization: gamma (where it has one), beta, moving_mean, moving_variance."""
    return _rule(
        source,
        target,
        {
            'gamma': Leaf('params', 'scale', VECTOR),
            'beta': Leaf('params', 'bias', VECTOR),
            'moving_mean': Leaf('batch_stats', 'mean', VECTOR),
            'moving_variance': Leaf('batch_stats', 'var', VECTOR),
        },
    )


def affine(source: str, target: str) -> Rule:
    """LayerNormalization: gamma and beta."""
    return _rule(
        source,
        target,
        {'gamma': Leaf('params', 'scale', VECTOR), 'beta': Leaf('params', 'bias', VECTOR)},
    )


def constants(source: str, target: str) -> Rule:
    """Normalization: mean and variance, kept in batch_stats as 'mean' and 'var'; count is a
    counter.
    """
    return _rule(
        source,
        target,
        {
            'mean': Leaf('batch_stats', 'mean', VECTOR),
            'variance': Leaf('batch_stats', 'var', VECTOR),
        },
        {'count': ('int32', ())},
    )


def leaf(source: str, name: str, target: str, ours: str, layout: Layout = VECTOR) -> Rule:
    """One variable of another kind of layer: `leaf('..._layer_scale', 'gamma', '.../scale',
    'scale')`.
    """
    return _rule(source, target, {name: Leaf('params', ours, layout)})


def conv_norm(source_conv: str, source_norm: str, target: str) -> tuple[Rule, Rule]:
    """A convolution and its batch norm that are one `nn.layers.ConvNorm` here."""
    return conv(source_conv, f'{target}/conv'), norm(source_norm, f'{target}/norm')


def numbered_conv_norms(targets: Iterable[str]) -> list[tuple[Rule, Rule]]:
    """Convolutions and batch norms that the network does not name ('conv2d', 'conv2d_1', ...), in
    the order in which it calls them.
    """

    def name(kind, i):
        return f'{kind}_{i}' if i else kind

    return [
        conv_norm(name('conv2d', i), name('batch_normalization', i), target)
        for i, target in enumerate(targets)
    ]

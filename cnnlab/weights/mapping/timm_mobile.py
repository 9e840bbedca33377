"""Rules for the names that timm gives all networks of its efficientnet.py and mobilenetv3.py."""

from collections.abc import Sequence

from cnnlab.weights.mapping import torch_layers as torch
from cnnlab.weights.mapping.rules import Rule


def _at(i, j):
    return f'blocks.{i}.{j}.', f'stage{i + 1}/block{j + 1}/'


def squeeze_excite(source: str, target: str) -> tuple[Rule, Rule]:
    """The two layers of a squeeze-excite, in the module `source` and in ours of `target`."""
    return torch.conv(f'{source}conv_reduce', f'{target}se/reduce'), torch.conv(
        f'{source}conv_expand', f'{target}se/expand'
    )


def separable(i: int, j: int, pointwise: str) -> tuple:
    """Block j of stage i, both from 0, without an expansion; `pointwise` is our name of its 1x1
    layer.
    """
    theirs, ours = _at(i, j)
    return (
        torch.conv_norm(f'{theirs}conv_dw', f'{theirs}bn1', f'{ours}depthwise'),
        squeeze_excite(f'{theirs}se.', ours),
        torch.conv_norm(f'{theirs}conv_pw', f'{theirs}bn2', f'{ours}{pointwise}'),
    )


def inverted(i: int, j: int) -> tuple:
    """Block j of stage i, both from 0, an `nn.mobile.InvertedResidual` with an expansion."""
    theirs, ours = _at(i, j)
    return (
        torch.conv_norm(f'{theirs}conv_pw', f'{theirs}bn1', f'{ours}expand'),
        torch.conv_norm(f'{theirs}conv_dw', f'{theirs}bn2', f'{ours}depthwise'),
        squeeze_excite(f'{theirs}se.', ours),
        torch.conv_norm(f'{theirs}conv_pwl', f'{theirs}bn3', f'{ours}project'),
    )


def network(blocks: Sequence[int]) -> tuple:
    """The rules of a network whose first stage is separable and whose other stages are inverted,
    but for its last 1x1 layer; `blocks` are the blocks of each stage.
    """
    return (
        torch.conv_norm('conv_stem', 'bn1', 'stem'),
        [separable(0, j, 'project') for j in range(blocks[0])],
        [inverted(i, j) for i, n in enumerate(blocks) if i for j in range(n)],
        torch.dense('classifier', 'head'),
    )

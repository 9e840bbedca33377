"""Tables of costs: of every layer, of every block, and of two networks side by side."""

import dataclasses
import difflib
import itertools
import math
from collections.abc import Iterator, Sequence

from cnnlab.analysis.cost import Costs, Layer
from cnnlab.analysis.fields import Field, Fields
from cnnlab.analysis.operations import Window
from cnnlab.report.table import Cell, Column, Table

RULE = (
    'MACs are the multiply-adds of convolutions and matrix products; biases, normalizations, '
    'activations, pools and sums do not count. Weights are the parameters without biases and '
    'scales. Values are the numbers in the output; a layer that works in place has none.'
)
SIGHT = (
    "Receptive field, stride and first center are in pixels of the image; 'all' is the whole "
    "image, seen through a dense layer or a mean over positions. 'Drops' are rows and columns at "
    'the bottom and right of the input that no window reaches.'
)
_TOTAL = 'total'


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """The row of a layer, or of all layers of a block.

    A block has the sums of parameters, weights, MACs, values and bytes, and the shape and receptive
    fields of its last layer.
    """

    path: str
    kind: str
    window: Window | None
    shape: tuple[int, ...]
    params: int
    weights: int
    macs: int
    values: int
    bytes: int
    fields: Fields
    dropped: tuple[int, ...]


def rows(costs: Costs, depth: int | None = None) -> list[LayerRow]:
    """Makes a row for each layer or block.

    Args:
      costs: of the network.
      depth: number of names in the path of a block: 1 is 'stage1', 2 is 'stage1/block1'. None makes
        a row for each layer.

    Raises:
      ValueError: `depth` is less than 1.
    """
    if depth is not None and depth < 1:
        raise ValueError(f'depth is the number of names to keep of a path, at least 1; got {depth}')
    groups: list[tuple[str, list[Layer]]] = []
    for layer in costs.layers:
        path = layer.path if depth is None else '/'.join(layer.path.split('/')[:depth])
        if depth is None or path == '' or not groups or groups[-1][0] != path:
            groups.append((path, []))
        groups[-1][1].append(layer)
    return [_row(path, layers) for path, layers in groups]


def _row(path: str, layers: Sequence[Layer]) -> LayerRow:
    # layers that are not used have no shape
    shown = [layer for layer in layers if layer.shape] or layers
    working = [layer for layer in shown if not layer.in_place]
    own = working or shown
    alone = own[0] if len(own) == 1 else None
    return LayerRow(
        path=path or '(top)',
        kind=alone.kind if alone else f'{len(own)} layers',
        window=alone.window if alone else None,
        shape=shown[-1].shape,
        params=sum(layer.params for layer in layers),
        weights=sum(layer.weights for layer in layers),
        macs=sum(layer.macs for layer in layers),
        values=sum(math.prod(layer.shape) * layer.times for layer in working),
        bytes=sum(layer.bytes * layer.times for layer in working),
        fields=shown[-1].fields,
        dropped=tuple(
            map(max, zip(*(layer.dropped for layer in shown if layer.dropped), strict=True))
        ),
    )


def layers(costs: Costs, title: str, depth: int | None = None) -> Table:
    """Makes the table of a network: its input, its layers in running order, and the total.

    Args:
      costs: of the network.
      title: the caption.
      depth: as in `rows`.

    Example:
      >>> print(layers(cost.costs(model, (224, 224, 3)), 'ResNet-50', depth=1))
    """
    return _table(costs, title, rows(costs, depth))


def outline(costs: Costs, title: str) -> Table:
    """Makes the table as an outline: each block is followed by its parts, which a page can fold.

    The row of a block holds the sums of its parts.
    """
    leveled = list(_outlined(list(costs.layers), 1))
    levels = (0, *(level for level, _ in leveled), 0)
    return _table(costs, title, [row for _, row in leveled], levels)


def _outlined(layers: list[Layer], depth: int) -> Iterator[tuple[int, LayerRow]]:
    """Yields (level, row) of layers whose paths have the first `depth` - 1 names in common.

    Operations that the network or a block applies itself have rows of their own.
    """

    def key(layer):
        names = layer.path.split('/')
        return '/'.join(names[:depth]) if layer.path and len(names) >= depth else None

    for name, group in itertools.groupby(layers, key):
        together = list(group)
        if name is None or len(together) == 1:
            yield from ((depth - 1, _row(layer.path, [layer])) for layer in together)
        else:
            yield depth - 1, _row(name, together)
            yield from ((level, row) for level, row in _outlined(together, depth + 1))


def _table(costs, title, layer_rows, levels=()):
    size = math.prod(costs.input_shape) * costs.batch
    table: list[tuple[Cell, ...]] = [
        (
            'input',
            None,
            None,
            _shape((costs.batch, *costs.input_shape)),
            0,
            0,
            0,
            size,
            costs.input_bytes,
            None,
            None,
            None,
            None,
        )
    ]
    table += [
        (
            row.path,
            row.kind,
            _window(row.window),
            _shape(row.shape),
            row.params,
            row.weights,
            row.macs,
            row.values,
            row.bytes,
            _size(row.fields),
            _by_axis(row.fields, 'jump'),
            _by_axis(row.fields, 'center'),
            _dropped(row.dropped),
        )
        for row in layer_rows
    ]
    table.append(
        (
            _TOTAL,
            None,
            None,
            None,
            costs.params,
            costs.weights,
            costs.macs,
            costs.values,
            costs.bytes,
            None,
            None,
            None,
            None,
        )
    )
    return Table(
        (
            Column('layer'),
            Column('kind'),
            Column('window'),
            Column('output', align='right'),
            Column('parameters', 'integer'),
            Column('weights', 'integer'),
            Column('MACs', 'integer'),
            Column('values', 'integer'),
            Column('bytes', 'quantity'),
            Column('receptive field', align='right'),
            Column('stride', align='right'),
            Column('center', align='right'),
            Column('drops', align='right'),
        ),
        table,
        title,
        (RULE, SIGHT),
        levels,
    )


def side_by_side(
    first: Costs, second: Costs, names: tuple[str, str], title: str, depth: int | None = None
) -> Table:
    """Makes a table of two networks: layers with the same path share a row.

    Args:
      first: of the one network.
      second: of the other network.
      names: of both, for the columns.
      title: the caption.
      depth: as in `rows`.

    Returns:
      A table of shapes, parameters, MACs and values of both, and the second minus the first. A
      layer that only one of them has leaves the other side empty.

    Raises:
      ValueError: the names are equal, or `depth` is less than 1.
    """
    if names[0] == names[1]:
        raise ValueError(f'both networks are {names[0]!r}; comparing needs two names')
    pairs = _paired(rows(first, depth), rows(second, depth))
    table: list[tuple[Cell, ...]] = [
        (
            next(row.path for row in (a, b) if row),
            *(_shape(r.shape) if r else None for r in (a, b)),
            *_both(a, b, 'params'),
            *_both(a, b, 'macs'),
            *_both(a, b, 'values'),
        )
        for a, b in pairs
    ]
    table.append(
        (
            _TOTAL,
            None,
            None,
            *_both(first, second, 'params'),
            *_both(first, second, 'macs'),
            *_both(first, second, 'values'),
        )
    )
    columns = [Column('layer'), *(Column(f'output {name}', align='right') for name in names)]
    for what in ('parameters', 'MACs', 'values'):
        columns += [
            *(Column(f'{what} {name}', 'integer') for name in names),
            Column(f'{what} more', 'integer'),
        ]
    return Table(tuple(columns), table, title, (RULE, f"'more' is {names[1]} minus {names[0]}."))


def _paired(
    first: list[LayerRow], second: list[LayerRow]
) -> list[tuple[LayerRow | None, LayerRow | None]]:
    """Pairs rows with the same path, in an order that keeps both sequences."""
    out: list[tuple[LayerRow | None, LayerRow | None]] = []
    matcher = difflib.SequenceMatcher(
        None, [r.path for r in first], [r.path for r in second], autojunk=False
    )
    for _, a, b, c, d in matcher.get_opcodes():
        left, right = first[a:b], second[c:d]
        if [r.path for r in left] == [r.path for r in right]:
            out += zip(left, right, strict=True)
        else:
            out += [(row, None) for row in left] + [(None, row) for row in right]
    return out


def _both(a, b, what: str) -> tuple[int | None, int | None, int]:
    left, right = getattr(a, what, None), getattr(b, what, None)
    return left, right, (right or 0) - (left or 0)


def _shape(shape: tuple[int, ...]) -> str | None:
    """Writes a shape, without the batch if that is 1: '112 x 112 x 64'."""
    shown = shape[1:] if shape[:1] == (1,) else shape
    return ' x '.join(map(str, shown)) or None


def _window(window: Window | None) -> str | None:
    """Writes a window: '3x3/2' is 3 x 3 at stride 2, '3x3 in 32' has 32 groups."""
    if window is None:
        return None
    stride = '' if set(window.stride) == {1} else f'/{_joined(window.stride)}'
    return (
        'x'.join(map(str, window.size))
        + stride
        + (f' in {window.groups}' if window.groups > 1 else '')
    )


def _joined(numbers: Sequence[float]) -> str:
    """Writes one number if all are equal, else 'rows x columns'."""
    return ' x '.join(f'{n:g}' for n in (numbers if len(set(numbers)) > 1 else numbers[:1]))


def _size(fields: Fields) -> str | None:
    if not fields:
        return None
    return _joined_text([_seen(field) for field in fields])


def _seen(field: Field) -> str:
    if field.axis is None and field.whole:
        return 'all'
    return f'{field.size:g}, all' if field.whole else f'{field.size:g}'


def _joined_text(texts: Sequence[str]) -> str:
    return ' x '.join(texts if len(set(texts)) > 1 else texts[:1])


def _by_axis(fields: Fields, what: str) -> str | None:
    if not fields or any(field.axis is None for field in fields):
        return None
    return _joined([getattr(field, what) for field in fields])


def _dropped(dropped: tuple[int, ...]) -> str | None:
    return ' x '.join(map(str, dropped)) if any(dropped) else None

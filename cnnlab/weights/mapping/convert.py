"""Maps a source's arrays to the variables of a model and back: strict on both sides, by one key map
for both directions.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cnnlab import tree
from cnnlab.weights.mapping.load_errors import refuse
from cnnlab.weights.mapping.rules import KeyMap

# halves are widened to float32; nothing is ever narrowed
ACCEPTED = ('float32', 'float16', 'bfloat16')


def _shape(shape) -> str:
    return str(tuple(map(int, shape)))


def _fault(name, array, layout, shape) -> str | None:
    """Why an array cannot be the leaf of that shape, or None."""
    if array.ndim != layout.rank:
        return (
            f'{name}: has the shape {_shape(array.shape)}, the network wants {layout.rank} '
            f'axes ({layout.name})'
        )
    expected = _source_shape(layout, shape)
    if array.shape != expected:
        return f'{name}: has the shape {_shape(array.shape)}, the network wants {_shape(expected)}'
    if array.dtype.name not in ACCEPTED:
        return f'{name}: holds {array.dtype.name} values; weights are {", ".join(ACCEPTED)}'
    bad = array.size - int(np.isfinite(array).sum())
    return f'{name}: {bad} of {array.size} values are NaN or infinite' if bad else None


def _own(leaf, array) -> np.ndarray:
    """`leaf` as a float32 array that shares no memory with `array`, whose file may go away; copied
    at most once.
    """
    leaf = np.ascontiguousarray(leaf, np.float32)
    return leaf.copy() if np.may_share_memory(leaf, array) else np.asarray(leaf)


@dataclasses.dataclass(frozen=True)
class Matched:
    """How a source's arrays match a network."""

    # {path: float32 array of ours}
    leaves: dict[str, np.ndarray]
    # one line for each array that has no place, or the wrong shape, dtype or values
    mismatches: tuple[str, ...]
    # paths that no array gave
    missing: tuple[str, ...]


def match(
    arrays: Mapping[str, np.ndarray],
    key_map: KeyMap,
    wanted: tree.Tree,
    *,
    ignore: Iterable[str] = (),
) -> Matched:
    """Finds the leaf of each array of a source; mismatches are returned, not raised.

    Args:
      arrays: {name: array} in the layout of the source; each is read once.
      key_map: from the source's names to ours.
      wanted: the model's variables, or their shapes (`jax.eval_shape`).
      ignore: patterns (`re.fullmatch`) of names that are left unread.
    """
    shapes = tree.named_leaves(wanted)
    unread = re.compile('|'.join(f'(?:{p})' for p in ignore) or r'(?!)')
    out: dict[str, np.ndarray] = {}
    given_by: dict[str, str] = {}
    mismatches: list[str] = []
    for name in arrays:
        if unread.fullmatch(name) or key_map.is_counter(name):
            continue
        place = key_map.ours(name)
        if place is None or place[0] not in shapes:
            mismatches.append(
                f'{name}: unexpected, the network has no place for it'
                + (f' ({place[0]})' if place else '')
            )
            continue
        path, layout = place
        if path in given_by:
            mismatches.append(f'{name}: gives {path}, which {given_by[path]} gives already')
        else:
            given_by[path] = name
            array = arrays[name]
            if fault := _fault(name, array, layout, shapes[path].shape):
                mismatches.append(fault)
            else:
                out[path] = _own(layout.to_ours(array), array)
            # before the next is read
            del array
    return Matched(out, tuple(mismatches), tuple(path for path in shapes if path not in given_by))


def to_variables(
    arrays: Mapping[str, np.ndarray],
    key_map: KeyMap,
    wanted: tree.Tree,
    *,
    ignore: Iterable[str] = (),
    weights: str = 'the network',
) -> dict[str, Any]:
    """The variables of a network from a source's arrays: every array is used and every leaf is
    filled.

    Args:
      arrays, key_map, wanted, ignore: as in `match`.
      weights: what the arrays should be, for the first line of the error.

    Returns:
      {'params': ..., 'batch_stats': ...} of float32 numpy arrays.

    Raises:
      ValueError: an array has no place, a leaf has no array, a shape or dtype is wrong, or values
        are not finite; one error lists all.
    """
    placed = match(arrays, key_map, wanted, ignore=ignore)
    refuse(weights, [*placed.mismatches, *(_missing(path, key_map) for path in placed.missing)])
    return tree.nested({path: placed.leaves[path] for path in tree.named_leaves(wanted)})


def _source_shape(layout, shape) -> tuple[int, ...]:
    """The shape that the source's array must have for a leaf of ours; nothing is allocated."""
    return layout.to_source(np.broadcast_to(np.float32(0), shape)).shape


def _missing(path, key_map):
    theirs = key_map.theirs(path)
    return (
        f'{theirs[0]}: missing, the network needs it ({path})'
        if theirs
        else f'{path}: no rule says which array gives it'
    )


def names(wanted: tree.Tree, key_map: KeyMap) -> list[str]:
    """The source's names of all leaves that the key map covers."""
    return [found[0] for path in tree.named_leaves(wanted) if (found := key_map.theirs(path))]


def to_arrays(
    variables: tree.Tree, key_map: KeyMap, wanted: tree.Tree, *, weights: str = 'the network'
) -> dict[str, np.ndarray]:
    """{the source's name: array in its layout}: the inverse of `to_variables`; counters of the
    source are zeros of its dtype.

    Args:
      variables: of the network; sizes may differ (another number of classes), leaves and their
        numbers of axes may not.
      key_map: from the source's names to ours.
      wanted: the model's variables, or their shapes.
      weights: what the variables should be, for the first line of the error.

    Raises:
      ValueError: a leaf is missing, is not one of the network's, has another number of axes, or is
        covered by no rule; one error lists all.
    """
    have, shapes, out = tree.named_leaves(variables), tree.named_leaves(wanted), {}
    mismatches = [f'{path}: missing' for path in shapes if path not in have]
    for path, leaf in have.items():
        found = key_map.theirs(path)
        if path not in shapes:
            mismatches.append(f'{path}: unexpected, the network has no such leaf')
        elif np.ndim(leaf) != len(shapes[path].shape):
            mismatches.append(
                f'{path}: has the shape {_shape(np.shape(leaf))}, the network wants '
                f'{_shape(shapes[path].shape)}'
            )
        elif found is None:
            mismatches.append(f'{path}: no rule says where the source keeps it')
        else:
            name, layout, counters = found
            out[name] = np.ascontiguousarray(layout.to_source(np.asarray(leaf)))
            out.update((c.name, c.zeros()) for c in counters)
    refuse(weights, mismatches)
    return out

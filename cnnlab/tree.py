"""Trees of arrays by path: named leaves, counts, and masks by regular expression."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

# a pytree of arrays, or of anything that has .shape and .size
Tree = Any


def path_name(path: tuple) -> str:
    """Writes a key path of `jax.tree_util` as 'stage1/block2/conv1/kernel'."""
    return jax.tree_util.keystr(path, simple=True, separator='/')


def named_leaves(tree: Tree) -> dict[str, Any]:
    """Returns {path: leaf} in the order of `jax.tree.leaves`.

    Example:
      >>> named_leaves({'fc': {'bias': 1, 'kernel': 2}})
      {'fc/bias': 1, 'fc/kernel': 2}
    """
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def nested(named: Mapping[str, Any]) -> dict[str, Any]:
    """Makes nested dicts of {'a/b': leaf}: the inverse of `named_leaves` for trees of dicts."""
    out: dict[str, Any] = {}
    for path, leaf in named.items():
        *parents, last = path.split('/')
        place = out
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = leaf
    return out


def count(tree: Tree) -> int:
    """Returns the number of values in all leaves; leaves may be `jax.ShapeDtypeStruct`."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def map_with_name(fn: Callable[[str, Any], Any], tree: Tree) -> Tree:
    """Replaces every leaf by `fn(path, leaf)`."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: fn(path_name(path), leaf), tree)


def mask(tree: Tree, patterns: Iterable[str]) -> Tree:
    """Makes a tree of bools: True at the leaves whose path matches a pattern.

    Args:
      tree: any tree with named leaves, such as parameters.
      patterns: regular expressions, looked for anywhere in a path (`re.search`).

    Raises:
      ValueError: a pattern matches no leaf; the sentence names the pattern and some of the paths.

    Example:
      >>> mask({'fc': {'bias': 1, 'kernel': 2}}, ['kernel$'])
      {'fc': {'bias': False, 'kernel': True}}
    """
    patterns = tuple(patterns)
    names = list(named_leaves(tree))
    idle = [p for p in patterns if not any(re.search(p, n) for n in names)]
    if idle:
        raise ValueError(
            f'the mask patterns {idle} match no parameter; parameters are {", ".join(names[:6])}'
            f'{", ..." if len(names) > 6 else ""} ({len(names)} in all)'
        )
    return map_with_name(lambda name, _: any(re.search(p, name) for p in patterns), tree)

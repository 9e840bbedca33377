"""Trees of arrays by path: named leaves, counts, and masks by regular expression."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

# a pytree of arrays, or of anything that has .shape and .size
Tree = Any


def path_name(path: tuple) -> str:
    """A key path of `jax.tree_util` as 'stage1/block2/conv1/kernel'."""
    return jax.tree_util.keystr(path, simple=True, separator='/')


def named_leaves(tree: Tree) -> dict[str, Any]:
    """{path: leaf} in the order of `jax.tree.leaves`."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def nested(named: Mapping[str, Any]) -> dict[str, Any]:
    """{'a/b': leaf} as nested dicts: the inverse of `named_leaves` for trees of dicts."""
    out: dict[str, Any] = {}
    for path, leaf in named.items():
        *parents, last = path.split('/')
        place = out
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = leaf
    return out


def count(tree: Tree) -> int:
    """How many numbers the leaves hold; leaves may be `jax.ShapeDtypeStruct`."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def map_with_name(fn: Callable[[str, Any], Any], tree: Tree) -> Tree:
    """`fn(path, leaf)` over every leaf."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: fn(path_name(path), leaf), tree)


def mask(tree: Tree, patterns: Iterable[str]) -> Tree:
    """True at the leaves whose path matches (`re.search`) one of `patterns`.

    Raises:
      ValueError: a pattern matches no leaf; the sentence names the pattern and some of the paths.
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

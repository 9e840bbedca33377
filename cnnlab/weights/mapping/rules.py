"""Rules and key maps: where the arrays of a module lie in a source's file and here, for both
directions.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from cnnlab.weights.mapping.layouts import Layout
from cnnlab.weights.mapping.templates import Pair


@dataclasses.dataclass(frozen=True)
class Leaf:
    """An array of ours: its collection ('params' or 'batch_stats'), its name within the module, and
    how the source lays it out.
    """

    collection: str
    name: str
    layout: Layout


@dataclasses.dataclass(frozen=True)
class Rule:
    """Maps the modules that the template `source` matches to ours of the template `target`.

    `arrays` is {name within the source's module: where it goes}. A file may lack some of them (a
    bias): the model says which leaves it needs. `counters` is {name: (dtype, shape)} of arrays that
    we have no use for: they are ignored when read and written as zeros.
    """

    source: str
    target: str
    arrays: Mapping[str, Leaf]
    counters: Mapping[str, tuple[str, tuple[int, ...]]] = dataclasses.field(default_factory=dict)
    separator: str = '.'
    pair: Pair = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, 'pair', Pair(self.source, self.target))


@dataclasses.dataclass(frozen=True)
class Counter:
    """An array that a source's file has beside those of a module and that is written as zeros."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def zeros(self) -> np.ndarray:
        return np.zeros(self.shape, self.dtype)


class KeyMap:
    """The rules of one network. Rules without template fields go first; of the others, the first
    that matches counts.
    """

    def __init__(self, rules: Iterable[Rule]):
        self._templates: list[Rule] = []
        self._by_source: dict[tuple[str, str], Rule] = {}
        self._by_target: dict[tuple[str, str, str], Rule] = {}
        for rule in rules:
            if not rule.pair.literal:
                self._templates.append(rule)
                continue
            for name in (*rule.arrays, *rule.counters):
                self._by_source.setdefault((rule.source, name), rule)
            for leaf in rule.arrays.values():
                self._by_target.setdefault((rule.target, leaf.collection, leaf.name), rule)

    def _separated(self, name):
        """(module, name within it) for each separator in use: '.' for torch, '/' for Keras."""
        module, _, own = name.rpartition('/' if '/' in name else '.')
        return module, own

    def _forward(self, name):
        """(rule, our module, the name within the source's module) or None."""
        module, own = self._separated(name)
        if (module, own) in self._by_source:
            rule = self._by_source[module, own]
            return rule, rule.target, own
        for rule in self._templates:
            if own in rule.arrays or own in rule.counters:
                target = rule.pair.forward(module)
                if target is not None:
                    return rule, target, own
        return None

    def is_counter(self, name: str) -> bool:
        """Whether this array of the source is a counter."""
        found = self._forward(name)
        return found is not None and found[2] in found[0].counters

    def ours(self, name: str) -> tuple[str, Layout] | None:
        """(path, layout) of the source's array: ('params/stage1/block1/conv1/kernel', OIHW); None
        if no rule covers it.
        """
        found = self._forward(name)
        if found is None or found[2] in found[0].counters:
            return None
        rule, target, own = found
        leaf = rule.arrays[own]
        return '/'.join(filter(None, (leaf.collection, target, leaf.name))), leaf.layout

    def theirs(self, path: str) -> tuple[str, Layout, tuple[Counter, ...]] | None:
        """(name in the source's file, layout, counters beside it) of a leaf of ours; None if no
        rule covers it.
        """
        collection, _, rest = path.partition('/')
        target, _, name = rest.rpartition('/')
        literal = self._by_target.get((target, collection, name))
        for rule in [literal] if literal else self._templates:
            own = next(
                (
                    o
                    for o, leaf in rule.arrays.items()
                    if (leaf.collection, leaf.name) == (collection, name)
                ),
                None,
            )
            if own is None:
                continue
            source = rule.pair.backward(target)
            if source is not None:

                def full(own, source=source, rule=rule):
                    return f'{source}{rule.separator}{own}' if source else own

                return (
                    full(own),
                    rule.arrays[own].layout,
                    tuple(Counter(full(c), *kind) for c, kind in rule.counters.items()),
                )
        return None

"""The known weights: ids 'source/name', each with its model and the key map by which its files are
read.

The modules of `key_maps` are found by walking that folder when an id is first asked for.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cnnlab import names as lookups
from cnnlab.data.preprocessing import Preprocess
from cnnlab.models import registry
from cnnlab.weights.mapping.rules import KeyMap, Rule


@dataclasses.dataclass(frozen=True)
class WeightSource:
    """How the weights of one network of a source are read: the arguments of `register`."""

    id: str
    # a name of the model registry
    model: str
    # that differ from the registered ones
    fields: Mapping[str, Any]
    # {field: pattern}: the field is True where the file holds a name that starts with a match
    flags: Mapping[str, str]
    # (pattern, replacement) over names of files older than the source's present code
    old_names: tuple[tuple[str, str], ...]
    # patterns of names that are left unread
    ignore: tuple[str, ...]
    rules: Callable[[], tuple[Rule, ...]]
    # what is known of weights that the source publishes, where it has no table in `published`
    preprocess: Preprocess | None = None
    class_order: str | None = None
    url: str | None = None
    hash: str | None = None
    license: str | None = None

    @property
    def is_keras(self) -> bool:
        """Whether the names in its files are Keras's variable paths."""
        return self.id.startswith('keras/')

    def flagged(self, names: Iterable[str]) -> dict[str, bool]:
        """{field: whether the file holds a name for it}; a wrapper's prefix is overlooked."""
        names = [n.removeprefix('module.') for n in names]
        return {field: any(re.match(p, n) for n in names) for field, p in self.flags.items()}

    @functools.cached_property
    def key_map(self) -> KeyMap:
        """The rules, compiled once."""
        return KeyMap(self.rules())


_TABLE: dict[str, WeightSource] = {}


def flat(rules: Iterable[Rule | Iterable]) -> tuple[Rule, ...]:
    """Rules and nested tuples or lists of rules as one tuple."""
    out: list[Rule] = []
    for rule in rules:
        out.extend([rule] if isinstance(rule, Rule) else flat(rule))
    return tuple(out)


def register(
    id: str,
    *,
    model: str,
    rules: Iterable[Rule | Iterable] | Callable[[], Iterable[Rule | Iterable]],
    fields: Mapping[str, Any] | None = None,
    flags: Mapping[str, str] | None = None,
    old_names: Iterable[tuple[str, str]] = (),
    ignore: Iterable[str] = (),
    preprocess: Preprocess | None = None,
    class_order: str | None = None,
    url: str | None = None,
    hash: str | None = None,
    license: str | None = None,
) -> None:
    """Makes the weights of one network of a source known, so that its files can be read and
    written.

    Args:
      id: 'source/name' with the name as the source writes it.
      model: the registered network that computes the same.
      rules: of `torch_layers` or `keras_layers`, in order, nested as is convenient; or a function
        that makes them when first needed.
      fields: fields of the model that differ from the registered ones.
      flags: {field: pattern}: the field is set to True where a name in the file begins with the
        pattern: {'aux': r'aux1\\.'}.
      old_names: (pattern, replacement) pairs, applied with `re.sub` to names of published files
        that are older than the source's code.
      ignore: patterns (`re.fullmatch`) of names that are left unread. Counters are known to the
        rules and need not be named.
      preprocess, class_order, url, hash, license: as `entries.PublishedWeights` has them, of the
        weights that the source publishes; None is unknown.

    Raises:
      ValueError: the id is taken, or is no 'source/name'.

    Example:
      register('torchvision/resnet18', model='resnet18', rules=[torch_layers.conv('conv1', 'stem')])
    """
    if not re.fullmatch(r'[\w-]+/[\w-]+', id):
        raise ValueError(
            f"the id of weights is 'source/name', of letters, digits, '_' and '-', and not {id!r}"
        )
    if not lookups.caller().startswith(f'{__package__}.'):
        # Our own ids register first, so that an id taken twice is the error of the outsider.
        _table()
    if id in _TABLE:
        raise ValueError(
            f'the weights {id!r} are registered already, for the model {_TABLE[id].model!r}'
        )
    if callable(rules):
        made = functools.partial(lambda make: flat(make()), rules)
    else:
        kept = flat(rules)
        made = functools.partial(tuple, kept)
    added = WeightSource(
        id,
        model,
        dict(fields or {}),
        dict(flags or {}),
        tuple(old_names),
        tuple(ignore),
        made,
        preprocess,
        class_order,
        url,
        hash,
        license,
    )
    lookups.add('weights id', id, added, _TABLE, form='[\\w/-]+')


def _table() -> dict[str, WeightSource]:
    lookups.import_modules(f'{__package__}.key_maps')
    return _TABLE


def supported() -> list[str]:
    """Every id that can be read and written, sorted."""
    return sorted(_table())


def source(id: str) -> WeightSource:
    """How the weights of that id are read; KeyError with the nearest ids where there are none."""
    return lookups.lookup('weights id', id, _table())


def input_shape(found: WeightSource) -> tuple[int, int, int]:
    """The (height, width, channels) with which the model of these weights is declared."""
    return registry.entry(found.model).input_shape

"""Communication between devices in a compiled program: its collectives and their bytes."""

import collections
import math
import re
from typing import NamedTuple

_KINDS = ('all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all', 'collective-permute')
_LINE = re.compile(rf'= (?P<shape>\(.*?\)|\S+) (?P<kind>{"|".join(_KINDS)})(-start)?\(')
_ARRAY = re.compile(r'(?P<type>[a-z]+)(?P<bits>\d+)\[(?P<sizes>[\d,]*)\]')


class Sent(NamedTuple):
    """The number of collectives of one kind, and the bytes of their results."""

    number: int
    bytes: int


def collectives(program: str) -> dict[str, Sent]:
    """Counts the collectives in the text of a compiled program.

    Args:
      program: what `jax.jit(f).lower(...).compile().as_text()` gives.

    Returns:
      {'all-reduce': Sent(number, bytes), ...}, only the kinds that occur.
    """
    found: dict[str, list[int]] = collections.defaultdict(list)
    for match in _LINE.finditer(program):
        found[match['kind']].append(sum(map(_bytes, _ARRAY.finditer(match['shape']))))
    return {kind: Sent(len(sizes), sum(sizes)) for kind, sizes in found.items()}


def _bytes(array: re.Match) -> int:
    return math.prod(int(n) for n in array['sizes'].split(',') if n) * max(
        int(array['bits']) // 8, 1
    )

"""Brings the names in a file into the form that key maps know: without prefixes of wrappers, and
numbered as in a fresh process.
"""

import re
from collections.abc import Iterable, Mapping

# Layers with variables, and variables, that Keras names automatically where a network does not
# (keras.src.utils.naming.auto_name).
_KINDS = (
    'conv2d|depthwise_conv2d|separable_conv2d|'
    'batch_normalization|layer_normalization|normalization|dense|variable'
)
_AUTOMATIC = re.compile(rf'({_KINDS})(?:_(\d+))?')


def without_prefix(names: Iterable[str], prefix: str = 'module.') -> dict[str, str]:
    """{name: name without `prefix`}, which torch's DataParallel and AveragedModel put before every
    name.
    """
    return {n: n.removeprefix(prefix) for n in names}


def renumbered(names: Iterable[str]) -> dict[str, str]:
    """{name: name with automatic numbers as in a fresh process}: 'conv2d_95/kernel' ->
    'conv2d/kernel' if 95 is the least in use.

    Keras counts the layers of a kind over the life of a process, so only their order identifies
    them. The ':0' that TensorFlow puts after a variable's name is removed too.
    """
    plain = {name: name.removesuffix(':0') for name in names}
    numbers: dict[str, set[int]] = {}
    for name in plain.values():
        for part in name.split('/'):
            if found := _AUTOMATIC.fullmatch(part):
                numbers.setdefault(found[1], set()).add(int(found[2] or 0))
    order = {kind: {n: i for i, n in enumerate(sorted(used))} for kind, used in numbers.items()}

    def fresh(part):
        found = _AUTOMATIC.fullmatch(part)
        if not found:
            return part
        i = order[found[1]][int(found[2] or 0)]
        return f'{found[1]}_{i}' if i else found[1]

    return {name: '/'.join(map(fresh, own.split('/'))) for name, own in plain.items()}


def rewritten(names: Iterable[str], changes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """{name: name after `re.sub` of each (pattern, replacement) in turn}."""
    out = {}
    for name in names:
        new = name
        for pattern, replacement in changes:
            new = re.sub(pattern, replacement, new)
        out[name] = new
    return out


def composed(first: Mapping[str, str], then: Mapping[str, str]) -> dict[str, str]:
    """{name: then[first[name]]}."""
    return {name: then[middle] for name, middle in first.items()}


def once(id: str, new: Mapping[str, str]) -> Mapping[str, str]:
    """Returns `new`; raises ValueError where two names of a file became the same."""
    old: dict[str, str] = {}
    for name, known in new.items():
        if known in old:
            raise ValueError(
                f'{old[known]!r} and {name!r} are both {known!r} of {id}; a file gives each array '
                f'once'
            )
        old[known] = name
    return new

"""The golden files: paths and shapes of every registered network's variables, so that no name or
shape changes unnoticed.

    # writes the file of every network and removes those of networks no longer registered
    python -m tests.golden
    python -m tests.golden resnet50      # only this one

A file holds one line a leaf, sorted by path. A network with more than `LISTED` leaves has their
number, the SHA-256 of that listing, and the first and last leaves.
"""

import functools
import hashlib
import json
import pathlib

import jax
import jax.numpy as jnp

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.nn.layers import reference_convolution

FOLDER = pathlib.Path(__file__).parent
LISTED, ENDS = 400, 20
# leaves; beyond, a network takes seconds to trace and minutes to compile
DEEP = 300


@functools.cache
def trace(name: str):
    """(logits, variables) of a network at its registered size and a batch of two, as shapes; traced
    once a process.
    """
    model = registry.create(name)
    images = jax.ShapeDtypeStruct((2, *registry.entry(name).input_shape), jnp.float32)
    with reference_convolution():
        return jax.eval_shape(lambda x: model.init_with_output(jax.random.key(0), x), images)


def content(name: str) -> str:
    """What the golden file of a network has to hold."""
    shapes = sorted(
        (path, list(leaf.shape)) for path, leaf in tree.named_leaves(trace(name)[1]).items()
    )
    lines = [f'{json.dumps(path)}: {json.dumps(shape)}' for path, shape in shapes]
    if len(lines) > LISTED:
        digest = hashlib.sha256('\n'.join(lines).encode()).hexdigest()
        lines = [f'"leaves": {len(lines)}', f'"sha256": "{digest}"', *lines[:ENDS], *lines[-ENDS:]]
    return '{\n' + ',\n'.join(lines) + '\n}\n'


def file(name: str) -> pathlib.Path:
    """Where the golden file of a network lies."""
    return FOLDER / f'{name}.json'


def leaves(name: str) -> int:
    """How many leaves the golden file counts; 0 where there is no file."""
    stored = json.loads(file(name).read_text()) if file(name).is_file() else {}
    return stored.get('leaves', len(stored))


@functools.cache
def smallest() -> frozenset[str]:
    """Of each family, a module of cnnlab.models, the member with the fewest arrays: the quickest to
    compile.
    """
    families = {}
    for name in registry.names():
        families.setdefault(registry.entry(name).cls.__module__, []).append(name)
    return frozenset(
        min(members, key=lambda n: (leaves(n), registry.entry(n).params))
        for members in families.values()
    )


def is_deep(name: str) -> bool:
    """Whether there are more than `DEEP` leaves; a network without a file is not deep."""
    return leaves(name) > DEEP

"""Reads the arrays of a source's file into a model and its variables, and writes them back."""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.models import registry
from cnnlab.nn.layers import reference_convolution
from cnnlab.weights import catalog, entries, fetch
from cnnlab.weights.mapping import convert, file_names
from cnnlab.weights.readers import read
from cnnlab.weights.readers.lazy import LazyArrays, lazy

Variables = dict[str, Any]


# a deep network is traced for seconds, and both directions and repeated loads ask for the same
@functools.lru_cache(maxsize=16)
def wanted_shapes(model: nn.Module, input_shape: tuple[int, int, int]) -> Variables:
    """The shapes of a model's variables; no array is made. The tree is cached: do not change it."""
    x = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    # traces fastest
    with reference_convolution():
        return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


def _by_layer(names_in_file, expected):
    """{name: expected name} where only the scopes before a name differ: Keras's older files leave
    out those around a layer.
    """
    ends: dict[str, list[str]] = {}
    for name in expected:
        ends.setdefault('/'.join(name.split('/')[-2:]), []).append(name)
    known = set(expected)
    return {
        n: n
        if n in known or len(ends.get('/'.join(n.split('/')[-2:]), [])) != 1
        else ends['/'.join(n.split('/')[-2:])][0]
        for n in names_in_file
    }


def _known_names(
    source: catalog.WeightSource, arrays: Mapping[str, np.ndarray], wanted: Variables
) -> LazyArrays:
    """The arrays under the names that the key map knows."""
    new = file_names.renumbered(arrays) if source.is_keras else file_names.without_prefix(arrays)
    new = file_names.composed(new, file_names.rewritten(new.values(), source.old_names))
    if source.is_keras:
        new = file_names.composed(
            new, _by_layer(new.values(), convert.names(wanted, source.key_map))
        )
    return lazy(arrays).renamed(file_names.once(source.id, new))


def _prepared(source, arrays, fields):
    """(model, shapes of its variables, the arrays under the names that the key map knows)."""
    if not isinstance(arrays, Mapping) or not all(isinstance(name, str) for name in arrays):
        raise ValueError(
            f'the arrays of {source.id} are given as a dict of arrays by name; got '
            f'{type(arrays).__name__}'
            f'{" with keys that are no text" if isinstance(arrays, Mapping) else ""}'
        )
    model = registry.create(
        source.model, **{**source.fields, **source.flagged(arrays), **(fields or {})}
    )
    wanted = wanted_shapes(model, catalog.input_shape(source))
    return model, wanted, _known_names(source, arrays, wanted)


def match(
    id: str, arrays: Mapping[str, np.ndarray], *, fields: Mapping[str, Any] | None = None
) -> tuple[nn.Module, convert.Matched]:
    """(model, which arrays match it and which do not): for files that do not hold exactly the
    network.
    """
    source = catalog.source(id)
    model, wanted, known = _prepared(source, arrays, fields)
    return model, convert.match(known, source.key_map, wanted, ignore=source.ignore)


def from_arrays(
    id: str, arrays: Mapping[str, np.ndarray], *, fields: Mapping[str, Any] | None = None
) -> tuple[nn.Module, Variables]:
    """(model, variables) from a source's arrays: every array is used and every leaf is filled.

    Args:
      id: of `supported()`.
      arrays: {the source's name: array in the source's layout}; float16 and bfloat16 are widened to
        float32.
      fields: fields of the model with which the arrays were made, if they differ from those of
        the id ({'num_classes': 10} for a fine-tuned file).

    Returns:
      The module, and {'params', 'batch_stats'} of float32 numpy arrays.

    Raises:
      KeyError: no such id (the nearest are given).
      ValueError: the arrays are not those of this network; the error lists every mismatch.
    """
    source = catalog.source(id)
    model, wanted, known = _prepared(source, arrays, fields)
    return model, convert.to_variables(
        known, source.key_map, wanted, ignore=source.ignore, weights=id
    )


def from_file(
    id: str, path: str | pathlib.Path, *, ema: bool = False, fields: Mapping[str, Any] | None = None
) -> tuple[nn.Module, Variables]:
    """(model, variables) from a file: .safetensors, .pth/.pt/.th, .npz, .h5/.weights.h5 or .keras;
    nothing in it is executed.

    Args:
      id: of `supported()`.
      path: the file; its first bytes tell its format.
      ema: take the moving average of a training checkpoint that holds both.
      fields: as in `from_arrays`.

    Raises:
      KeyError: no such id.
      FileNotFoundError: no such file.
      ValueError: the file is damaged, asks for code to be executed, or holds another network.
    """
    # an unknown id is reported before a large file is opened
    catalog.source(id)
    return from_arrays(id, read.arrays(path, ema=ema), fields=fields)


def to_arrays(id: str, variables: Variables) -> dict[str, np.ndarray]:
    """{the source's name: array in the source's layout}: the inverse of `from_arrays`; counters are
    zeros of the source's dtype.

    Raises:
      KeyError: no such id.
      ValueError: the variables are not those of this network.
    """
    source = catalog.source(id)
    model = registry.create(
        source.model,
        **{**source.fields, **source.flagged(convert.names(variables, source.key_map))},
    )
    return convert.to_arrays(
        variables, source.key_map, wanted_shapes(model, catalog.input_shape(source)), weights=id
    )


def load(id: str, *, fields: Mapping[str, Any] | None = None) -> tuple[nn.Module, Variables]:
    """(model, variables) of published weights: `load('torchvision/resnet50.IMAGENET1K_V1')`;
    without a tag, the source's default ones.

    The file is downloaded once into $CNNLAB_CACHE and verified (`fetch.fetch`); after that no
    network is needed.

    Raises:
      KeyError: no such id or tag (the nearest are given).
      ValueError, FileNotFoundError, ConnectionError: as `fetch.fetch` and `from_file`.
    """
    entry = entries.entry(id)
    return from_file(
        entries.split(id)[0], fetch.fetch(entry), fields={**entry.fields, **(fields or {})}
    )

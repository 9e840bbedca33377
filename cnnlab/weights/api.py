"""From the arrays of a source's file to a model and its variables, and back."""
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnnlab.models import registry
from cnnlab.weights import catalog, convert, names

Variables = dict[str, Any]


def wanted_shapes(model: nn.Module, input_shape: tuple[int, int, int]) -> Variables:
    """The model's variables as shapes; no array is made."""
    x = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x), x)


def _known_names(id: str, found: catalog.Source, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays under the names that the rules know."""
    step = names.renumbered(arrays) if id.startswith('keras/') else names.without_prefix(arrays)
    after = names.rewritten(step.values(), found.old_names)
    out = {}
    for name, array in arrays.items():
        new = after[step[name]]
        if new in out:
            raise ValueError(f'the file of {id} gives {new!r} twice, once as {name!r}')
        out[new] = np.asarray(array)
    return out


def from_arrays(id: str, arrays: Mapping[str, np.ndarray], *, fields: Mapping[str, Any] | None = None) -> tuple[nn.Module, Variables]:
    """(model, variables) from a source's arrays, every one of them used and every leaf filled.

    Args:
      id: of `supported()`.
      arrays: {the source's name: array in the source's layout}; float16 and bfloat16 are widened to float32.
      fields: fields of the model that the arrays were made with, where they differ ({'num_classes': 10} for a fine-tuned file).

    Raises:
      KeyError: no such id (the nearest are given).
      ValueError: the arrays are not those of this network: one error with every misfit.
    """
    found = catalog.source(id)
    known = _known_names(id, found, arrays)
    flags = {field: any(re.match(p, n) for n in known) for field, p in found.flags.items()}
    model = registry.create(found.model, **{**found.fields, **flags, **(fields or {})})
    wanted = wanted_shapes(model, catalog.input_shape(found))
    return model, convert.to_variables(known, found.book, wanted, ignore=found.ignore, weights=id)


def to_arrays(id: str, variables: Variables) -> dict[str, np.ndarray]:
    """{the source's name: array in the source's layout}: the inverse of `from_arrays`; counters are zeros of the source's dtype.

    Raises:
      KeyError: no such id.
      ValueError: the variables are not those of this network.
    """
    return convert.to_arrays(variables, catalog.source(id).book, weights=id)

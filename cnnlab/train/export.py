"""The weights of a run, and nothing else of it, as one safetensors file: a format that holds arrays
and text only.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
from flax import linen as nn
from safetensors.numpy import load_file, save

from cnnlab import tree
from cnnlab.models import registry
from cnnlab.report.files import write_bytes

# {'params': ..., 'batch_stats': ...}
Variables = dict[str, Any]


def write(
    path: str | os.PathLike,
    model: str,
    fields: Mapping[str, Any],
    weights: Variables,
    facts: Mapping[str, Any],
) -> pathlib.Path:
    """Writes the arrays under their paths (params/conv1/kernel, batch_stats/...), whole or not at
    all.

    Args:
      model: the registered name of the network.
      fields: what was replaced of its fields, `num_classes` among them; JSON values.
      weights: of numpy arrays.
      facts: more to tell a reader (data set, step, accuracy); JSON values.
    """
    about = {
        'format': 'cnnlab',
        'model': model,
        'fields': json.dumps(dict(fields)),
        'facts': json.dumps(dict(facts)),
    }
    return write_bytes(
        path,
        save(
            {n: np.ascontiguousarray(a) for n, a in tree.named_leaves(weights).items()},
            metadata=about,
        ),
    )


def read(path: str | os.PathLike) -> tuple[nn.Module, Variables]:
    """(network, variables) of a file of `write`; nothing in the file is run.

    Raises:
      FileNotFoundError: there is no such file. ValueError: it is damaged, or was not written by
        `write`. KeyError: a network that this
      version does not have.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f'there is no weights file {path}')
    try:
        with safetensors.safe_open(path, framework='numpy') as file:
            about = file.metadata() or {}
        arrays = load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(f'{path} cannot be read as safetensors: {error}') from error
    if about.get('format') != 'cnnlab':
        raise ValueError(
            f'{path} was not written by experiments.export; files of others are read by '
            f'cnnlab.weights'
        )
    return registry.create(about['model'], **json.loads(about['fields'])), {
        'params': {},
        'batch_stats': {},
        **tree.nested(arrays),
    }

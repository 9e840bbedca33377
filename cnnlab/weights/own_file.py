"""Our own safetensors: arrays under their paths, and what they are as JSON in the metadata; nothing
in such a file is run.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import load_file, save

from cnnlab import tree
from cnnlab.report.files import write_bytes

_FORMAT = 'cnnlab'
# of what the metadata state; a file of another is refused
_VERSION = '2'


def write(
    path: str | os.PathLike, arrays: Mapping[str, Any], about: Mapping[str, Any]
) -> pathlib.Path:
    """Writes a tree of arrays under its paths (params/conv1/kernel), whole or not at all.

    Args:
      arrays: nested dicts of arrays.
      about: what they are, by key; values that JSON can hold, of which a numpy array becomes a
        tensor of the file.
    """
    tensors = {name: np.ascontiguousarray(a) for name, a in tree.named_leaves(arrays).items()}

    def as_tensor(value):
        if not isinstance(value, np.ndarray):
            raise ValueError(f'a {type(value).__name__} cannot be stated in a file')
        name = f'about/{len(tensors)}'
        tensors[name] = np.ascontiguousarray(value)
        return {'tensor': name}

    stated = {key: json.dumps(value, default=as_tensor) for key, value in about.items()}
    return write_bytes(
        path, save(tensors, metadata={'format': _FORMAT, 'version': _VERSION, **stated})
    )


def read(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """(nested dicts of numpy arrays, what they are) of a file of `write`.

    Raises:
      FileNotFoundError: there is no such file. ValueError: it is damaged, or was not written by
        this version of cnnlab.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f'there is no weights file {path}')
    try:
        with safetensors.safe_open(path, framework='numpy') as file:
            about = file.metadata() or {}
        if about.get('format') == _FORMAT:
            arrays = load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(f'{path} cannot be read as safetensors: {error}') from error
    if about.pop('format', None) != _FORMAT:
        raise ValueError(
            f'{path} was not saved by cnnlab; a file that a source publishes is read with its id: '
            f'torchvision/resnet50@{path}'
        )
    if (version := about.pop('version', '1')) != _VERSION:
        raise ValueError(
            f'{path} has the form {version} of our files and this version reads the form '
            f'{_VERSION}; export it again from its run'
        )

    def tensors(value):
        return arrays.pop(value['tensor']) if value.keys() == {'tensor'} else value

    stated = {key: json.loads(text, object_hook=tensors) for key, text in about.items()}
    return tree.nested(arrays), stated

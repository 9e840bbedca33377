"""Convolutional networks in JAX and Flax.

    import cnnlab

    net = cnnlab.load('torchvision/squeezenet1_0')
    net.predict('cat.jpg')

`list_models`, `create`, `load` and `register` are the front door; what they give is a `Classifier`.
Importing this package imports nothing else, so that it takes no time and touches no device.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlab.classifier import Classifier
    from cnnlab.front import create, list_models, load, register

# pyproject.toml reads it here
__version__ = '0.1.0'
# {name: the module that has it}
_FRONT = {
    'Classifier': 'cnnlab.classifier',
    'create': 'cnnlab.front',
    'list_models': 'cnnlab.front',
    'load': 'cnnlab.front',
    'register': 'cnnlab.front',
}
__all__ = ['Classifier', '__version__', 'create', 'list_models', 'load', 'register']


def __getattr__(name: str) -> Any:
    """What the front door has, imported when it is first asked for."""
    if name not in _FRONT:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(_FRONT[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FRONT} - {'Any', 'TYPE_CHECKING', 'importlib'})

"""What the layer tests share: arrays from real torch (see torch_reference.py) and float64 on
request.
"""

import pathlib
from collections.abc import Callable

import jax
import numpy as np
import pytest

REFERENCE = pathlib.Path(__file__).parent / 'torch_reference.npz'


@pytest.fixture(scope='session')
def torch_case() -> Callable[[str], dict[str, np.ndarray]]:
    """`torch_case(name)` -> {'x': ..., 'y': ...} and the layer's own arrays."""
    with np.load(REFERENCE) as stored:
        arrays = dict(stored)

    def case(name):
        found = {
            key.rpartition('/')[2]: value
            for key, value in arrays.items()
            if key.startswith(f'{name}/')
        }
        assert found, f'no case {name!r} in {REFERENCE.name}'
        return found

    return case


@pytest.fixture
def float64():
    """float64 arrays stay float64 inside the test."""
    with jax.enable_x64(True):
        yield

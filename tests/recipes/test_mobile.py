"""The recipes of small networks: their images have the size of the networks."""

import pytest

from cnnlab.models import registry
from cnnlab.recipes import mobile


@pytest.mark.parametrize('name', mobile._SIZES)
def test_images_have_the_size_of_the_network(name):
    side = mobile._SIZES[name]
    assert registry.entry(name).input_shape == (side, side, 3)

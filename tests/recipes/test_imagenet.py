"""The transforms by which papers trained on ImageNet."""

import numpy as np
import pytest

from cnnlab.data.transforms import parse
from cnnlab.recipes import imagenet


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(KeyError, match='did you mean alexnet'):
        imagenet.train_transforms('alexnt')


@pytest.mark.parametrize('name', imagenet.TRAIN_TRANSFORMS)
def test_the_transforms_of_papers_are_transforms(name):
    transform = parse.parse(*imagenet.train_transforms(name, 64))
    out = transform(np.full((300, 280, 3), 99, np.uint8), np.random.default_rng(0))
    assert out.shape == (64, 64, 3) and transform.random

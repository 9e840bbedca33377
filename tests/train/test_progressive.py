"""Progressive resizing in the loop: each size compiles once, a stopped run resumes bit for bit, and
impossible sizes raise.
"""

import jax
import numpy as np
import pytest

from cnnlab.train import loop
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny


def growing(*sizes, **fields):
    base = {
        'model': 'cifar_nin',
        'dataset': 'fake:32x32x3:4:64',
        'train': ('shift(1)', 'resize(({size}, {size}))'),
        'progressive_resizing': sizes,
    }
    return tiny(
        **{
            **base,
            'duration': '4 steps',
            'evaluate_every': '9 steps',
            'checkpoint_every': '1 steps',
            'keep': 9,
            **fields,
        }
    )


SIZES = ('16 from 0 steps', '24 from 2 steps')


@pytest.mark.slow
def test_each_size_compiles_once_and_a_stopped_run_goes_on_bit_for_bit(tmp_path):
    setup = build_setup(
        growing(
            *SIZES,
            model='cifar_resnet20',
            model_fields={'blocks': 1, 'width': 4},
            duration='3 steps',
        ),
        devices=1,
    )
    loop.run_setup(setup, 0, tmp_path / 'whole', Options(quiet=True))
    assert setup.train_step._cache_size() == 2
    whole = Checkpoints(tmp_path / 'whole' / 'checkpoints')
    like = jax.eval_shape(setup.init, np.uint32(0))
    states = {step: whole.restore(like, step) for step in (1, 3)}
    whole.close()
    (tmp_path / 'stopped').mkdir()
    part = Checkpoints(tmp_path / 'stopped' / 'checkpoints')
    part.save(states[1])
    part.wait()
    part.close()
    loop.run_setup(setup, 0, tmp_path / 'stopped', Options(quiet=True))
    again = Checkpoints(tmp_path / 'stopped' / 'checkpoints')
    found = again.restore(like, 3)
    again.close()
    for a, b in zip(jax.tree.leaves(states[3].params), jax.tree.leaves(found.params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert setup.train_step._cache_size() == 2


def test_a_size_that_the_network_does_not_take_is_one_sentence():
    with pytest.raises(
        ValueError,
        match='mlp2 does not take the images of 16 x 16 pixels that '
        "augment.progressive_resizing='16 from 0 steps' makes",
    ):
        build_setup(growing('16 from 0 steps', '32 from 2 steps', model='mlp2'), devices=1)


def test_a_mean_image_goes_with_one_size():
    with pytest.raises(ValueError, match='normalize=channel works with any size'):
        build_setup(
            growing('32 from 0 steps', model='cifar_resnet20', normalize='pixel_mean'), devices=1
        )

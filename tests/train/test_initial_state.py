"""The state at step 0: layers taken from another run, a whitening layer computed from images."""

import jax
import numpy as np
import pytest

from cnnlab import tree
from cnnlab.data import preprocessing, sources
from cnnlab.data.preprocessing import normalize
from cnnlab.data.transforms import parse
from cnnlab.train import loop, whitening
from cnnlab.train.initial_state import initial_state, weights_of
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny

DONOR = tiny(
    model='mlp2',
    model_fields={'hidden': (8,)},
    duration='2 steps',
    evaluate_every='2 steps',
    checkpoint_every='2 steps',
    average='ema',
    **{'average.decay': 0.9},
)


@pytest.fixture(scope='module')
def donor(tmp_path_factory):
    path = tmp_path_factory.mktemp('donor')
    loop.run_setup(build_setup(DONOR, devices=1), 0, path, Options(quiet=True))
    return path


@pytest.mark.slow
def test_layers_are_taken_where_path_and_shape_agree(donor):
    """A deeper perceptron begins with the first layer of the trained one, and with the average that
    was kept of nothing else.
    """
    recipe = DONOR.replace(model='mlp3', model_fields={'hidden': (8, 6)}, start_from=str(donor))
    setup = build_setup(recipe, devices=1)
    state, fresh, theirs = (
        initial_state(setup, np.uint32(1)),
        setup.init(np.uint32(1)),
        weights_of(str(donor)),
    )
    np.testing.assert_array_equal(state.params['fc1']['kernel'], theirs['params']['fc1']['kernel'])
    np.testing.assert_array_equal(state.params['fc3']['kernel'], fresh.params['fc3']['kernel'])
    np.testing.assert_array_equal(
        state.ema['params']['fc1']['kernel'], theirs['params']['fc1']['kernel']
    )
    assert not np.array_equal(fresh.params['fc1']['kernel'], theirs['params']['fc1']['kernel'])
    assert jax.tree.structure(state) == jax.tree.structure(fresh)


@pytest.mark.slow
def test_patterns_choose_the_layers(donor):
    recipe = DONOR.replace(start_from=str(donor), start_layers=('fc1/bias',))
    setup = build_setup(recipe, devices=1)
    state, theirs = (
        initial_state(setup, np.uint32(1)),
        tree.named_leaves(weights_of(str(donor))['params']),
    )
    same = {
        path
        for path, leaf in tree.named_leaves(state.params).items()
        if np.array_equal(leaf, theirs[path])
    }
    assert same == {'fc1/bias'}
    none = build_setup(recipe.replace(start_layers=('conv',)), devices=1)
    with pytest.raises(
        ValueError,
        match='no layer of mlp2 has the path and shape of a layer of .* that start_layers=conv '
        'matches',
    ):
        initial_state(none, np.uint32(1))


def test_a_run_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match='start_from=.* is not a run directory with checkpoints; train that network first',
    ):
        weights_of(str(tmp_path / 'absent'))


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'start_from': 'absent'}, 'start_from=absent is not a run directory'),
        ({'repeats': 0}, 'augment.repeats must be at least 1, got 0'),
    ],
)
def test_the_loop_heeds_what_begins_and_orders_a_run(fields, sentence, tmp_path):
    with pytest.raises((FileNotFoundError, ValueError), match=sentence):
        loop.run(tiny(**fields), str(tmp_path))


def test_whitening_makes_patches_uncorrelated_with_unit_variance():
    """On images whose patches vary in all twelve directions; the other half of the filters is the
    negative.
    """
    source = sources.open_dataset('fake:8x8x3:4:300').open('train')
    mean, std = preprocessing.statistics(source, 'channel')
    kernel = whitening.kernel(source, parse.parse(), mean, std)
    assert kernel.shape == (2, 2, 3, 24)
    np.testing.assert_array_equal(kernel[..., 12:], -kernel[..., :12])
    x = np.asarray(
        normalize(np.stack([source[i]['image'] for i in range(300)]), mean, std, np.float32),
        np.float64,
    )
    y = sum(
        x[:, dy : 7 + dy, dx : 7 + dx] @ kernel[dy, dx] for dy in range(2) for dx in range(2)
    ).reshape(-1, 24)[:, :12]
    covariance = y.T @ y / len(y)
    np.testing.assert_allclose(covariance, np.eye(12), atol=0.02)
    powers = np.square(kernel[..., :12]).sum((0, 1, 2))
    # falling variances, so rising factors
    assert (np.diff(powers) > 0).all()


@pytest.mark.slow
def test_a_recipe_turns_whitening_on_and_other_networks_refuse_it():
    recipe = tiny(
        model='airbench94',
        dataset='fake:32x32x3:4:64',
        model_fields={'widths': (8, 8, 8)},
        normalize='channel',
        whiten=True,
    )
    setup = build_setup(recipe, devices=1)
    state = initial_state(setup, np.uint32(0))
    kernel = whitening.kernel(
        setup.data['train'],
        setup.transform,
        *preprocessing.statistics(setup.data['train'], 'channel'),
    )
    np.testing.assert_array_equal(state.batch_stats['whiten']['kernel'], kernel)
    with pytest.raises(ValueError, match='softmax_linear has no whitening layer'):
        initial_state(build_setup(tiny(whiten=True), devices=1), np.uint32(0))

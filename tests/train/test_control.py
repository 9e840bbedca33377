"""Control of a run: plateaus, early stopping, averages, exact statistics, restarts.

All of it resumes bit for bit.
"""

import json
import shutil

import jax
import numpy as np
import pytest
from flax import linen as nn

from cnnlab.nn.layers import BatchNorm, BatchNormConfig, Dense, flatten
from cnnlab.studies import restarts
from cnnlab.train import early_stopping, loop
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup, registry
from tests.train.nets import DropNet, tiny
from tests.train.test_loop import run, state_of, untimed

QUIET = Options(quiet=True)


def test_early_stopping_counts_evaluations_since_the_best():
    control = {'best': np.float32(-1), 'best_step': np.int32(0), 'stale': np.int32(0)}
    for step, (top1, stale, best) in enumerate(
        [(0.2, 0, 1), (0.7, 0, 2), (0.7, 1, 2), (0.4, 2, 2), (0.8, 0, 5)], 1
    ):
        control = early_stopping.remember(control, top1, step)
        assert (int(control['stale']), int(control['best_step'])) == (stale, best)
        assert early_stopping.over(control, 2) == (stale >= 2) and not early_stopping.over(
            control, 0
        )
    assert set(
        early_stopping.remember({'best': np.float32(1), 'best_step': np.int32(3)}, 0.5, 9)
    ) == {
        'best',
        'best_step',
    }


def scored(monkeypatch, by_step, key='top1'):
    """Validation as given by step in place of what the network scores, so that a run's course is
    known.
    """
    real = loop.evaluate

    def evaluate(step, state, *args, **kwargs):
        return {**real(step, state, *args, **kwargs), key: by_step[int(state.step)]}

    monkeypatch.setattr(loop, 'evaluate', evaluate)


def resumed_from(source, target, recipe, step):
    """A copy of a run as it was when it was killed after the checkpoint of that step, run again."""
    shutil.copytree(source, target)
    for later in Checkpoints.steps_in(target / 'checkpoints'):
        if later > step:
            shutil.rmtree(target / f'checkpoints/{later}')
    (target / 'result.json').unlink()
    return run(recipe, target)


def same(a, b, recipe):
    x, y = state_of(a, recipe), state_of(b, recipe)
    assert all(
        np.array_equal(m, n) for m, n in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    )
    logs = [untimed(run_log.read(d / 'metrics.jsonl')) for d in (a, b)]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_a_run_without_progress_stops_keeps_its_best_and_would_stop_again(tmp_path, monkeypatch):
    scored(monkeypatch, {1: 0.2, 2: 0.9, 3: 0.3, 4: 0.4, 5: 1.0})
    recipe = tiny(duration='5 steps', evaluate_every='1 steps', stop_patience=2, keep=3)
    result = run(recipe, tmp_path / 'whole')
    assert (result.steps, result.best_step, result.final['validation']['top1']) == (4, 2, 0.9)
    assert Checkpoints.steps_in(tmp_path / 'whole/checkpoints') == [2, 3, 4]
    # killed before the last evaluation, and after it
    for step in (3, 4):
        again = resumed_from(tmp_path / 'whole', tmp_path / f'from{step}', recipe, step)
        assert (again.steps, again.final) == (4, result.final)
        same(tmp_path / 'whole', tmp_path / f'from{step}', recipe)


@pytest.mark.slow
def test_a_plateau_divides_the_rate_and_a_resumed_run_remembers_it(tmp_path, monkeypatch):
    scored(monkeypatch, {1: 1.0, 2: 1.1, 3: 1.2, 4: 1.3, 5: 1.4}, 'loss')
    recipe = tiny(
        duration='5 steps',
        evaluate_every='1 steps',
        schedule='plateau',
        factor=0.1,
        patience=2,
        keep=5,
        log_every='1 steps',
    )
    run(recipe, tmp_path / 'whole')
    rates = run_log.series(
        run_log.read(tmp_path / 'whole/metrics.jsonl'), 'train', 'learning_rate'
    )[1]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.01, 0.01], rtol=1e-5)
    for step in (2, 3):
        resumed_from(tmp_path / 'whole', tmp_path / f'from{step}', recipe, step)
        same(tmp_path / 'whole', tmp_path / f'from{step}', recipe)


@pytest.fixture
def drop_net(own_table):
    """Recipes that say this name train a small network with batch norm and dropout."""
    # 9 * 3 * 8 and 9 * 8 * 8 weights, 2 * 8 of each norm, (8 + 1) * 10 of the head
    registry.register(
        'drop_net',
        DropNet,
        family='Drop',
        paper='none: a test',
        year=2025,
        params=914,
        input_shape=(8, 8, 3),
    )
    return 'drop_net'


@pytest.mark.slow
def test_everything_at_once_goes_on_bit_for_bit(tmp_path, drop_net):
    """Accumulation, Lookahead, a mean of networks from a quarter on with statistics of its own,
    rates by path, frozen parts.
    """
    recipe = tiny(
        model=drop_net,
        dataset='fake:8x8x3:4:64',
        accumulate=2,
        optimizer='momentum_caffe',
        lookahead=2,
        average='swa',
        begin='25%',
        recompute_batch_stats='2 steps',
        learning_rate_factors={'bias$': 2.0},
        **{
            'average.every': '2 steps',
            'optimizer.frozen': ('^conv1',),
            'batch_norm.frozen': ('^conv1',),
        },
        l1=1e-4,
        clip_value=0.5,
        duration='8 steps',
    )
    run(recipe, tmp_path / 'whole')
    resumed_from(tmp_path / 'whole', tmp_path / 'part', recipe, 4)
    same(tmp_path / 'whole', tmp_path / 'part', recipe)
    last, middle = state_of(tmp_path / 'whole', recipe), state_of(tmp_path / 'whole', recipe, 4)
    assert not np.array_equal(last.ema['params']['head']['kernel'], last.params['head']['kernel'])
    frozen = [jax.tree.leaves((s.batch_stats['conv1'], s.params['conv1'])) for s in (last, middle)]
    assert all(np.array_equal(a, b) for a, b in zip(*frozen, strict=True))


@pytest.mark.slow
def test_restarts_keep_the_best_and_finished_ones_are_not_trained_again(tmp_path):
    recipe = tiny(duration='2 steps', seed=3, evaluate_every='2 steps', batch_size=16)
    best = restarts.best_of(recipe, 2, tmp_path / 'runs', options=QUIET)
    said = json.loads((tmp_path / 'runs/restarts.json').read_text())
    scores = said['validation top1']
    assert list(scores) == ['seed3', 'seed4'] and said['best'] == best.directory.name == max(
        scores, key=scores.get
    )
    assert best.final['validation']['top1'] == max(scores.values())
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'runs').glob('seed*/checkpoints/*')}
    assert restarts.best_of(recipe, 2, tmp_path / 'runs', options=QUIET).final == best.final
    assert {
        p: p.stat().st_mtime_ns for p in (tmp_path / 'runs').glob('seed*/checkpoints/*')
    } == before


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        (
            {'accumulate': 3},
            r'a batch of 16 images does not divide into 3 parts \(run.accumulate\) over 1 devices; '
            'the nearest that do are 15 or 18',
        ),
        ({'accumulate': 0}, 'run.accumulate must be at least 1, got 0'),
        (
            {'ghost_batch_size': 3, 'accumulate': 2},
            'ghost_batch_size 3 does not divide the 8 images that go through the network at once',
        ),
        (
            {'schedule': 'plateau', 'holdout': 0},
            'schedule=plateau needs validation images, and there are none',
        ),
        (
            {'stop_patience': 2, 'holdout': 0},
            'stop_patience needs validation images, and there are none',
        ),
        ({'stop_patience': -1}, 'stop_patience is 0 .never. or a number of evaluations, got -1'),
        (
            {'stop_patience': 2, 'recompute_batch_stats': '1 epochs'},
            'recompute_batch_stats computes statistics at the end of a run of fixed length',
        ),
        (
            {'batch_norm.frozen': ('norm',)},
            r"patterns \['norm'\] of frozen batch norm match no layer; the network has no batch "
            r'norm',
        ),
        ({'optimizer.frozen': ('haed',)}, r"patterns \['haed'\] match no parameter"),
        ({'optimizer.frozen': ('.*',)}, 'nothing is left to train'),
        ({'learning_rate_factors': {'haed': 2.0}}, r"patterns \['haed'\] match no parameter"),
        ({'init': 'hee'}, "no initializer named 'hee'; did you mean he"),
        (
            {'schedule': 'step', 'boundaries': ('8 steps',)},
            'its boundary at 8 steps is step 8, but the run has 8',
        ),
        (
            {'warmup': '2 steps', 'schedule': 'one_cycle'},
            'one_cycle has a warm-up of its own: both at once cannot be',
        ),
        ({'learning_rate': -1.0}, 'optimizer.learning_rate must not be negative, got -1.0'),
    ],
)
def test_what_cannot_be_is_one_sentence_before_anything_is_trained(fields, sentence):
    with pytest.raises((ValueError, KeyError), match=sentence):
        build_setup(tiny(**fields), devices=1)


def test_the_recipe_fills_the_settings_of_batch_norm_where_the_network_has_it():
    said = {
        'batch_norm.ghost_batch_size': 8,
        'batch_norm.momentum': 0.5,
        'batch_norm.eps': 0.01,
    }
    image = {'dataset': 'fake:8x8x3:4:64'}
    model = build_setup(tiny(model='cifar_resnet20', **image, **said), devices=1).model
    assert model.norm == BatchNormConfig(ghost_batch_size=8, momentum=0.5, eps=0.01)
    plain = build_setup(tiny(model='vgg11', dataset='fake:32x32x3:4:64', **said), devices=1).model
    assert plain == registry.create('vgg11', num_classes=4)


def test_a_network_keeps_the_settings_of_batch_norm_that_the_recipe_does_not_state(own_table):
    facts = {'family': 'Drop', 'paper': 'none: a test', 'year': 2025, 'params': 914}
    registry.register('own_eps', DropNet, norm=BatchNormConfig(eps=0.1, momentum=0.7), **facts)
    recipe = tiny(model='own_eps', dataset='fake:8x8x3:4:64', **{'batch_norm.momentum': 0.5})
    assert build_setup(recipe, devices=1).model.norm == BatchNormConfig(eps=0.1, momentum=0.5)


class NoSettings(nn.Module):
    """A network of one's own whose batch norm cannot be set."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        return Dense(self.num_classes, name='head')(BatchNorm(name='norm')(flatten(x), train))


def test_settings_that_cannot_reach_a_batch_norm_are_refused(own_table):
    facts = {'family': 'None', 'paper': 'none: a test', 'year': 2025, 'params': 42}
    registry.register('no_settings', NoSettings, **facts)
    recipe = tiny(model='no_settings')
    assert build_setup(recipe, devices=1).model == NoSettings(num_classes=4)
    sentence = 'states batch_norm.eps, which cannot reach the batch norms of no_settings: give NoSe'
    with pytest.raises(ValueError, match=sentence):
        build_setup(recipe.replace(**{'batch_norm.eps': 0.1}), devices=1)


def test_swa_of_a_network_with_batch_norm_needs_statistics(drop_net):
    fields = {'model': drop_net, 'dataset': 'fake:8x8x3:4:64', 'average': 'swa'}
    with pytest.raises(
        ValueError,
        match='average=swa needs the batch statistics of the mean network, as in '
        "run.recompute_batch_stats='1 epochs'",
    ):
        build_setup(tiny(**fields), devices=1)
    build_setup(tiny(**fields, recompute_batch_stats='1 epochs'), devices=1)

"""Runs from beginning to end: their files, resuming, and stopping."""

import json
import re
import shutil

import jax
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlab.train import loop
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny


def run(recipe, directory, **kwargs):
    return loop.run_setup(
        build_setup(recipe, devices=1), recipe.run.seed, directory, Options(quiet=True), **kwargs
    )


def state_of(directory, recipe, step=None):
    setup = build_setup(recipe, devices=1)
    checkpoints = Checkpoints(directory / 'checkpoints', read_only=True)
    try:
        return checkpoints.restore(jax.eval_shape(setup.init, np.uint32(0)), step)
    finally:
        checkpoints.close()


def untimed(records):
    return [{k: v for k, v in r.items() if k not in run_log.TIMES} for r in records]


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """The directory of one finished run; tests that change it work on a copy."""
    directory = tmp_path_factory.mktemp('runs') / 'whole'
    return directory, run(tiny(), directory)


@pytest.mark.slow
def test_a_run_leaves_recipe_manifest_log_plots_checkpoints_and_result(finished):
    directory, result = finished
    assert {p.name for p in directory.iterdir()} == {
        'recipe.json',
        'manifest.json',
        'network.safetensors',
        'heartbeat.json',
        'metrics.jsonl',
        'tensorboard',
        'checkpoints',
        'loss.png',
        'top1.png',
        'result.json',
    }
    manifest = json.loads((directory / 'manifest.json').read_text())
    assert manifest['versions']['jax'] == jax.__version__ and set(manifest['data']) == {
        'train',
        'validation',
        'test',
    }
    assert (
        result.steps == 8
        and result.final['test']['n']
        == json.loads((directory / 'result.json').read_text())['final']['test']['n']
        > 0
    )


def test_the_log_has_every_window_once_and_validation_where_it_is_due(finished):
    records = run_log.read(finished[0] / 'metrics.jsonl')
    # every 3 steps, and wherever a checkpoint ends a window
    assert run_log.series(records, 'train', 'loss')[0] == [3, 4, 6, 8]
    assert run_log.series(records, 'validation', 'n') == ([4, 8], [16, 16])
    rates = dict(zip(*run_log.series(records, 'train', 'learning_rate'), strict=True))
    # of the fourth step: cosine at 3 of 8
    assert rates[4] == pytest.approx(0.1 * (1 + np.cos(np.pi * 3 / 8)) / 2, rel=1e-6)


def test_the_log_has_the_ratio_of_updates_to_weights_where_a_window_is_whole(finished):
    records = run_log.read(finished[0] / 'metrics.jsonl')
    steps, ratios = run_log.series(records, 'train', 'update_ratio')
    # every 3 steps; checkpoints end other windows
    assert steps == [3, 6] and all(0 < r < 1 for r in ratios)
    before, after = (
        state_of(finished[0], tiny(), step).params['scores']['kernel'] for step in (4, 8)
    )
    low, high = (
        run_log.series(records, 'train', f'update_ratio_{end}')[1][1] for end in ('low', 'high')
    )
    # one kernel alone
    assert low == high == ratios[1] < 2 * np.linalg.norm(after - before) / np.linalg.norm(before)


@pytest.mark.slow
def test_validation_is_told_and_read_in_words(tmp_path, capsys):
    told = []
    loop.run_setup(
        build_setup(tiny(), devices=1),
        0,
        tmp_path / 'a',
        validated=lambda step, figures: told.append((step, figures['n'])),
    )
    assert told == [(4, 16), (8, 16)]
    assert re.search(r'training \d+\.\d%, validation \d+\.\d%: ', capsys.readouterr().err)

    class Enough(Exception):
        pass

    def stop(step, figures):
        raise Enough

    with pytest.raises(Enough):
        run(tiny(), tmp_path / 'b', validated=stop)
    assert not (tmp_path / 'b/result.json').exists()
    # it goes on
    assert (
        run(tiny(), tmp_path / 'b').final
        == json.loads((tmp_path / 'a/result.json').read_text())['final']
    )


def test_tensorboard_has_one_value_per_tag_and_step(finished, tmp_path):
    directory = tmp_path / 'copy'
    shutil.copytree(finished[0], directory)
    # a second start rewrites the events
    run(tiny(), directory)
    events = EventAccumulator(str(directory / 'tensorboard'))
    events.Reload()
    assert 'train/loss' in events.Tags()['scalars']
    for tag in events.Tags()['scalars']:
        steps = [e.step for e in events.Scalars(tag)]
        assert steps == sorted(set(steps)), tag
    records = run_log.read(directory / 'metrics.jsonl')
    assert [e.value for e in events.Scalars('train/loss')] == pytest.approx(
        run_log.series(records, 'train', 'loss')[1]
    )


@pytest.mark.slow
def test_a_run_stopped_in_the_middle_goes_on_bit_for_bit(finished, tmp_path):
    directory = tmp_path / 'whole'
    shutil.copytree(finished[0], directory)
    shutil.rmtree(directory / 'checkpoints/8')
    (directory / 'result.json').unlink()
    with (directory / 'metrics.jsonl').open('a') as log:
        # the line that a kill cut off
        log.write('{"step": 9, "split": "tr')
    run(tiny(), directory)
    a, b = state_of(finished[0], tiny()), state_of(directory, tiny())
    assert int(a.step) == 8
    assert all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )
    logs = [untimed(run_log.read(d / 'metrics.jsonl')) for d in (finished[0], directory)]
    assert logs[0] == logs[1]


@pytest.mark.slow
def test_a_finished_run_started_again_does_nothing(finished, tmp_path):
    directory = tmp_path / 'whole'
    shutil.copytree(finished[0], directory)
    before = (directory / 'metrics.jsonl').read_text()
    again = run(tiny(), directory)
    assert (directory / 'metrics.jsonl').read_text() == before and again.final == finished[1].final


def test_another_recipe_in_the_directory_is_refused_with_the_difference(finished):
    with pytest.raises(
        ValueError,
        match=r'holds a run of another recipe '
        r'\(optimizer.learning_rate: 0.1 there, 0.2 here\)',
    ):
        run(tiny(learning_rate=0.2), finished[0])
    with pytest.raises(ValueError, match='seed: 0 there, 1 here'):
        run(tiny(seed=1), finished[0])


def test_other_data_in_the_directory_is_refused(finished, tmp_path):
    directory = tmp_path / 'whole'
    shutil.copytree(finished[0], directory)
    manifest = json.loads((directory / 'manifest.json').read_text())
    manifest['data']['train'] = 'other'
    (directory / 'manifest.json').write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match='the train images differ'):
        run(tiny(), directory)


@pytest.mark.slow
def test_divergence_stops_with_the_steps_and_keeps_the_last_good_checkpoint(tmp_path):
    recipe = tiny(
        learning_rate=1e38,
        warmup='5 steps',
        warmup_form='constant',
        warmup_start=1e-39,
        schedule='constant',
        checkpoint_every='2 steps',
    )
    with pytest.raises(loop.NotFinite, match='became .*; the last good checkpoint is of step [46]'):
        run(recipe, tmp_path / 'run')
    state = state_of(tmp_path / 'run', recipe)
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(state.params))
    assert not (tmp_path / 'run/result.json').exists()


def test_a_workdir_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(NotADirectoryError, match='the workdir .* cannot be created: .* is a file'):
        run(tiny(), tmp_path / 'file' / 'run')


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'batch_size': 1000}, 'a batch of 1000 is larger than the training set of 48 images'),
        ({'model': 'lenett5'}, "no model named 'lenett5'; did you mean lenet5"),
        ({'optimizer': 'momentun'}, "no optimizer named 'momentun'; did you mean momentum"),
        ({'schedule': 'cosin'}, "no schedule named 'cosin'; did you mean cosine"),
        ({'loss': 'softmaxx'}, "no loss named 'softmaxx'; did you mean softmax"),
        ({'precision': 'float16'}, "no precision named 'float16'; did you mean"),
        ({'model_fields': {'widht': 3}}, "no field of SoftmaxLinear named 'widht'"),
        (
            {'weight_decay_mask': ('kernal',), 'weight_decay': 1e-4},
            'the mask patterns .*kernal.* match no parameter',
        ),
        ({'duration': '0 steps'}, '0 steps is less than one step'),
        ({'warmup': '9 steps'}, 'a warm-up of 9 steps is longer than the run of 8'),
        (
            {'label_smoothing': 0.1, 'loss': 'hinge'},
            'label smoothing goes with the losses softmax and binary_cross_entropy, not with hinge',
        ),
        ({'dataset': 'digit'}, 'did you mean digits'),
        (
            {'normalize': 'pixel_mean', 'common': ('resize((6, 6))',)},
            'a mean image of 4 x 4 x 1, but the transform makes images of 6 x 6 x 1',
        ),
    ],
)
def test_a_mistake_in_a_recipe_is_one_sentence_before_anything_is_trained(fields, sentence):
    with pytest.raises((ValueError, KeyError), match=sentence):
        build_setup(tiny(**fields), devices=1)


@pytest.mark.slow
def test_the_newest_checkpoints_are_kept_and_the_best(tmp_path, monkeypatch):
    scores = iter([0.2, 0.9, 0.3, 0.4, 0.5, 0.5])
    real = loop.evaluate

    def scored(*args, **kwargs):
        return {**real(*args, **kwargs), 'top1': next(scores)}

    monkeypatch.setattr(loop, 'evaluate', scored)
    recipe = tiny(duration='5 steps', evaluate_every='1 steps', keep=1)
    result = run(recipe, tmp_path / 'run')
    assert Checkpoints.steps_in(tmp_path / 'run/checkpoints') == [2, 5]
    assert result.best_step == 2


@pytest.mark.slow
def test_checkpoints_kept_elsewhere_are_of_one_run_only(tmp_path):
    """Another seed, or another run beside it with damaged ones, is neither gone on with nor stopped
    by it.
    """
    elsewhere = tmp_path / 'c'

    def at(folder, workdir, seed=0):
        options = Options(quiet=True, checkpoint_dir=str(elsewhere / folder))
        return loop.run_setup(build_setup(tiny(), devices=1), seed, tmp_path / workdir, options)

    at('a', 'run')
    with pytest.raises(
        ValueError,
        match=r'c/a holds checkpoints of another run \(run.seed: 0 there, 1 here\); choose another',
    ):
        at('a', 'other', seed=1)
    with pytest.raises(
        ValueError,
        match='run has its checkpoints in .*c/a, not in .*c/b; leave --checkpoint_dir out',
    ):
        at('b', 'run')
    for step in ('4', '8'):
        (elsewhere / 'a' / step / '_CHECKPOINT_METADATA').write_text('')
    with (
        pytest.warns(RuntimeWarning, match='is moved aside'),
        pytest.raises(ValueError, match='the damaged ones are in .*c/damaged_a'),
    ):
        at('a', 'run')
    assert at('b', 'beside').steps == 8 and Checkpoints.steps_in(elsewhere / 'b') == [4, 8]
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match='checkpoints cannot be kept in .*/file/x: .*'):
        at('../file/x', 'unwritten')
    # it can be told another place
    assert at('d', 'unwritten').steps == 8


def test_of_several_runs_each_has_a_folder_of_checkpoints():
    assert (
        Options(checkpoint_dir='gs://bucket/all/').within('seed1').checkpoint_dir
        == 'gs://bucket/all/seed1'
    )
    assert Options().within('seed1') == Options()


@pytest.mark.slow
def test_every_device_of_the_machine_takes_part(tmp_path):
    recipe = tiny(duration='2 steps', evaluate_every='2 steps')
    loop.run(recipe, tmp_path / 'run', options=Options(quiet=True))
    assert (
        len(json.loads((tmp_path / 'run/manifest.json').read_text())['devices'])
        == jax.device_count()
        == 8
    )

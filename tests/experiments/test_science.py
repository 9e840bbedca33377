"""Experiments on training: checks before a run, range test, search and studies, at tiny sizes."""

import re
import subprocess
import time

import pytest

from cnnlab.train import compare_runs
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from tests.experiments.commands import run, started

DIGITS = ['--set=dataset=digits', '--set=holdout=287']

pytestmark = pytest.mark.slow


def test_sanity_passes_a_sound_recipe_and_shows_what_the_network_sees(tmp_path):
    done = run(
        'sanity', '--recipe=digits', '--set=model=mlp2', '--seconds=8', f'--workdir={tmp_path}'
    )
    assert '11 of 11 checks passed or were open' in done.stdout and 'failed' not in done.stdout
    assert {'report.html', 'images.png', 'read.png'} <= {p.name for p in tmp_path.iterdir()}
    assert 'Activations at initialization' in (tmp_path / 'report.html').read_text()


@pytest.mark.full
def test_sanity_fails_a_network_that_starts_far_too_large(tmp_path):
    large = ['--set=model=mlp2', '--set=init=gaussian(3.0)', '--seconds=4', f'--workdir={tmp_path}']
    done = run('sanity', '--recipe=digits', *large, status=1)
    assert (
        re.search(r'initial loss +failed', done.stdout)
        and 'Usual causes: weights that start too large' in done.stdout
    )


def test_the_range_test_draws_and_suggests(tmp_path):
    done = run(
        'lr_range',
        '--recipe=digits',
        '--set=model=mlp2',
        '--steps=60',
        '--low=1e-4',
        '--high=100',
        f'--workdir={tmp_path}',
    )
    assert (
        re.search(r'suggested: [0-9.e-]+ \(the recipe has [0-9.]+\)', done.stdout)
        and 'divided by 10' in done.stdout
    )
    assert {'report.html', 'lr_range.png', 'lr_range.csv'} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.full
def test_two_processes_share_a_search_and_a_third_finds_it_done(tmp_path):
    short = ['--set=model=softmax_linear', '--set=duration=18 steps', '--set=warmup=0 steps']
    search = (
        'search',
        '--recipe=digits',
        *short,
        '--trials=8',
        '--rounds=2',
        '--space=learning_rate=log:1e-3:1',
        '--space=optimizer.momentum=choice:0.8,0.9',
        '--validations=3',
        f'--workdir={tmp_path}',
    )
    both = [
        started(*search, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    done = run(*search)
    numbers = [int(n) for out, _ in told for n in re.findall(r'^trial (\d+):', out, re.M)]
    assert len(numbers) == len(set(numbers)) >= 8 and 'trial 0:' not in done.stdout
    assert 'the best finished run is trial' in done.stdout and '--set learning_rate=' in done.stdout
    assert {'report.html', 'search.png', 'table.csv', 'study.db'} <= {
        p.name for p in tmp_path.iterdir()
    }


@pytest.mark.full
def test_a_killed_trial_goes_on_from_its_checkpoint(tmp_path):
    """The run of its values ends as in a search that was never killed, bit for bit."""
    search = [
        'search',
        '--recipe=digits',
        '--set=model=mlp2',
        '--set=duration=60 epochs',
        '--set=checkpoint_every=1 epochs',
        '--set=warmup=0 steps',
        '--trials=1',
        '--halving=0',
        '--validations=4',
        '--space=learning_rate=log:1e-2:1e-1',
    ]
    first = {name: tmp_path / name / 'trials/0000' for name in ('killed', 'whole')}
    process = started(*search, f'--workdir={tmp_path}/killed')
    while not (
        (first['killed'] / 'checkpoints').exists()
        and Checkpoints.steps_in(first['killed'] / 'checkpoints')
    ):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (first['killed'] / 'result.json').exists()
    # a trial counts as dead after a minute without a heartbeat
    time.sleep(61)
    told = {name: run(*search, f'--workdir={tmp_path}/{name}').stdout for name in first}
    assert 'trial 1: ' in told['killed'] and 'trial 0: ' in told['whole']
    assert [p.name for p in first['killed'].parent.iterdir()] == ['0000']
    assert compare_runs.differences(first['whole'], first['killed']) == []


def test_a_claim_leaves_a_table_curves_a_page_and_a_note(tmp_path):
    arguments = [
        '--sizes=100,400',
        '--steps=20',
        *DIGITS,
        '--set=model=mlp2',
        '--set=augment.common=',
        f'--workdir={tmp_path}/out',
        f'--results={tmp_path}/results',
    ]
    done = run('training_size_mnist', *arguments)
    assert '100 images' in done.stdout and 'training error' in done.stdout
    assert {'report.html', 'table.csv', 'curves.png', 'runs'} == {
        p.name for p in (tmp_path / 'out').iterdir()
    }
    note = (tmp_path / 'results/training_size_mnist.md').read_text()
    assert 'python -m experiments.training_size_mnist' in note and str(tmp_path) not in note
    assert '- seeds: 0' in note and '- hardware: ' in note and '| 400 images |' in note
    assert (tmp_path / 'results/training_size_mnist.png').stat().st_size < 100_000
    again = run('training_size_mnist', *arguments)
    # nothing is trained again
    assert 'step 20' in done.stderr and 'step' not in again.stderr
    assert (
        '--sizes takes numbers'
        in run('training_size_mnist', '--sizes=0', f'--workdir={tmp_path}', status=2).stderr
    )


@pytest.mark.full
@pytest.mark.parametrize(
    ('experiment', 'arguments'),
    [
        ('initializations_mnist', ['--epochs=0.5', '--layers=2', *DIGITS]),
        ('activations_mnist', ['--epochs=0.5', '--layers=2', *DIGITS]),
        ('optimizers_mnist', ['--epochs=0.5', '--trial=4 steps', *DIGITS]),
        ('regularizers_mnist', ['--steps=4', '--images=100', *DIGITS]),
        (
            'lenet_distortions',
            ['--set=duration=4 steps', '--set=augment.common=resize((32, 32))', *DIGITS],
        ),
        (
            'plain_residual_cifar',
            [
                '--epochs=0.2',
                '--set=model_fields.blocks=1',
                '--set=normalize=channel',
                '--set=augment.train=',
                *DIGITS,
            ],
        ),
        ('stochastic_depth_time', ['--blocks=1', '--batch=8', '--steps=1', '--turns=2']),
    ],
)
def test_every_claim_runs(experiment, arguments, tmp_path):
    done = run(experiment, *arguments, f'--workdir={tmp_path}/out', f'--results={tmp_path}/results')
    assert (tmp_path / f'results/{experiment}.md').exists() and '%' in done.stdout


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['sanity', '--recipe=digit'], "no recipe named 'digit'; did you mean digits"),
        (
            ['lr_range', '--recipe=digits', '--low=1', '--high=0.1'],
            'the learning rate of a range test rises',
        ),
        (['search', '--recipe=digits'], '--space is needed'),
        (
            ['search', '--recipe=digits', '--space=rat=log:1e-3:1'],
            "no recipe field named 'rat'; did you mean optimizer.learning_rate",
        ),
        (['plain_residual_cifar', '--depths=20,21'], '--depths takes two numbers of layers'),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(arguments, sentence, tmp_path):
    done = run(*arguments, f'--workdir={tmp_path}', status=2)
    assert sentence in done.stderr and 'Traceback' not in done.stderr

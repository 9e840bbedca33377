"""Experiments run as a user does: in their own process, with two steps on tiny data.

Mistakes end in one sentence and status 2.
"""

import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.experiments.commands import run, started

TINY = [
    '--set=duration=2 steps',
    '--set=evaluate_every=1 steps',
    '--set=log_every=1 steps',
    '--set=batch_size=16',
    '--set=warmup=0 steps',
]

pytestmark = pytest.mark.slow


def refused(experiment, *arguments):
    """Runs a command with a mistake of the user, and returns the one line of its error."""
    done = run(experiment, *arguments, status=2)
    lines = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1 and 'Traceback' not in done.stderr, done.stderr
    return lines[0]


@pytest.fixture(scope='module')
def image_folder(tmp_path_factory):
    """root/{train,validation,test}/{ant,bee}/*.png of 8x8 pixels."""
    import cv2

    root, rng = tmp_path_factory.mktemp('folder'), np.random.default_rng(0)
    for split, count in (('train', 10), ('validation', 4), ('test', 4)):
        for label in ('ant', 'bee'):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                cv2.imwrite(
                    str(root / split / label / f'{i}.png'),
                    rng.integers(0, 255, (8, 8, 3), np.uint8),
                )
    return root


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp('compare')
    return out, run(
        'compare',
        '--models=softmax_linear,mlp2',
        '--seeds=2',
        f'--workdir={out}',
        f'--checkpoint_dir={out}/elsewhere',
        *TINY,
    )


def test_compare_keeps_the_checkpoints_of_each_run_apart(compared):
    kept = compared[0] / 'elsewhere'
    runs = {f'{model}/seed{seed}' for model in ('softmax_linear', 'mlp2') for seed in (0, 1)}
    assert {str(p.parent.relative_to(kept)) for p in kept.glob('*/*/2')} == runs
    assert not list(compared[0].glob('runs/*/*/checkpoints'))


def test_compare_ends_with_a_table_a_page_and_plots(compared):
    out, done = compared
    assert {
        'report.html',
        'table.md',
        'table.csv',
        'accuracy_parameters.png',
        'accuracy_macs.png',
        'learning_curves.png',
    } <= {p.name for p in out.iterdir()}
    assert 'mlp2' in done.stdout and '7,510' in done.stdout and '8x8x1' in done.stdout
    # plain lines where there is no terminal
    assert 'step 2 of 2' in done.stderr and '\x1b' not in done.stdout + done.stderr
    page = (out / 'report.html').read_text()
    assert 'softmax_linear' in page and 'data:image/png;base64' in page


def test_compare_does_not_train_again_what_is_finished(compared):
    out, done = compared
    again = run('compare', '--models=softmax_linear,mlp2', '--seeds=2', f'--workdir={out}', *TINY)
    assert again.stdout == done.stdout and 'step' not in again.stderr


def test_evaluate_counts_every_image_and_agrees_with_the_run(compared):
    run_directory = compared[0] / 'runs/mlp2/seed0'
    done = run('evaluate', f'--run={run_directory}', '--split=test', '--batch=7')
    found = json.loads((run_directory / 'evaluation_test.json').read_text())
    result = json.loads((run_directory / 'result.json').read_text())['final']['test']
    assert 'on 360 images' in done.stdout and (run_directory / 'confusion_test.png').exists()
    assert (found['n'], found['top1'], found['top5']) == (360, result['top1'], result['top5'])
    assert np.sum(found['confusion']) == 360 and found['by_class']['0']['images'] == 36


def test_evaluate_averages_over_views_where_it_is_asked_to(compared):
    run_directory = compared[0] / 'runs/mlp2/seed0'
    plain, both = (
        run('evaluate', f'--run={run_directory}', f'--tta={tta}').stdout.splitlines()[-2]
        for tta in ('none', 'flip')
    )
    assert plain != both and 'on 360 images' in both
    assert "no test-time augmentation named 'flop'; did you mean flip" in refused(
        'evaluate', f'--run={run_directory}', '--tta=flop'
    )


def test_evaluate_takes_a_checkpoint_and_the_best(compared):
    run_directory = compared[0] / 'runs/mlp2/seed0'
    assert (
        'at step 1 on validation'
        in run('evaluate', f'--run={run_directory}/checkpoints/1', '--split=validation').stdout
    )
    assert (
        'on 287 images'
        in run('evaluate', f'--run={run_directory}', '--step=best', '--split=validation').stdout
    )
    assert "no checkpoint named '3'" in refused('evaluate', f'--run={run_directory}', '--step=3')
    assert "no split of this run named 'tets'; did you mean test" in refused(
        'evaluate', f'--run={run_directory}', '--split=tets'
    )


def test_train_runs_a_recipe_on_an_image_folder(image_folder, tmp_path):
    done = run(
        'train',
        '--recipe=digits',
        '--set=dataset=folder',
        '--set=holdout=0',
        f'--data_dir={image_folder}',
        f'--workdir={tmp_path}',
        *TINY,
        '--set=model=mlp2',
    )
    assert 'test: top-1' in done.stdout and 'on 8 images' in done.stdout


@pytest.mark.full
def test_the_papers_experiments_run_on_the_real_sets(data_folder, tmp_path):
    data = f'--data_dir={data_folder("tfds/mnist", "tfds/cifar10")}/tfds'
    assert (
        'on 10,000 images after 2 steps'
        in run('lenet_mnist', data, f'--workdir={tmp_path}/a', *TINY, '--set=batch_size=500').stdout
    )
    assert (
        'on 10,000 images after 2 steps'
        in run(
            'lenet_mnist',
            '--form=1998',
            data,
            f'--workdir={tmp_path}/b',
            *TINY,
            '--set=batch_size=500',
        ).stdout
    )
    assert (
        'on 10,000 images after 2 steps'
        in run(
            'resnet_cifar',
            '--depth=8',
            '--set=model=cifar_resnet20',
            '--set=model_fields.blocks=1',
            data,
            f'--workdir={tmp_path}/c',
            *TINY,
            '--set=batch_size=500',
        ).stdout
    )


def test_a_dry_run_prints_the_plan_without_the_data(tmp_path):
    done = run(
        'train',
        '--recipe=airbench94',
        '--dry_run',
        '--measure=1',
        '--set=learning_rate=2',
        '--set=batch_size=64',
        '--set=duration=99 steps',
        '--set=model_fields.widths=(8, 8, 8)',
        "--set=frozen_after={'whiten/bias$': '9 steps'}",
        f'--workdir={tmp_path}',
    )
    out = done.stdout
    assert 'airbench94: arXiv:2404.00498' in out and 'published: 94.01% test accuracy' in out
    assert (
        'cifar10, 50,000 images to train on in 10 classes (not found: synthetic images of its size '
        'replace it)' in out
    )
    assert (
        'steps: 99 of 64 images' in out
        and 'multiply-adds for an image of 32 x 32 x 3' in out
        and 'measured: 1 steps of 64' in out
    )
    sources = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert (
        '--set' in sources['optimizer.learning_rate']
        and 'airbench94.py' in sources['optimizer.momentum']
        and 'airbench94.py' in sources['optimizer.weight_decay']
    )
    assert (tmp_path / 'airbench94_schedule.png').read_bytes().startswith(b'\x89PNG')


def test_train_names_the_nearest_recipe():
    assert "no recipe named 'resnet50_goyall'; did you mean resnet50_goyal" in refused(
        'train', '--recipe=resnet50_goyall'
    )


@pytest.mark.parametrize(
    'experiment', ['compare', 'train', 'recipes', 'evaluate', 'lenet_mnist', 'resnet_cifar']
)
def test_help_tells_what_the_experiment_does(experiment):
    # absl's status for --help
    done = run(experiment, '--help', status=1)
    assert f'python -m experiments.{experiment}' in done.stdout and '--' in done.stdout


@pytest.mark.parametrize(
    ('experiment', 'common', 'others'),
    [
        ('train', {'workdir', 'set', 'data_dir', 'import', 'workers'}, {'weights'}),
        ('classify', {'weights', 'run', 'step', 'import'}, {'set', 'workdir'}),
        ('attack', {'weights', 'images', 'data_dir', 'import'}, {'set', 'seeds'}),
        ('activations_mnist', {'seeds', 'set', 'workdir', 'import'}, {'weights'}),
    ],
)
def test_help_lists_the_common_flags_that_the_experiment_takes(experiment, common, others):
    listed = set(
        re.findall(r'^  --(\w+)', run(experiment, '--help', status=1).stdout, re.MULTILINE)
    )
    assert common <= listed
    assert not others & listed


@pytest.mark.full
def test_a_kill_during_an_epoch_changes_nothing(tmp_path):
    """A run killed three times with SIGKILL ends with the parameters of a run never killed."""
    recipe = [
        '--recipe=digits',
        '--set=model=mlp2',
        '--set=augment.train=shift(1)',
        '--set=duration=40 epochs',
        '--set=checkpoint_every=1 epochs',
        '--set=evaluate_every=5 epochs',
        '--set=warmup=0 steps',
    ]
    run('train', *recipe, f'--workdir={tmp_path}/whole')
    for step in (30, 150, 400):
        process = started(
            'train',
            *recipe,
            f'--workdir={tmp_path}/killed',
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        log = tmp_path / 'killed/metrics.jsonl'
        while process.poll() is None and not (
            log.exists() and f'"step": {step // 18 * 18}' in log.read_text()
        ):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / 'killed/result.json').exists()
    run('train', *recipe, f'--workdir={tmp_path}/killed')
    final = [
        json.loads((tmp_path / d / 'result.json').read_text())['final'] for d in ('whole', 'killed')
    ]
    assert final[0] == final[1]
    assert _digest(tmp_path / 'whole') == _digest(tmp_path / 'killed')


def _digest(directory):
    """Returns the arrays of the last checkpoint, as bytes."""
    import jax

    from cnnlab.recipes import recipe as recipes
    from cnnlab.train.checkpoint.checkpoints import Checkpoints
    from cnnlab.train.setup import build_setup

    setup = build_setup(recipes.from_json((directory / 'recipe.json').read_text()), devices=1)
    checkpoints = Checkpoints(directory / 'checkpoints', read_only=True)
    state = checkpoints.restore(jax.eval_shape(setup.init, np.uint32(0)))
    checkpoints.close()
    return [a.tobytes() for a in jax.tree.leaves(state)]


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['train', '--recipe=digit'], "no recipe named 'digit'; did you mean digits"),
        (['train', '--recipe=digits'], '--workdir is needed'),
        (
            ['compare', '--models=mlp2,resnet21', '--workdir=WORK'],
            "no model named 'resnet21'; did you mean",
        ),
        (
            ['compare', '--dataset=digit', '--workdir=WORK'],
            "no built-in data set named 'digit'; did you mean digits",
        ),
        (
            ['compare', '--models=mlp2', '--workdir=WORK', '--set=rat=3'],
            "no recipe field named 'rat'; did you mean optimizer.learning_rate",
        ),
        (
            ['compare', '--models=mlp2', '--workdir=WORK', '--set=batch_size=2000'],
            'a batch of 2000 is larger than the training set of 1150 images',
        ),
        (['lenet_mnist', '--workdir=WORK'], 'data_dir'),
        (
            ['lenet_mnist', '--workdir=WORK', '--data_dir=WORK/nowhere'],
            'data_dir .*nowhere is not a folder',
        ),
        (['lenet_mnist', '--workdir=WORK', '--data_dir=WORK'], "no data set named 'mnist'"),
        (['evaluate', '--run=WORK'], 'is not a run directory: it has no recipe.json'),
        (['train', '--recipe=digits', '--workdir=FILE/below'], 'the workdir .* cannot be created'),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(arguments, sentence, tmp_path):
    import re

    (tmp_path / 'file').write_text('')
    arguments = [
        a.replace('WORK', str(tmp_path)).replace('FILE', str(tmp_path / 'file')) for a in arguments
    ]
    started = time.monotonic()
    assert re.search(sentence, refused(*arguments))
    # the error comes at once, not after minutes of retries
    assert time.monotonic() - started < 120


def test_several_devices_split_a_batch_or_say_why_not(tmp_path):
    done = run(
        'train',
        '--recipe=digits',
        '--set=batch_size=60',
        f'--workdir={tmp_path}',
        status=2,
        XLA_FLAGS='--xla_force_host_platform_device_count=8',
    )
    assert (
        'error: a batch of 60 images does not divide over 8 devices; the nearest that do are 56 '
        'or 64' in done.stderr
    )

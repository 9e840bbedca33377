"""Commands on whole runs: repeat one, export its weights, plan for more devices; exit statuses."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from cnnlab.classifier import Classifier
from cnnlab.train import runs
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.setup import build_setup
from tests.experiments.test_experiments import TINY, refused, run
from tests.train.nets import tiny

ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp('scale') / 'run'
    run(
        'train',
        '--recipe=digits',
        '--set=model=mlp2',
        '--set=average=ema',
        '--set=average.decay=0.5',
        f'--workdir={directory}',
        '--profile_steps=2:2',
        *TINY,
    )
    return directory


def test_the_manifest_says_what_ran_and_a_trace_was_written(trained):
    manifest = json.loads((trained / 'manifest.json').read_text())
    assert {
        'versions',
        'flags',
        'jax_config',
        'devices',
        'processes',
        'git',
        'data',
        'how',
        'command',
        'python',
    } <= set(manifest)
    assert (
        manifest['how'] == {'shard': 'none', 'workers': 0, 'checkpoint_dir': ''}
        and manifest['processes'] == 1
    )
    assert list(trained.glob('profile/plugins/profile/*/*.xplane.pb')) and list(
        trained.glob('profile/**/perfetto_trace.json.gz')
    )
    assert json.loads((trained / 'heartbeat.json').read_text())['doing'] == 'ended'


def test_rerun_gives_the_same_bits_and_finds_a_changed_one(trained, tmp_path):
    done = run('rerun', f'--run={trained}', f'--workdir={tmp_path}/again')
    assert '2 steps repeated: the same bits' in done.stdout
    # a working tree with uncommitted changes
    assert all(
        'files were changed' in line for line in done.stdout.splitlines() if 'differs' in line
    )
    log = trained.parent / 'changed'
    subprocess.run(['cp', '-r', str(trained), str(log)], check=True)
    lines = (log / 'metrics.jsonl').read_text().splitlines()
    first = {**json.loads(lines[0]), 'loss': 7.0}
    (log / 'metrics.jsonl').write_text('\n'.join([json.dumps(first), *lines[1:]]) + '\n')
    manifest = json.loads((log / 'manifest.json').read_text())
    manifest['versions']['jax'] = '0.0.1'
    (log / 'manifest.json').write_text(json.dumps(manifest))
    done = run('rerun', f'--run={log}', f'--workdir={tmp_path}/other', status=1)
    assert (
        'differs: jax: 0.0.1 then' in done.stdout
        and '1 differences' in done.stdout
        and 'record 0 of the log' in done.stdout
    )
    assert 'is not a run directory: it has no recipe.json' in refused(
        'rerun', f'--run={tmp_path}', f'--workdir={tmp_path}/x'
    )
    same = refused(
        'rerun',
        f'--run={trained}',
        f'--workdir={tmp_path}/x',
        f'--checkpoint_dir={trained}/checkpoints',
    )
    assert '--checkpoint_dir must differ from that of --run' in same


def test_export_writes_weights_that_score_what_the_run_scored(trained, tmp_path):
    done = run('export', f'--run={trained}', '--step=last', f'--output={tmp_path}/w.safetensors')
    assert 'wrote mlp2 at step 2' in done.stdout
    net = Classifier.read(tmp_path / 'w.safetensors')
    model, variables = net.model, net.variables
    checkpoints = Checkpoints(trained / 'checkpoints', read_only=True)
    arrays = checkpoints.arrays()
    checkpoints.close()
    found = {f'ema/{n}': a for n, a in _named(variables).items()}
    # the moving average, which evaluation uses
    assert found and all(np.array_equal(a, arrays[n]) for n, a in found.items())
    assert model.apply(variables, np.zeros((1, 8, 8, 1), np.float32)).shape == (1, 10)


def _named(tree):
    from cnnlab.tree import named_leaves

    return named_leaves(tree)


def test_a_damaged_or_foreign_export_is_one_sentence(tmp_path):
    setup = build_setup(tiny(), devices=1)
    state = jax.device_get(setup.init(np.uint32(0)))
    net = runs.classifier(setup, state.evaluation_variables)
    path = net.save(tmp_path / 'w.safetensors')
    variables = Classifier.read(path).variables
    assert jax.tree.structure(variables['params']) == jax.tree.structure(dict(state.params))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match='cannot be read as safetensors'):
        Classifier.read(path)
    from safetensors.numpy import save_file

    save_file({'a': np.zeros(3)}, path)
    with pytest.raises(ValueError, match='was not saved by cnnlab'):
        Classifier.read(path)
    with pytest.raises(FileNotFoundError, match='there is no weights file'):
        Classifier.read(tmp_path / 'none')


def test_scaling_prints_a_row_for_each_case():
    done = run('scaling', '--networks=vgg16', '--devices=8,512', '--format=csv')
    assert len([line for line in done.stdout.splitlines() if line.startswith('vgg16,')]) == 8
    assert "no network with a known utilization named 'vgg17'" not in refused(
        'scaling', '--networks=vgg17'
    )
    assert '--devices takes whole numbers' in refused('scaling', '--devices=8,many')


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (
            ('--profile_steps=3:1',),
            r'--profile_steps takes FIRST:LAST with 1 <= FIRST <= LAST, as in 10:13, not .3:1.',
        ),
        (('--set=on_nan=hope',), r'no NaN policy .on_nan. named .hope.'),
        (('--set=keep_every=1 week',), r'no unit of duration named .weeks.'),
    ],
)
def test_a_mistake_about_how_to_run_is_one_sentence(arguments, sentence, tmp_path):
    import re

    assert re.search(
        sentence, refused('train', '--recipe=digits', f'--workdir={tmp_path}/x', *TINY, *arguments)
    )


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    nowhere = {'JAX_NUM_PROCESSES': 'two', 'JAX_PROCESS_ID': '0'}
    environment = {**nowhere, 'JAX_COORDINATOR_ADDRESS': '127.0.0.1:1'}
    for settings, more, sentence in (
        (
            environment,
            [],
            'JAX_NUM_PROCESSES must be a whole number if JAX_COORDINATOR_ADDRESS is set',
        ),
        (
            {**environment, 'JAX_NUM_PROCESSES': '0'},
            [],
            'JAX_PROCESS_ID must be in 0 .. JAX_NUM_PROCESSES - 1, not 0 of 0',
        ),
        (nowhere, ['--distributed'], '--distributed found no cluster that jax knows'),
    ):
        done = run('train', '--recipe=digits', f'--workdir={tmp_path}', *more, status=2, **settings)
        assert f'error: {sentence}' in done.stderr


def test_deterministic_asks_xla_for_it_once():
    program = """
import os
from cnnlab.nn import deterministic
os.environ['XLA_FLAGS'] = '--xla_cpu_enable_fast_math=false'
deterministic.require(), deterministic.require()
print(os.environ['XLA_FLAGS'])
import jax
jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))
os.environ['XLA_FLAGS'] = '--xla_gpu_deterministic_ops=false'
try:
    deterministic.require()
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        '--xla_cpu_enable_fast_math=false --xla_gpu_deterministic_ops=true',
        '--deterministic and XLA_FLAGS=--xla_gpu_deterministic_ops=false contradict each other',
    ]

"""The scripts that start a run on several processes or machines: what they would run, and what
local.sh does run.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from cnnlab.train import compare_runs
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.exit_codes import AGAIN
from cnnlab.train.monitor import run_log

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAUNCH = ROOT / 'launch'


def said(script, *arguments, status=0):
    """(stdout, stderr) of a script that ends with `status`."""
    done = subprocess.run(
        [LAUNCH / script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_shellcheck_finds_nothing():
    if not shutil.which('shellcheck'):
        pytest.skip('needs shellcheck')
    scripts = sorted(LAUNCH.glob('*.sh'))
    assert len(scripts) == 3
    done = subprocess.run(['shellcheck', *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_local_would_start_every_process_with_its_number():
    lines = said(
        'local.sh',
        '--dry-run',
        '--port=5000',
        '--devices=2',
        2,
        'python',
        '-m',
        'x',
        '--set=duration=5 epochs',
    )[0].splitlines()
    assert len(lines) == 2
    for i, line in enumerate(lines):
        words = line.split()
        assert (
            words[0] == 'env' and f'JAX_PROCESS_ID={i}' in words and 'JAX_NUM_PROCESSES=2' in words
        )
        assert (
            'JAX_COORDINATOR_ADDRESS=127.0.0.1:5000' in words
            and 'JAX_COORDINATOR_BIND_ADDRESS=127.0.0.1:5000' in words
        )
        assert 'JAX_NUM_CPU_DEVICES=2' in words
        assert line.rstrip().endswith(r'python -m x --set=duration=5\ epochs')


def test_slurm_would_submit_itself_and_run_one_process_a_gpu():
    submit, run = said('slurm.sh', '--dry-run', 4, 8, 'python', '-m', 'x', '--workdir=a b')[
        0
    ].splitlines()
    assert submit.startswith(
        'sbatch --nodes=4 --ntasks-per-node=8 --gpus-per-node=8 --requeue --signal=TERM@120 '
    )
    assert submit.rstrip().endswith(r'--inside python -m x --workdir=a\ b')
    assert run.rstrip() == r'srun --kill-on-bad-exit=1 python -m x --workdir=a\ b --distributed'


@pytest.mark.parametrize(('code', 'requeued'), [(0, False), (2, False), (AGAIN, True)])
def test_slurm_puts_a_preempted_job_back_into_the_queue_and_no_other(tmp_path, code, requeued):
    """srun and scontrol are stand-ins that note what they were asked."""
    for name, status in (('srun', code), ('scontrol', 0)):
        (tmp_path / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/asked\nexit {status}\n'
        )
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'SLURM_JOB_ID': '77'}
    done = subprocess.run(
        [LAUNCH / 'slurm.sh', '--inside', 'train', '--x'], env=environment, timeout=60
    )
    asked = (tmp_path / 'asked').read_text().splitlines()
    assert (
        done.returncode == code and asked[0] == 'srun --kill-on-bad-exit=1 train --x --distributed'
    )
    assert asked[1:] == (['scontrol requeue 77'] if requeued else [])


def test_tpu_pod_would_ask_gcloud():
    create = said('tpu_pod.sh', '--dry-run', 'create', 'n', 'zone', 'v4-64', 'base', '--spot')[
        0
    ].strip()
    assert create == (
        'gcloud compute tpus queued-resources create n --node-id=n --zone=zone '
        '--accelerator-type=v4-64 '
        '--runtime-version=base --spot'
    )
    run = said('tpu_pod.sh', '--dry-run', 'run', 'n', 'zone', 'python', '-m', 'x', '--set=a=b c')[
        0
    ].strip()
    words = subprocess.run(
        ['bash', '-c', f'set -- {run}; printf "%s\\n" "$@"'], capture_output=True, text=True
    ).stdout.splitlines()
    assert (
        words[:7] == ['gcloud', 'compute', 'tpus', 'tpu-vm', 'ssh', 'n', '--zone=zone']
        and words[7] == '--worker=all'
    )
    remote = subprocess.run(
        ['bash', '-c', f'set -- {words[8].removeprefix("--command=")}; printf "%s\\n" "$@"'],
        capture_output=True,
        # what the shell of a host makes of it
        text=True,
    ).stdout.splitlines()
    assert remote == ['env', '-C', 'cnnlab', 'python', '-m', 'x', '--set=a=b c', '--distributed']
    assert (
        len(said('tpu_pod.sh', '--dry-run', 'setup', 'n', 'zone', 'git@host:x')[0].splitlines())
        == 3
    )
    assert 'delete n' in said('tpu_pod.sh', '--dry-run', 'delete', 'n', 'zone')[0]


@pytest.mark.parametrize(
    'arguments',
    [
        ('local.sh',),
        ('local.sh', '0', 'x'),
        ('local.sh', '--what', '2', 'x'),
        ('slurm.sh', '2', 'x', 'y'),
        ('tpu_pod.sh', 'run'),
        ('tpu_pod.sh', 'fly', 'n', 'z'),
        ('tpu_pod.sh', 'create', 'n', 'z', 'v4-8'),
    ],
)
def test_a_mistake_shows_the_usage_and_is_status_2(arguments):
    assert 'launch/' in said(*arguments, status=2)[1]


def test_kubernetes_runs_as_many_processes_as_it_says_and_ends_on_mistakes_only():
    service, claim, job = yaml.safe_load_all((LAUNCH / 'k8s.yaml').read_text())
    assert [d['kind'] for d in (service, claim, job)] == ['Service', 'PersistentVolumeClaim', 'Job']
    spec = job['spec']
    pod = spec['template']['spec']
    container = pod['containers'][0]
    environment = {e['name']: e for e in container['env']}
    assert spec['completionMode'] == 'Indexed' and spec['completions'] == spec['parallelism']
    assert environment['JAX_NUM_PROCESSES']['value'] == str(spec['completions'])
    port = service['spec']['ports'][0]['port']
    assert (
        environment['JAX_COORDINATOR_ADDRESS']['value']
        == f'{job["metadata"]["name"]}-0.{service["metadata"]["name"]}:{port}'
    )
    assert (
        'job-completion-index'
        in environment['JAX_PROCESS_ID']['valueFrom']['fieldRef']['fieldPath']
    )
    # headless
    assert (
        service['spec']['clusterIP'] == 'None' and pod['subdomain'] == service['metadata']['name']
    )
    assert service['spec']['selector'] == {'job-name': job['metadata']['name']}
    rules = {r['action']: r for r in spec['podFailurePolicy']['rules']}
    assert rules['FailJob']['onExitCodes']['values'] == [2] and pod['restartPolicy'] == 'Never'
    assert pod['volumes'][0]['persistentVolumeClaim']['claimName'] == claim['metadata']['name']
    assert pod['terminationGracePeriodSeconds'] >= 60


def started(devices, count, *command, **environment):
    return subprocess.Popen(
        [LAUNCH / 'local.sh', f'--devices={devices}', str(count), *map(str, command)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
    )


def finished(process, status=0, timeout=300):
    """What it said."""
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == status, output
    return output


def layouts(devices, count, what, out, **environment):
    return started(
        devices, count, sys.executable, '-m', 'tests.launch.layouts', what, out, **environment
    )


def test_local_ends_with_the_status_of_the_first_that_failed():
    assert (
        finished(
            started(1, 3, 'sh', '-c', 'sleep 0.$JAX_PROCESS_ID; exit $JAX_PROCESS_ID'), status=1
        )
        == ''
    )
    lines = finished(
        started(1, 2, 'sh', '-c', 'echo $JAX_PROCESS_ID of $JAX_NUM_PROCESSES')
    ).splitlines()
    assert sorted(lines) == ['0 of 2', '1 of 2']


def test_local_hands_sigterm_to_every_process(tmp_path):
    process = started(
        1,
        2,
        sys.executable,
        '-c',
        f"""
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit({AGAIN}))
pathlib.Path({str(tmp_path)!r}, os.environ['JAX_PROCESS_ID']).touch()
time.sleep(60)""",
    )
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    finished(process, status=AGAIN, timeout=30)


# for what takes longer to compile than to run
QUICK = {'JAX_DISABLE_MOST_OPTIMIZATIONS': '1'}


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """What one process with four devices computes."""
    out = tmp_path_factory.mktemp('layouts') / 'alone.json'
    finished(layouts(4, 1, 'steps', out, **QUICK))
    return json.loads(out.read_text())


def agree(alone, other, processes):
    """Losses of 50 float64 steps to 1e-8, of each float32 step from the same state, spread over the
    hosts, to 1e-5.
    """
    assert (other['processes'], other['devices']) == (processes, 4) and alone['processes'] == 1
    np.testing.assert_allclose(other['float64'], alone['float64'], rtol=0, atol=1e-8)
    np.testing.assert_allclose(other['float32'], alone['float32'], rtol=0, atol=1e-5)
    assert other['told'] == np.array([-0.0, np.nan, 1e-45], np.float32).tobytes().hex()
    assert len(set(alone['float64'])) == 50


@pytest.mark.slow
def test_two_hosts_compute_what_one_does(alone, tmp_path):
    finished(layouts(2, 2, 'steps', tmp_path / 'two.json', **QUICK))
    agree(alone, json.loads((tmp_path / 'two.json').read_text()), 2)


@pytest.mark.full
def test_four_hosts_compute_what_one_does_and_the_same_bits_twice(alone, tmp_path):
    for name in ('four', 'again'):
        finished(layouts(1, 4, 'steps', tmp_path / f'{name}.json', **QUICK))
    four, again = (
        json.loads((tmp_path / f'{name}.json').read_text()) for name in ('four', 'again')
    )
    agree(alone, four, 4)
    assert four == again


@pytest.mark.full
@pytest.mark.parametrize('what', ['deep', 'scan'])
def test_a_deep_network_trains_on_two_and_on_four_hosts(tmp_path, what):
    """CIFAR ResNet-20, batch norm over the global batch: some 80 all-reduces a step, which gloo
    must meet in one order; with its equal blocks in a loop, which then has all-reduces in it.
    """
    found = {}
    for count, devices in ((1, 4), (2, 1), (4, 1)):
        finished(layouts(devices, count, what, tmp_path / f'{count}.json'))
        found[count] = json.loads((tmp_path / f'{count}.json').read_text())
    assert found[1][-1] < found[1][0]
    for count in (2, 4):
        np.testing.assert_allclose(found[count][0], found[1][0], rtol=0, atol=1e-5)
        # of so many float32 steps rounding grows
        np.testing.assert_allclose(found[count], found[1], rtol=0.02)


@pytest.mark.full
def test_a_run_of_two_hosts_is_written_once_goes_on_with_one_and_the_other_way_round(tmp_path):
    whole = {count: tmp_path / f'{count}' for count in (1, 2)}
    for count, directory in whole.items():
        finished(layouts(4 // count, count, 'train', directory))
        log = run_log.read(directory / 'metrics.jsonl')
        assert len({(r['step'], r['split']) for r in log}) == len(log) and log[-1]['step'] == 8
        assert json.loads((directory / 'manifest.json').read_text())['processes'] == count
        assert (directory / 'result.json').exists() and Checkpoints.steps_in(
            directory / 'checkpoints'
        ) == [4, 8]
    for before, after in ((2, 1), (2, 2), (1, 2)):
        part = tmp_path / f'{before}to{after}'
        shutil.copytree(whole[before], part)
        shutil.rmtree(part / 'checkpoints/8')
        finished(layouts(4 // after, after, 'train', part))
        if before == after:
            # the same layout: the same bits
            assert compare_runs.differences(whole[before], part) == []
        for key in ('loss', 'grad_norm'):
            there, here = (
                run_log.series(run_log.read(d / 'metrics.jsonl'), 'train', key)
                for d in (whole[before], part)
            )
            assert there[0] == here[0]
            np.testing.assert_allclose(here[1], there[1], rtol=0, atol=1e-8)


LONG = [
    '-m',
    'experiments.train',
    '--recipe=digits',
    '--set=model=mlp2',
    '--set=augment.train=',
    '--set=duration=200 epochs',
    '--set=evaluate_every=200 epochs',
    '--set=checkpoint_every=200 epochs',
    '--set=warmup=0 steps',
    '--set=log_every=5 steps',
]


def running(workdir):
    """Two processes of a long run, once they have logged something."""
    process = started(1, 2, sys.executable, *LONG, f'--workdir={workdir}')
    end = time.monotonic() + 200
    while not (workdir / 'metrics.jsonl').exists() or not run_log.read(workdir / 'metrics.jsonl'):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def children(process):
    return [
        int(pid)
        for pid in pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
        .read_text()
        .split()
    ]


@pytest.mark.slow
def test_sigterm_to_one_process_of_two_stops_both_at_one_step_with_a_checkpoint(tmp_path):
    process = running(tmp_path / 'run')
    os.kill(children(process)[1], signal.SIGTERM)
    output = finished(process, status=AGAIN, timeout=90)
    told = [line for line in output.splitlines() if 'SIGTERM: stopped after step' in line]
    steps = {line.partition('after step ')[2].split()[0] for line in told}
    assert len(told) == 2 and len(steps) == 1, output
    assert Checkpoints.steps_in(tmp_path / 'run/checkpoints') == [int(steps.pop())]


@pytest.mark.slow
@pytest.mark.parametrize('victim', [pytest.param(0, marks=pytest.mark.full), 1])
def test_a_dead_process_ends_the_others_within_the_stated_time(tmp_path, victim):
    process = running(tmp_path / 'run')
    dead = children(process)[victim]
    os.kill(dead, signal.SIGKILL)
    start = time.monotonic()
    output, _ = process.communicate(timeout=120)
    # two heartbeats of 30 s, and what leaving takes
    assert time.monotonic() - start < 75, output
    assert process.returncode in (AGAIN, 128 + signal.SIGKILL), output

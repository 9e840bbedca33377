"""The examples of CONTRIBUTING.md run as they stand, and what it names is there."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.experiments.commands import QUICK, run

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEXT = (ROOT / 'CONTRIBUTING.md').read_text()
BLOCKS = re.findall(r'```python\n(.*?)```', TEXT, flags=re.DOTALL)


def block(with_text):
    """The one block of code that holds a text."""
    (found,) = [b for b in BLOCKS if with_text in b]
    return found


def test_the_files_that_it_names_are_there():
    named = re.findall(r'[`(]((?:cnnlab|tests|docs|experiments)/[\w/.]+)[`)]', TEXT)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_each_of_the_things_that_can_be_added_has_its_section():
    assert re.findall(r'^### (.*)$', TEXT, flags=re.MULTILINE) == [
        'A network',
        'Published weights',
        'An optimizer',
        'An augmentation',
        'An explanation',
        'A data set',
        'A recipe',
        'An attack',
        'An experiment',
    ]


def test_the_commands_that_it_names_are_those_of_make():
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), flags=re.MULTILINE))
    named = set(re.findall(r'`make ([\w-]+)|^make ([\w-]+)', TEXT, flags=re.MULTILINE))
    assert {a or b for a, b in named} <= targets


@pytest.mark.slow
def test_the_explanation_and_the_attack_are_known_to_their_commands(tmp_path):
    (tmp_path / 'mine.py').write_text(f'{block("def gradient_times_image")}\n{block("def noise")}')
    short = ('--set=model=mlp2', '--set=duration=1 epochs', '--set=warmup=0 steps')
    run('train', '--recipe=digits', *short, f'--workdir={tmp_path / "run"}')
    network = ('--import=mine', f'--run={tmp_path / "run"}')
    run(
        *('explain', *network, '--methods=gradient_times_image', '--count=2', '--limit=2'),
        *('--out=explained',),
        folder=tmp_path,
    )
    assert (tmp_path / 'explained' / 'gradient_times_image_1_map.png').is_file()
    run(
        *('attack', *network, '--attacks=noise', '--epsilons=0.1', '--count=20', '--out=attacked'),
        folder=tmp_path,
    )
    assert 'Random noise' in (tmp_path / 'attacked' / 'attack.md').read_text()


@pytest.mark.slow
def test_the_experiment_runs_where_the_others_stand(tmp_path):
    (tmp_path / 'count_parameters.py').write_text(block('def main'))
    # as if it stood in the folder
    program = (
        'import runpy, sys, experiments; '
        f'experiments.__path__.append({str(tmp_path)!r}); '
        "sys.argv = ['count_parameters', '--model=mlp2']; "
        "runpy.run_module('experiments.count_parameters', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=ROOT,
        env=os.environ | QUICK,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    # 3072 * 100 + 100 * 10, and 100 + 10
    assert re.search(r'kernel +308,200\n bias +110\n', done.stdout), done.stdout

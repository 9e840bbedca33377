"""The program `cnnlab`: the list of commands, starting one, and the error for a wrong name."""

import ast

import pytest

from experiments import __main__ as program
from tests.experiments.commands import ROOT, run

FILES = sorted((ROOT / 'experiments').rglob('*.py'))


def test_the_list_has_every_file_with_a_main_and_a_sentence_for_each():
    known = program.commands()
    assert {'train', 'classify', 'compare'} < known.keys()
    assert not {'common', '__main__'} & known.keys()
    for name, what in known.items():
        assert what.endswith('.') and what[0].isupper(), f'{name}: {what}'
    page = run('__main__', '--help').stdout
    assert page.startswith('usage: python -m experiments COMMAND')
    assert all(f'  {name} ' in page and f'  {what}\n' in page for name, what in known.items())


def test_a_command_is_started_with_its_own_arguments():
    done = run('__main__', 'train', '--recipe=resnet50_goyall', status=2)
    assert "no recipe named 'resnet50_goyall'; did you mean resnet50_goyal" in done.stderr
    assert (
        'python -m experiments.train --recipe='
        in run('__main__', 'train', '--help', status=1).stdout
    )


def test_a_wrong_command_is_one_sentence_with_the_nearest_and_no_command_is_the_list():
    done = run('__main__', 'trian', '--recipe=digits', status=2)
    assert done.stderr == "error: no command named 'trian'; did you mean train?\n"
    assert done.stdout == ''
    done = run('__main__', status=2)
    assert 'usage:' in done.stderr and done.stdout == ''


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_siblings_are_imported_relatively(path):
    """So that the installed `cnnlab.experiments` never imports an `experiments`, whose flags would
    be defined twice.
    """
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names += [node.module, *(f'{node.module}.{alias.name}' for alias in node.names)]
    own = ('experiments', 'cnnlab.experiments')
    assert [n for n in names if n in own or n.startswith(tuple(f'{o}.' for o in own))] == []

"""The wheel in an environment of its own, away from the clone: what it holds, and that it works."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

import cnnlab

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = ('cnnlab', 'experiments', 'pyproject.toml', 'setup.py', 'README.md', 'LICENSE')
pytestmark = pytest.mark.full


def said(*command, status=0, folder=None):
    """What a command prints, started in a folder and with no word of the clone."""
    kept = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'TFDS_DATA_DIR')}
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=kept, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The path of the wheel, built without the network from a copy of the tree."""
    folder = tmp_path_factory.mktemp('wheel')
    tree = folder / 'tree'
    tree.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / part, tree / part)
    offline = ('--no-index', '--no-deps', '--no-build-isolation')
    said(sys.executable, '-m', 'pip', 'wheel', *offline, '--wheel-dir', folder, tree, folder=folder)
    [path] = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """The folder of the commands of an environment with the wheel and the packages of this one."""
    folder = tmp_path_factory.mktemp('installed')
    said(sys.executable, '-m', 'venv', '--without-pip', folder)
    commands = folder / ('Scripts' if os.name == 'nt' else 'bin')
    pip = (sys.executable, '-m', 'pip', '--python', commands / 'python', 'install')
    said(*pip, '--no-index', '--no-deps', wheel)
    [site] = folder.rglob('site-packages')
    # as plain folders: what is installed here in editable mode stays out
    packages = dict.fromkeys(sysconfig.get_path(kind) for kind in ('purelib', 'platlib'))
    (site / 'packages.pth').write_text('\n'.join(packages))
    return commands


def test_the_wheel_holds_one_package_and_all_that_it_reads(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition('/')[0] for name in names}
    assert tops == {'cnnlab', f'cnnlab-{cnnlab.__version__}.dist-info'}
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / 'cnnlab').rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    assert 'cnnlab/py.typed' in files and any(name.endswith('.json') for name in files)
    commands = {f'cnnlab/{path.relative_to(ROOT)}' for path in (ROOT / 'experiments').rglob('*.py')}
    assert files | commands == {name for name in names if not name.startswith('cnnlab-')}


def test_the_installed_package_is_the_wheels_and_hides_no_other(installed, tmp_path):
    program = (
        'import importlib.util, cnnlab; '
        "print(cnnlab.__file__, cnnlab.__version__, importlib.util.find_spec('experiments'))"
    )
    file, version, experiments = said(installed / 'python', '-c', program, folder=tmp_path).split()
    assert pathlib.Path(file).is_relative_to(installed.parent)
    assert (version, experiments) == (cnnlab.__version__, 'None')
    assert said(installed / 'cnnlab', '--version').strip() == cnnlab.__version__


def test_commands_speak_of_themselves_as_they_are_started(installed, tmp_path):
    listed = said(installed / 'cnnlab', '--help', folder=tmp_path)
    assert listed.startswith('usage: cnnlab COMMAND') and '\n  train ' in listed
    # absl's status for --help
    page = said(installed / 'cnnlab', 'classify', '--help', status=1, folder=tmp_path)
    assert 'cnnlab classify --weights=' in page and 'python -m experiments' not in page
    wrong = said(installed / 'cnnlab', 'clasify', status=2, folder=tmp_path)
    assert wrong == "error: no command named 'clasify'; did you mean classify?\n"


def test_a_plan_and_a_run_with_worker_processes_away_from_the_clone(installed, tmp_path):
    plan = said(
        *(installed / 'cnnlab', 'train', '--recipe=digits', '--dry_run', '--measure=0'),
        folder=tmp_path,
    )
    assert 'cifar_resnet20' in plan
    short = ('--set=model=mlp2', '--set=duration=3 epochs', '--workers=1', '--workdir=run')
    said(installed / 'cnnlab', 'train', '--recipe=digits', *short, folder=tmp_path)
    assert (tmp_path / 'run' / 'recipe.json').is_file()

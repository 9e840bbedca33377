"""--import: networks, recipes and everything else that a user's own package registers."""

import json
import pathlib
import re

import numpy as np
import pytest

from tests.experiments.commands import run

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
# a package that registers one of each kind, taken from the page of the docs
(PACKAGE,) = re.findall(
    r'```python\n(.*?)```', (ROOT / 'docs' / 'extending.md').read_text(), flags=re.DOTALL
)
OWN = (
    '--set=duration=2 epochs',
    '--set=augment.train=darken(2)',
    '--set=augment.common=',
    '--set=batch_size=16',
    '--set=optimizer=signs',
    '--set=weight_decay=0',
    '--set=loss=distance',
    '--set=label_smoothing=0',
    '--set=schedule=hold',
    '--set=warmup=0 steps',
    '--set=init=ones',
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with the package `mylab`, outside of the repository."""
    found = tmp_path_factory.mktemp('elsewhere')
    (found / 'mylab').mkdir()
    (found / 'mylab' / '__init__.py').write_text('from mylab import everything\n')
    (found / 'mylab' / 'everything.py').write_text(PACKAGE)
    return found


@pytest.fixture(scope='module')
def trained(folder):
    """A run of the package's network by its recipe, with everything else that it registers."""
    run(
        'train',
        '--import=mylab',
        '--recipe=small_corners',
        f'--workdir={folder / "run"}',
        *OWN,
        folder=folder,
    )
    return folder / 'run'


def test_a_run_uses_what_a_package_registers_and_notes_the_package(trained):
    recipe = json.loads((trained / 'recipe.json').read_text())
    assert recipe['model'] == 'small'
    assert recipe['dataset'] == 'corners'
    assert json.loads((trained / 'manifest.json').read_text())['imports'] == ['mylab.everything']
    result = json.loads((trained / 'result.json').read_text())
    assert result['steps'] == 8
    assert result['final']['test']['n'] == 64


def test_a_run_is_evaluated_with_its_package_and_names_it_where_it_is_missing(trained, folder):
    arguments = (f'--run={trained}', '--split=test')
    assert 'top-1' in run('evaluate', '--import=mylab', *arguments, folder=folder).stdout
    told = run('evaluate', *arguments, folder=folder, status=2).stderr
    assert told.count('\n') == 1
    assert 'mylab.everything registered: give --import=mylab.everything' in told


def test_a_run_is_explained_by_its_packages_explanation(trained, folder):
    told = run(
        'explain',
        '--import=mylab',
        f'--run={trained}',
        '--methods=gradient_times_input',
        '--out=explained',
        folder=folder,
    ).stdout
    assert 'in 1 sections' in told
    text = (folder / 'explained/index.html').read_text()
    assert 'Gradient times input' in text and 'small of run at step 8' in text


def test_a_run_goes_on_with_its_package_alone(trained, folder):
    where = f'--workdir={trained}'
    told = run(
        'train', '--recipe=digits', '--set=model=small', where, folder=folder, status=2
    ).stderr
    assert "no model named 'small'" in told
    assert 'give --import=mylab.everything' in told


def test_a_network_of_a_package_is_listed_and_analyzed(folder):
    told = run('zoo', '--import=mylab', '--match=^small$', '--format=csv', folder=folder).stdout
    assert re.search(r'^small,2026,130,', told, flags=re.MULTILINE)
    told = run('analyze', '--import=mylab', '--model=small', folder=folder).stdout
    assert re.search(r'\bfc1\b', told)


@pytest.mark.parametrize(
    ('package', 'sentence'),
    [
        (
            'nosuchlab',
            '--import=nosuchlab: nosuchlab is not installed, and not in the folder where the '
            'command was given',
        ),
        ('mylab.nothing', '--import=mylab.nothing: mylab.nothing is not installed'),
        ('needy', '--import=needy: needy imports nosuchlab, which is not installed'),
        ('twice', "the model 'lenet5' is registered already"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_sentence_and_status_2(package, sentence, folder):
    (folder / 'needy.py').write_text('import nosuchlab\n')
    (folder / 'twice.py').write_text(
        'from cnnlab.models import registry\n'
        'from cnnlab.models.lenet import LeNet5\n'
        'registry.register("lenet5", LeNet5, family="", paper="", year=1998, params=1)\n'
    )
    told = run('zoo', f'--import={package}', '--match=lenet', folder=folder, status=2).stderr
    assert told.startswith('error: ') and told.count('\n') == 1
    assert sentence in told


def test_weights_of_a_package_are_read_under_its_names(folder):
    arrays = {'fc1.weight': np.ones((8, 4)), 'fc1.bias': np.zeros(8)}
    arrays |= {'fc2.weight': np.ones((10, 8)), 'fc2.bias': np.arange(10.0)}
    np.savez(folder / 'small.npz', **{k: v.astype(np.float32) for k, v in arrays.items()})
    told = run(
        'import_weights',
        '--import=mylab',
        '--weights=mylab/small',
        '--file=small.npz',
        '--out=small.safetensors',
        folder=folder,
    ).stdout
    assert 'mylab/small as small: 130 parameters, every array used' in told

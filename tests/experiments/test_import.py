"""--import: networks, recipes and all else that a package of one's own registers, as a user has
them.
"""

import json
import re

import pytest

from tests.experiments.commands import run

pytestmark = pytest.mark.slow

# A package that registers one of each kind, and uses them all in one recipe.
PACKAGE = '''
import dataclasses

import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from cnnlab import losses
from cnnlab.data import sources
from cnnlab.data.transforms import parse
from cnnlab.models.registry import register
from cnnlab.nn import initializers
from cnnlab.nn.layers import Dense, flatten
from cnnlab.optim import rules, schedules
from cnnlab.recipes import registry
from cnnlab.recipes.sourced import SourcedRecipe


class Small(nn.Module):
    """One hidden layer."""

    width: int = 8
    num_classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        x = Dense(self.width, act=nn.relu, name='fc1')(flatten(x))
        return Dense(self.num_classes, name='fc2')(x).astype(jnp.float32)


# 4 * 8 + 8 and 8 * 10 + 10
register('small', Small, family='Small', paper='none, an example', year=2026, params=130,
         input_shape=(2, 2, 1))


@dataclasses.dataclass(frozen=True)
class Darken:
    by: int
    random = False

    def __call__(self, image, rng):
        return image // self.by


def corners(name, data_dir):
    """Which of four pixels is white, 64 of each split."""

    def split(which):
        labels = np.arange(64) % 4
        images = np.zeros((64, 2, 2, 1), np.uint8)
        images[np.arange(64), labels // 2, labels % 2] = 255
        return sources.Arrays(name, which, images, labels, ['a', 'b', 'c', 'd'])

    return sources.DataSet(name, sources.SPLITS, split)


def signs(rate, hyper):
    return optax.chain(optax.scale_by_sign(), rate)


def distance(logits, labels):
    return jnp.square(logits - losses.classification.shares(logits, labels)).sum(-1)


parse.register('darken', Darken)
sources.register('corners', corners)
rules.register('signs', signs)
losses.register('distance', distance)
schedules.register('hold', lambda rate, steps, **_: optax.constant_schedule(rate))
initializers.register('ones', lambda: nn.initializers.ones)
registry.register(
    'small_corners',
    SourcedRecipe(
        registry.get('digits').replace(
            model='small', dataset='corners', duration='2 epochs', init=''
        ),
        {},
        'none, an example',
    ),
)
'''
OWN = (
    '--set=augment.train=darken(2)',
    '--set=augment.common=',
    '--set=holdout=0',
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
    """A run of the package's network by its recipe, with all else that it registers."""
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

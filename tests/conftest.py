"""What every test has: eight fake devices, no silent rank promotion, and the shared data where it
exists.
"""

import pathlib

import jax
import pytest

jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')

ROOT = pathlib.Path(__file__).resolve().parents[1]
# the folders whose tests compile much and run little,
QUICK = ('attacks', 'losses', 'models', 'nn', 'optim', 'train', 'visual')
# but for these files
LONG = ('test_mesh',)


@pytest.fixture(scope='module', autouse=True)
def compiling_quickly(request):
    """Most of XLA's optimizations are off where compiling is what takes the time: a half to a third
    of it.
    """
    if request.path.parent.name not in QUICK or request.path.stem in LONG:
        yield
        return
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture(scope='session')
def shared() -> pathlib.Path:
    """The folder of data and fixtures beside the project; tests that need it are skipped, visibly,
    where it is absent.
    """
    path = ROOT.parent / 'shared'
    if not path.is_dir():
        pytest.skip(f'needs the folder {path.name} beside the project')
    return path

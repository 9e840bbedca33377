"""What every test has: eight fake devices, no silent rank promotion, a trained network, and the
data that `make data` prepares, where it is there.
"""

import os
import pathlib

import jax
import pytest

from cnnlab.models import registry

jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')

# its license lies beside it
SQUEEZENET = pathlib.Path(__file__).parent / 'fixtures/squeezenet/compressed_SqueezeNet.net'
# the folders whose tests compile much and run little,
QUICK = ('attacks', 'losses', 'models', 'nn', 'optim', 'train', 'visual')
# but for these files
LONG = ('test_sharding',)


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


@pytest.fixture
def own_table(monkeypatch):
    """What a test does to the table of networks is undone after it."""
    # the library's networks register themselves now, and not in the copy
    registry.names()
    monkeypatch.setattr(registry, '_TABLE', dict(registry._TABLE))


@pytest.fixture(scope='session')
def data_folder():
    """`data_folder('tfds/mnist')` is the folder that CNNLAB_DATA names. A test that asks for parts
    which it has not is skipped, and says so.
    """
    root = os.environ.get('CNNLAB_DATA')

    def having(*parts):
        missing = [part for part in parts if not root or not pathlib.Path(root, part).exists()]
        if missing:
            # what is no part of it says in its first lines how it is made
            maker = 'tests/ilsvrc2012_mini.py' if 'ilsvrc2012_mini' in missing[0] else 'make data'
            pytest.skip(f'needs CNNLAB_DATA ({maker}): {", ".join(missing)}')
        return pathlib.Path(root).resolve()

    return having


@pytest.fixture(scope='session')
def squeezenet_file(tmp_path_factory):
    """The trained SqueezeNet 1.0 of Deep Compression as safetensors, under torchvision's names."""
    from safetensors.numpy import save_file

    from cnnlab.weights.readers import deep_compression

    path = tmp_path_factory.mktemp('weights') / 'squeezenet1_0_deep_compression.safetensors'
    save_file(deep_compression.squeezenet(SQUEEZENET), path)
    return path


@pytest.fixture(scope='session')
def squeezenet(squeezenet_file):
    """(model, variables) of that network: RGB in 0..255 minus (123, 117, 104), 227 x 227 pixels."""
    from cnnlab import weights

    return weights.from_file('torchvision/squeezenet1_0', squeezenet_file)

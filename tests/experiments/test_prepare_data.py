"""experiments.prepare_data run as a user does, with a mirror on loopback that has some files."""

import functools
import http.server
import pathlib
import threading

import pytest
from safetensors.numpy import load_file

from cnnlab.weights.readers import deep_compression
from tests.experiments.commands import run

NET = pathlib.Path(__file__).parents[1] / 'fixtures/squeezenet/compressed_SqueezeNet.net'
SQUEEZENET = 'weights/squeezenet1_0_deep_compression.safetensors'
OTHERS = (
    'weights/akamaster_resnet20.safetensors',
    'weights/akamaster_resnet56.safetensors',
    'tfds/mnist',
    'tfds/cifar10',
)

pytestmark = pytest.mark.slow


@pytest.fixture
def mirror(tmp_path):
    """The address of a server that has only the compressed SqueezeNet."""
    folder = tmp_path / 'mirror'
    (folder / 'weights').mkdir(parents=True)
    (folder / 'weights' / NET.name).write_bytes(NET.read_bytes())
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        yield f'http://127.0.0.1:{running.server_port}'
        running.shutdown()
        thread.join()


def test_sizes_come_first_and_every_part_that_fails_is_one_sentence(mirror, tmp_path):
    data = tmp_path / 'data'
    done = run('prepare_data', f'--data={data}', status=2, CNNLAB_MIRROR=mirror)
    lines = done.stdout.splitlines()
    assert lines[0] == f'{data}: 186.9 MB to download'
    assert all(path in ' '.join(lines[1:6]) for path in (SQUEEZENET, *OTHERS))
    assert '170.1 MB, 138.8 MB on disk' in done.stdout
    assert lines[6:] == [f'{SQUEEZENET} is prepared']
    errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(errors) == 5 and 'Traceback' not in done.stderr
    for path, error in zip(OTHERS, errors, strict=False):
        assert error.startswith(f'error: {path}: {mirror}/') and error.endswith(
            'does not exist (404)'
        )
    assert errors[-1].startswith(f'error: {", ".join(OTHERS)} could not be prepared')
    found, wanted = load_file(data / SQUEEZENET), deep_compression.squeezenet(NET)
    assert set(found) == set(wanted)
    assert all(found[name].tobytes() == wanted[name].tobytes() for name in wanted)
    assert [p.name for p in data.iterdir() if p.name not in ('downloads', 'tfds')] == ['weights']


def test_what_is_there_is_kept_and_the_folder_is_that_of_the_environment(mirror, tmp_path):
    data = tmp_path / 'data'
    (data / SQUEEZENET).parent.mkdir(parents=True)
    (data / SQUEEZENET).write_bytes(b'kept')
    done = run('prepare_data', status=2, CNNLAB_DATA=str(data), CNNLAB_MIRROR=mirror)
    assert done.stdout.startswith(f'{data}: 186.2 MB to download') and 'is there' in done.stdout
    assert 'is prepared' not in done.stdout
    assert (data / SQUEEZENET).read_bytes() == b'kept'


def test_without_a_network_each_part_says_what_it_could_not_have(tmp_path):
    nowhere = 'http://127.0.0.1:9'
    done = run('prepare_data', f'--data={tmp_path}', status=2, CNNLAB_MIRROR=nowhere)
    errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(errors) == 6
    for path, error in zip((SQUEEZENET, *OTHERS), errors, strict=False):
        assert error.startswith(f'error: {path}: ') and f'{nowhere}/' in error
        assert 'cannot be downloaded' in error


def test_experiments_find_the_prepared_sets_by_the_environment(tmp_path):
    (tmp_path / 'tfds').mkdir()
    arguments = ('train', '--recipe=lenet5_mnist', f'--workdir={tmp_path}/run')
    done = run(*arguments, status=2, CNNLAB_DATA=str(tmp_path), TFDS_DATA_DIR='/elsewhere')
    assert f'(prepared in {tmp_path}/tfds: none)' in done.stderr
    done = run(*arguments, status=2, TFDS_DATA_DIR='/elsewhere')
    assert 'data_dir /elsewhere is not a folder' in done.stderr

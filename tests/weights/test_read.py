"""Reading files that torch, safetensors, numpy and Keras wrote (files/make.py), and refusing those
that are not what they seem.
"""

import pathlib
import zipfile

import numpy as np
import pytest

from cnnlab.weights.readers import keras_file, read

FILES = pathlib.Path(__file__).parent / 'files'
TORCH = ('plain.zip.pth', 'plain.legacy.pth', 'plain.safetensors')


@pytest.mark.parametrize('name', TORCH)
def test_every_tensor_of_torch_is_read_as_torch_wrote_it(name):
    found = dict(read.arrays(FILES / name))
    base = np.arange(24, dtype=np.float32)
    wanted = {
        'conv.weight': base.reshape(2, 3, 2, 2),
        'fc.weight': base.reshape(4, 6).T,
        'fc.bias': base[5:9],
        'bn.num_batches_tracked': np.array(7, np.int64),
        'half': np.array([1.5, -2.25], np.float16),
        'empty': np.zeros((0, 3), np.float32),
    }
    assert set(found) == {*wanted, 'brain'}
    for key, array in wanted.items():
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)
    assert found['brain'].dtype.name == 'bfloat16'
    np.testing.assert_array_equal(found['brain'].astype(np.float32), [1.5, -3.0])


def test_npz_is_read(tmp_path):
    np.savez(tmp_path / 'a.npz', **{'x.weight': np.arange(6.0, dtype=np.float32).reshape(2, 3)})
    found = read.arrays(tmp_path / 'a.npz')
    np.testing.assert_array_equal(found['x.weight'], [[0, 1, 2], [3, 4, 5]])


def test_npz_with_python_objects_is_refused(tmp_path):
    np.savez(tmp_path / 'a.npz', x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r'a\.npz cannot be read as weights .*allow_pickle'):
        dict(read.arrays(tmp_path / 'a.npz'))


@pytest.mark.parametrize(('ema', 'first'), [(False, 0), (True, 100)])
def test_the_weights_within_a_checkpoint_are_found(ema, first):
    found = read.arrays(FILES / 'nested.pt', ema=ema)
    assert list(found) == ['module.conv.weight']
    assert found['module.conv.weight'].ravel()[0] == first


def test_a_moving_average_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(ValueError, match='no moving average'):
        read.arrays(FILES / 'plain.zip.pth', ema=True)


@pytest.mark.parametrize('name', ['malicious.zip.pth', 'malicious.legacy.pth'])
def test_a_pickle_that_would_run_a_command_is_refused_by_the_commands_name(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r'asks for posix\.system, and only tensors are rebuilt'):
        read.arrays(FILES / name)
    assert list(tmp_path.iterdir()) == []


# Pickles written by hand, opcode by opcode: what a plain pickle cannot say by itself.
@pytest.mark.parametrize(
    ('code', 'said'),
    [
        (b'cbuiltins\neval\n(V1+1\ntR.', r'builtins\.eval'),
        (b'ctorch.storage\n_load_from_bytes\n(Vx\ntR.', r'torch\.storage\._load_from_bytes'),
        (b'(icollections\nabc\n.', r'collections\.abc'),
        (b'\x8c\x02os\x8c\x06system\x93.', r'os\.system'),
        (
            b'ctorch._utils\n_rebuild_tensor_v2\n(N}V_function\nctorch\nSize\nstb.',
            'attribute _function',
        ),
        (b'(I1\nI2\ntQ.', 'no storage of tensors'),
    ],
)
@pytest.mark.parametrize('form', ['zip', 'legacy'])
def test_hand_made_pickles_are_refused(code, said, form, tmp_path):
    path = tmp_path / 'a.pth'
    if form == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('a/data.pkl', b'\x80\x04' + code)
    else:
        path.write_bytes(b'\x80\x04' + code)
    with pytest.raises(ValueError, match=said):
        read.arrays(path)


@pytest.mark.parametrize(
    'name', [*TORCH, 'plain.h5', 'plain.weights.h5', 'plain.keras', 'nested.pt']
)
@pytest.mark.parametrize('part', [0.0, 0.3, 0.6, 0.97])
def test_a_truncated_file_is_refused_in_one_sentence(name, part, tmp_path):
    whole = (FILES / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=name) as error:
        dict(read.arrays(tmp_path / name))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('part', [0.3, 0.6, 0.97])
def test_a_truncated_npz_is_refused_in_one_sentence(part, tmp_path):
    np.savez(
        tmp_path / 'whole.npz',
        **{'x.weight': np.arange(600.0, dtype=np.float32), 'x.bias': np.zeros(3, np.float32)},
    )
    whole = (tmp_path / 'whole.npz').read_bytes()
    (tmp_path / 'a.npz').write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ValueError, match=r'a\.npz cannot be read as weights'):
        dict(read.arrays(tmp_path / 'a.npz'))


@pytest.mark.parametrize(
    'name', [*TORCH, 'plain.h5', 'plain.weights.h5', 'plain.keras', 'nested.pt']
)
def test_flipped_bytes_give_arrays_or_one_sentence(name, tmp_path):
    """Forty files with some bytes changed: whatever the libraries below make of them, the user
    reads one sentence.
    """
    random, whole, refused = np.random.default_rng(0), (FILES / name).read_bytes(), 0
    for _ in range(40):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[random.integers(0, damaged.size, 3)] = random.integers(0, 256, 3)
        (tmp_path / name).write_bytes(damaged.tobytes())
        try:
            dict(read.arrays(tmp_path / name))
        except ValueError as error:
            assert '\n' not in str(error)
            refused += 1
    assert refused >= 5


def test_a_damaged_storage_is_found_by_its_checksum(tmp_path):
    whole = bytearray((FILES / 'nested.pt').read_bytes())
    at = whole.index(np.arange(1, 4, dtype=np.float32).tobytes())
    whole[at] ^= 1
    (tmp_path / 'a.pt').write_bytes(whole)
    with pytest.raises(ValueError, match='checksum'):
        dict(read.arrays(tmp_path / 'a.pt'))


def test_a_tensor_that_reaches_outside_its_storage_is_refused(tmp_path):
    shape, larger = b'(K\x02K\x03K\x02K\x02t', b'(K\x09K\x03K\x02K\x02t'
    with (
        zipfile.ZipFile(FILES / 'nested.pt') as archive,
        zipfile.ZipFile(tmp_path / 'a.pt', 'w') as changed,
    ):
        for info in archive.infolist():
            changed.writestr(info, archive.read(info).replace(shape, larger))
    with pytest.raises(ValueError, match='reaches outside its storage of 24 values'):
        dict(read.arrays(tmp_path / 'a.pt'))


@pytest.mark.parametrize(
    ('content', 'said'), [(b'', 'is empty'), (b'hello, world', "begins with b'hell'")]
)
def test_a_file_of_no_known_format_is_refused(content, said, tmp_path):
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(ValueError, match=said + r'.*none of \.safetensors'):
        read.arrays(tmp_path / 'a.pth')


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'there is no weights file .*nowhere\.pth'):
        read.arrays(tmp_path / 'nowhere.pth')


def variables():
    """{path: (shape, values)} of the Keras model, as make.py filled it."""
    rows = (FILES / 'keras_variables.txt').read_text().splitlines()
    out = {}
    for i, row in enumerate(rows):
        path, _, shape = row.partition(' ')
        shape = tuple(int(n) for n in shape.strip('()').split(',') if n.strip())
        out[path] = np.arange(np.prod(shape)).reshape(shape) + i
    return out


@pytest.mark.parametrize('name', ['plain.h5', 'plain.weights.h5', 'plain.keras'])
def test_every_variable_of_keras_is_read_under_its_layers_name(name):
    pytest.importorskip('h5py')
    found = dict(read.arrays(FILES / name))
    scoped = variables()
    # these forms know a layer by its own name alone
    if name != 'plain.h5':
        scoped = {'/'.join(p.split('/')[-2:]): v for p, v in scoped.items()}
    assert set(found) == set(scoped)
    for path, values in scoped.items():
        np.testing.assert_array_equal(found[path], values)


def test_legacy_files_with_other_names_are_read_by_the_order_within_a_layer(tmp_path):
    h5py = pytest.importorskip('h5py')
    kernel, bias, vectors = (
        np.ones((3, 3, 3, 2), np.float32),
        np.zeros(2, np.float32),
        [np.full(2, i, np.float32) for i in range(4)],
    )
    with h5py.File(tmp_path / 'old.h5', 'w') as root:
        root.attrs['layer_names'] = [b'block1_conv1', b'pool', b'bn1']
        for layer, arrays in (
            ('block1_conv1', {'block1_conv1_W_1:0': kernel, 'block1_conv1_b_1:0': bias}),
            ('pool', {}),
            ('bn1', {f'bn1_{i}:0': v for i, v in enumerate(vectors)}),
        ):
            group = root.create_group(layer)
            group.attrs['weight_names'] = [n.encode() for n in arrays]
            for n, array in arrays.items():
                group[n] = array
    found = dict(keras_file.load_h5(tmp_path / 'old.h5'))
    assert list(found) == [
        'block1_conv1/kernel',
        'block1_conv1/bias',
        'bn1/gamma',
        'bn1/beta',
        'bn1/moving_mean',
        'bn1/moving_variance',
    ]
    assert found['bn1/moving_variance'][0] == 3


def test_keras_files_without_h5py_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'h5py', None)
    with pytest.raises(ImportError, match=r'install cnnlab\[keras\]'):
        read.arrays(FILES / 'plain.h5')

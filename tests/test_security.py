"""Nothing that comes from a stranger is run, and nothing is written outside of where it was asked
for.
"""

import ast
import io
import os
import pathlib
import tarfile
import zipfile

import jax
import numpy as np
import pytest

from cnnlab.data import sources
from cnnlab.recipes.override import override
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.setup import build_setup
from cnnlab.weights.readers import read
from tests.data.test_prepare import CLASSES, GOLDFISH, TENCH, inputs, jpeg, prepare, tar
from tests.train.nets import tiny
from tests.train.test_checkpoints import files_of

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = sorted(
    path for top in ('cnnlab', 'experiments', 'benchmarks') for path in (ROOT / top).rglob('*.py')
)
# unpickling runs what it is told to
MODULES = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'marshal', 'shelve', 'joblib', 'xmlrpc'}
CALLS = {'eval', 'exec', 'compile', '__import__'}
ATTRIBUTES = {
    'os': {'system', 'popen', 'execv', 'execve', 'execvp', 'spawnv'},
    'subprocess': {'getoutput', 'getstatusoutput'},
    'yaml': {'load', 'load_all', 'unsafe_load', 'full_load'},
    'shutil': {'unpack_archive'},
    'tempfile': {'mktemp'},
}
# of archives: they write where a member's name says
METHODS = {'extractall', 'extract'}
# The reader of torch's files, whose unpickler rebuilds tensors and refuses every other name
# (tests/weights/test_read.py); and `visual.features.extract`, which is of no archive.
ALLOWED = {
    ('cnnlab/weights/readers/torch_pickle.py', 'pickle'),
    ('cnnlab/weights/readers/torch_file.py', 'pickle'),
    ('cnnlab/weights/readers/read.py', 'pickle'),
    ('cnnlab/visual/explanations/feature_space.py', 'features.extract'),
}


def findings(source):
    """(line, what) of everything that could run what a file says, or write where it says."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (
                (node.lineno, alias.name)
                for alias in node.names
                if alias.name.split('.')[0] in MODULES
            )
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.split('.')[0] in MODULES
        ):
            yield node.lineno, node.module
        elif isinstance(node, ast.Call):
            yield from called(node)


def called(node):
    function = node.func
    if isinstance(function, ast.Name) and function.id in CALLS:
        yield node.lineno, function.id
    if isinstance(function, ast.Attribute):
        owner = function.value.id if isinstance(function.value, ast.Name) else ''
        if function.attr in ATTRIBUTES.get(owner, ()) or function.attr in METHODS:
            yield node.lineno, f'{owner}.{function.attr}'
    for keyword in node.keywords:
        off = isinstance(keyword.value, ast.Constant) and not keyword.value.value
        if keyword.arg in ('shell', 'allow_pickle') and not off:
            yield node.lineno, f'{keyword.arg}=True'
        if (
            keyword.arg == 'verify'
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value is False
        ):
            yield node.lineno, 'verify=False'


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_unpickled_evaluated_or_given_to_a_shell(path):
    name = path.relative_to(ROOT).as_posix()
    assert [f for f in findings(path.read_text()) if (name, f[1]) not in ALLOWED] == []


@pytest.mark.parametrize(
    'source',
    [
        'import pickle',
        'from pickle import loads',
        'import cloudpickle as p',
        'eval("1")',
        'exec(text)',
        '__import__(name)',
        'os.system("ls")',
        'subprocess.run(line, shell=True)',
        'subprocess.run(line, shell=flag)',
        'np.load(path, allow_pickle=True)',
        'yaml.load(text)',
        'archive.extractall(folder)',
        'requests.get(url, verify=False)',
    ],
)
def test_the_check_itself_finds_what_it_is_for(source):
    assert len(list(findings(source))) == 1


@pytest.mark.parametrize(
    'source',
    [
        'ast.literal_eval(t)',
        'run(["git"], shell=False)',
        'np.load(p, allow_pickle=False)',
        'model.eval()',
    ],
)
def test_and_lets_the_harmless_pass(source):
    assert list(findings(source)) == []


def everything_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob('*')}


@pytest.mark.parametrize('way_out', ['../../{}', '/tmp/../{}', '{}/../../../{}', './../{}'])
def test_members_of_the_tars_cannot_name_places_outside(tmp_path, way_out):
    """Of a member's name the last part alone is used, and as a label: what is written has names of
    our own.
    """
    source, out, bystander = tmp_path / 'source', tmp_path / 'deep/out', tmp_path / 'bystander'
    source.mkdir()
    bystander.mkdir()

    def placed(name):
        return way_out.format(name, name)

    classes = {
        c: tar({placed(f'{c}_{level}.JPEG'): jpeg(level) for level in levels})
        for c, levels in CLASSES.items()
    }
    (source / inputs.TRAIN).write_bytes(
        tar({placed(f'{c}.tar'): images for c, images in classes.items()})
    )
    before = everything_below(tmp_path)
    prepare(source, out)
    new = set(everything_below(tmp_path)) - set(before) - {tmp_path / 'deep'}
    assert new and all(path.is_relative_to(out) for path in new)
    assert not any('JPEG' in path.name or '..' in path.parts for path in new)
    train = sources.load('small', 'train', data_dir=out)
    # but for those held out
    found = {e['image'].name for e in train.encoded(range(len(train)))}
    assert len(found) > 3 and found < {
        f'{c}_{level}.JPEG' for c, levels in CLASSES.items() for level in levels
    }


def test_links_and_devices_in_the_tars_are_not_followed(tmp_path):
    """A symbolic link to a file of the machine, a hard link and a device stand in a class's tar:
    none of them is an image.
    """
    secret, source = tmp_path / 'secret', tmp_path / 'source'
    secret.write_bytes(jpeg(99))
    source.mkdir()
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        for name, kind in (
            ('a.JPEG', tarfile.SYMTYPE),
            ('b.JPEG', tarfile.LNKTYPE),
            ('c.JPEG', tarfile.CHRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        info = tarfile.TarInfo(f'{TENCH}_1.JPEG')
        info.size = len(jpeg(1))
        archive.addfile(info, io.BytesIO(jpeg(1)))
    (source / inputs.TRAIN).write_bytes(
        tar(
            {
                f'{TENCH}.tar': inner.getvalue(),
                f'{GOLDFISH}.tar': tar({f'{GOLDFISH}_2.JPEG': jpeg(2)}),
            }
        )
    )
    made = prepare(source, tmp_path / 'out')
    assert made['stored']['train'] == 2


def npy(array):
    out = io.BytesIO()
    np.lib.format.write_array(out, array)
    return out.getvalue()


@pytest.mark.parametrize('name', ['../../evil.npy', '/tmp/evil.npy', 'a/../../evil.npy'])
def test_a_zip_of_weights_is_read_where_it_lies(tmp_path, name, monkeypatch):
    """Its members' names are the names of arrays; no file is made by them."""
    folder = tmp_path / 'a/b'
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / 'w.npz', 'w') as archive:
        archive.writestr(name, npy(np.arange(3.0)))
    before = everything_below(tmp_path)
    monkeypatch.chdir(folder)
    found = read.arrays(folder / 'w.npz')
    assert np.array_equal(next(iter(found.values())), np.arange(3.0))
    assert everything_below(tmp_path) == before and not pathlib.Path('/tmp/evil.npy').exists()


def test_a_checkpoint_of_a_stranger_runs_nothing(tmp_path):
    """Every file of a checkpoint replaced by a pickle that would run a command: it is told to be
    damaged, and nothing ran.
    """
    state = jax.device_get(build_setup(tiny(), devices=1).init(np.uint32(0)))
    checkpoints = Checkpoints(tmp_path / 'c')
    checkpoints.save(state)
    checkpoints.wait()
    ran = tmp_path / 'ran'
    # protocol 0: os.system('touch ...')
    hostile = b'cposix\nsystem\n(S"touch ' + os.fsencode(ran) + b'"\ntR.'
    for file in files_of(tmp_path / 'c/0'):
        if file.name != '_CHECKPOINT_METADATA':
            file.write_bytes(hostile)
    with pytest.raises(ValueError, match='is damaged'):
        checkpoints.restore(state)
    checkpoints.close()
    assert not ran.exists()


def test_a_recipe_and_a_log_of_a_stranger_are_data(tmp_path):
    """Values from files and from the command line go through JSON and literals, never through an
    interpreter.
    """
    text = f'__import__("os").system("touch {tmp_path}/ran")'
    found = override(tiny(), [f'model_fields.x={text}', f'model={text}'])
    assert found.model_fields['x'] == text and found.model == text
    assert not (tmp_path / 'ran').exists()

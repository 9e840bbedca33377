"""The front door: networks by name, and `load` of ids, files and runs."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import cnnlab
from cnnlab import weights
from cnnlab.classifier import Classifier
from cnnlab.models import registry
from cnnlab.recipes.sections import Average
from cnnlab.train import loop, runs
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.options import Options
from cnnlab.train.setup import build_setup
from tests import own_network
from tests.train.nets import tiny

own = pytest.fixture(scope='module', autouse=True)(own_network.registered)
# not what any network has
NORM = {'batch_norm.eps': 0.3, 'batch_norm.momentum': 0.5}
ID = 'akamaster/resnet20'


def same(a, b):
    """Returns whether two trees have the same structure and the same bits."""
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
    )


def test_importing_the_package_takes_no_time_and_brings_no_jax():
    program = (
        'import time; start = time.perf_counter(); import cnnlab, sys; '
        'print(time.perf_counter() - start, "jax" in sys.modules, "numpy" in sys.modules, '
        '*(name in dir(cnnlab) for name in cnnlab.__all__))'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    seconds, *flags = done.stdout.split()
    assert float(seconds) < 0.5 and flags == ['False', 'False', *['True'] * len(cnnlab.__all__)]


def test_the_package_has_what_it_lists_and_nothing_else():
    assert all(hasattr(cnnlab, name) for name in cnnlab.__all__)
    assert cnnlab.Classifier is Classifier and cnnlab.register is registry.register
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        _ = cnnlab.predict


def test_models_are_listed_by_wildcards():
    assert cnnlab.list_models() == registry.names()
    assert cnnlab.list_models('resnet50') == ['resnet50']
    assert cnnlab.list_models('lenet5*')[0] == 'lenet5'
    assert cnnlab.list_models('resnet*_v1_?', pretrained=True) == [
        'resnet101_v1_5',
        'resnet152_v1_5',
        'resnet50_v1_5',
    ]
    assert cnnlab.list_models('no such*') == []


def test_models_with_weights_are_those_that_a_source_publishes():
    found = cnnlab.list_models(pretrained=True)
    assert 'resnet50_v1_5' in found and 'lenet5' not in found
    # its weights are in a repository of somebody who gives no address for a file
    assert 'cifar_resnet20' not in found
    assert set(found) < set(registry.names())


def test_a_created_network_has_the_weights_of_its_seed():
    net = cnnlab.create(own_network.NAME, num_classes=3, seed=7, widths=(2, 4))
    assert net.model == own_network.OwnTiny((2, 4), 3) and net.class_names is None
    wanted = net.model.init(jax.random.key(7), jnp.zeros((1, 16, 16, 3)))
    assert same(net.variables, wanted)
    assert not same(cnnlab.create(own_network.NAME).variables, wanted)
    with pytest.warns(UserWarning, match='no class names'):
        found = net.predict(np.zeros((50, 40, 3), np.uint8), top=3)
    assert {name for name, _ in found} == {'class 0', 'class 1', 'class 2'}


def test_a_published_id_names_the_network_that_its_weights_fit():
    assert cnnlab.create(ID, seed=1).architecture == 'cifar_resnet20'


@pytest.fixture(scope='module')
def published_file(tmp_path_factory):
    """Returns (path of a file in the format of ID, the variables that it holds)."""
    net = cnnlab.create(ID, seed=3)
    path = tmp_path_factory.mktemp('files') / 'made@home.safetensors'
    save_file(weights.to_arrays(ID, jax.device_get(net.variables)), path)
    return path, net.variables


def test_an_id_with_a_file_is_read_with_the_preprocessing_and_names_of_its_source(published_file):
    path, variables = published_file
    net = cnnlab.load(f'{ID}@{path}')
    assert same(net.variables, variables)
    assert net.name == f'{ID} from made@home' and net.class_order == 'cifar10'
    assert net.class_names[3] == 'cat' and net.input_shape == (32, 32, 3)
    assert net.preprocess == weights.entry(ID).preprocess
    assert len(net.predict(np.zeros((32, 32, 3), np.uint8))) == 5


def test_an_id_is_downloaded_once(published_file, monkeypatch):
    path, variables = published_file
    monkeypatch.setattr('cnnlab.weights.fetch.fetch', lambda entry: path)
    assert same(cnnlab.load(ID).variables, variables)


def test_ids_go_before_paths_unless_a_path_is_forced(published_file, monkeypatch, tmp_path):
    path, variables = published_file
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('cnnlab.weights.fetch.fetch', lambda entry: path)
    own = cnnlab.create(own_network.NAME)
    (tmp_path / 'akamaster').mkdir()
    own.save(tmp_path / ID)
    assert same(cnnlab.load(ID).variables, variables)
    for forced in (f'./{ID}', tmp_path / ID):
        assert same(cnnlab.load(forced).variables, own.variables)


def test_a_real_network_names_what_is_in_a_picture(squeezenet_file):
    from sklearn.datasets import load_sample_images

    [temple, flower] = load_sample_images().images
    net = cnnlab.load(f'torchvision/squeezenet1_0@{squeezenet_file}')
    # Deep Compression's own protocol
    net = net.replace(
        preprocess=weights.Preprocess.published(
            256, 227, 'bilinear', (123, 117, 104), (1, 1, 1), mode='squash', scale=1
        )
    )
    [[first, *_], [second, *_]] = net.predict([Image.fromarray(temple), flower], top=3)
    assert first[0] in ('palace', 'stupa', 'monastery', 'bell cote', 'mosque') and first[1] > 0.2
    assert second[0] == 'daisy' or second[1] > 0.2


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Returns (directory, setup, last state) of a finished run."""
    directory = tmp_path_factory.mktemp('runs') / 'small'
    recipe = tiny(
        model=own_network.NAME,
        dataset='fake:16x16x3:5:64',
        average=Average('ema', decay=0.9),
        **NORM,
    )
    setup = build_setup(recipe, devices=1)
    loop.run_setup(setup, 0, str(directory), Options(quiet=True))
    checkpoints = Checkpoints(directory / 'checkpoints', read_only=True)
    state = checkpoints.restore(jax.eval_shape(setup.init, np.uint32(0)))
    checkpoints.close()
    return directory, setup, state


def test_a_run_is_loaded_without_its_data(run, monkeypatch):
    directory, setup, state = run
    monkeypatch.setattr('cnnlab.data.sources.load', None)
    net = cnnlab.load(directory)
    step = int(state.step)
    assert same(net.variables, jax.device_get(state.evaluation_variables))
    assert net.model == setup.model and net.class_names == setup.data['test'].class_names
    assert (net.name, net.provenance['step']) == (f'small/{step}', step)
    again = cnnlab.load(directory / 'checkpoints' / str(step))
    assert same(again.variables, net.variables)
    assert same(cnnlab.load(directory, step='best').model, net.model)


def test_a_run_gives_the_logits_of_its_own_evaluation(run):
    directory, setup, state = run
    source, net = setup.data['test'], cnnlab.load(directory)
    pictures = [source[i]['image'] for i in range(8)]
    batch = np.stack([setup.transform(p, np.random.default_rng(0)) for p in pictures])
    evaluate = jax.jit(
        lambda state, batch: setup.model.apply(
            state.evaluation_variables, setup.inputs(batch), train=False
        )
    )
    views = np.stack([net.preprocess.pixels(p) for p in pictures])
    assert np.array_equal(views, batch)
    inputs = net.preprocess.normalize(views)
    assert np.array_equal(inputs, jax.jit(setup.inputs)(batch))
    assert np.array_equal(net.logits(inputs), evaluate(state, batch))


def test_a_run_and_its_saved_network_are_the_same(run, tmp_path):
    net = cnnlab.load(run[0])
    again = cnnlab.load(net.save(tmp_path / 'net.safetensors'))
    assert same(again.variables, net.variables) and again.preprocess == net.preprocess
    assert again.provenance == net.provenance


def test_a_run_names_the_package_of_its_network_and_does_not_import_it(run, own_table):
    del registry._TABLE[own_network.NAME]
    with pytest.raises(KeyError, match='which the package tests.own_network registers: import'):
        cnnlab.load(run[0])


def test_a_run_of_an_older_version_is_refused(run, tmp_path):
    for part in ('recipe.json', 'manifest.json', 'checkpoints'):
        (tmp_path / part).symlink_to(run[0] / part)
    with pytest.raises(ValueError, match='an older version of cnnlab began it'):
        runs.load(tmp_path)


@pytest.mark.parametrize(
    ('what', 'part'),
    [
        ('vgg16', r"create\('vgg16'\) draws .*published weights are .*torchvision/vgg16"),
        (
            'resnet50',
            r'of that name, but for other networks: .*torchvision/resnet50 \(of resnet50_v1',
        ),
        ('lenet5', r"create\('lenet5'\) .*none are published"),
        (
            'torchvision/resnet51',
            'no id of published weights, no existing run directory or file, and no id with a file '
            r'.*did you mean torchvision/resnet50',
        ),
        ('nowhere/run', 'no id of published weights, no existing run'),
        ('nothing@file.pth', 'no id with a file'),
        ('torchvision/vgg16.V9', "no published weights of torchvision/vgg16 named 'V9'"),
        ('torchvision/vgg16@nowhere.pth', 'no weights file nowhere.pth'),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_sentence(what, part):
    with pytest.raises((ValueError, KeyError, FileNotFoundError), match=part) as error:
        cnnlab.load(what)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('fields', 'part'),
    [
        ({'name': 'resnet5O'}, 'did you mean resnet50'),
        ({'name': 'lenet5', 'depth': 3}, "no field of LeNet5 named 'depth'"),
        ({'name': 'lenet5', 'num_classes': 0}, 'num_classes must be at least 1'),
    ],
)
def test_what_cannot_be_created_is_told_in_one_sentence(fields, part):
    with pytest.raises((ValueError, KeyError), match=part):
        cnnlab.create(**fields)


def test_an_empty_directory_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match='is not a run directory'):
        cnnlab.load(tmp_path)

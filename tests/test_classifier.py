"""Classifier: its predictions, and files that hold all of it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
from PIL import Image
from safetensors.numpy import save_file

from cnnlab.classifier import Classifier
from cnnlab.data.preprocessing import Preprocess
from cnnlab.data.protocols.protocol import Protocol
from cnnlab.data.protocols.transformed import Transformed
from cnnlab.models import registry
from cnnlab.nn.norms import BatchNormConfig
from tests import own_network

own = pytest.fixture(scope='module', autouse=True)(own_network.registered)
NORM = BatchNormConfig(momentum=0.6, eps=0.02, frozen=('norm1',))
NAMES = ('ant', 'bee', 'cat', 'dog', 'eel')
RECIPES = Preprocess(Transformed(('resize((16, 16))',)), (120.5, 110.25, 99.0), (60.0, 61.0, 62.0))


def classifier(preprocess=RECIPES, **changes):
    """The small network with random weights and batch statistics other than the initial ones."""
    model = registry.create(own_network.NAME)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = jax.tree.map(lambda a: np.asarray(a) * np.float32(1.3) + np.float32(0.1), variables)
    net = Classifier(
        model,
        variables,
        preprocess,
        NAMES,
        own_network.NAME,
        (16, 16, 3),
        provenance={'seed': 0},
    )
    return net.replace(**changes) if changes else net


def pixels(count, size=(16, 16), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)


def test_logits_are_what_the_model_computes():
    net, images = classifier(), np.random.default_rng(0).normal(size=(3, 16, 16, 3))
    images = images.astype(np.float32)
    wanted = net.model.apply(net.variables, images, train=False)
    assert net.logits(images).shape == (3, 5)
    np.testing.assert_allclose(net.logits(images), wanted, atol=1e-5)


def test_logits_compile_once_for_a_shape():
    traced = []

    class Counted(own_network.OwnTiny):
        def __call__(self, x, train=False):
            traced.append(x.shape)
            return super().__call__(x, train)

    net = classifier(model=Counted())
    for seed in range(3):
        net.replace(variables=classifier().variables).logits(
            np.full((2, 16, 16, 3), seed, np.float32)
        )
    assert traced == [(2, 16, 16, 3)]


def test_prediction_is_the_softmax_by_hand(tmp_path):
    net = classifier()
    [image] = pixels(1)
    x = (image.astype(np.float32) - [120.5, 110.25, 99.0]) / [60.0, 61.0, 62.0]
    scores = np.asarray(net.model.apply(net.variables, x.astype(np.float32)[None]))[0]
    p = np.exp(scores) / np.exp(scores).sum()
    order = np.argsort(-p)[:3]
    found = net.predict(image, top=3)
    assert [name for name, _ in found] == [NAMES[k] for k in order]
    np.testing.assert_allclose([share for _, share in found], p[order], rtol=1e-4)


def test_a_path_a_pillow_image_and_an_array_of_one_picture_give_one_answer(tmp_path):
    net = classifier()
    [image] = pixels(1, (30, 20))
    Image.fromarray(image).save(tmp_path / 'a.png')
    path = tmp_path / 'a.png'
    one = net.predict(image)
    assert one == net.predict(str(path)) == net.predict(path) == net.predict(Image.open(path))
    two = net.predict([path, image])
    assert two == net.predict(np.stack([image, image])) == net.predict((image, path))
    # XLA sums in another order for two images than for one
    for found in two:
        assert [name for name, _ in found] == [name for name, _ in one]
        np.testing.assert_allclose([p for _, p in found], [p for _, p in one], rtol=1e-4)
    assert net.predict([]) == []


def test_many_pictures_are_answered_as_each_alone():
    net = classifier()
    many = pixels(35)
    np.testing.assert_allclose(
        net.probabilities(many), [net.probabilities([one])[0] for one in many], atol=1e-5
    )


@pytest.mark.parametrize('average', ['softmax', 'logits'])
def test_several_views_are_averaged_as_the_protocol_has_it(average):
    protocol = Protocol((20,), 16, crops='corners', flip=True, average=average)
    net = classifier(Preprocess(protocol, 120.0, 60.0))
    [image] = pixels(1, (40, 25))
    views = net.preprocess.normalize(np.stack(net.preprocess.views(image)))
    assert len(views) == 10
    scores = np.asarray(net.logits(views))
    wanted = (
        jax.nn.softmax(scores).mean(0) if average == 'softmax' else jax.nn.softmax(scores.mean(0))
    )
    np.testing.assert_allclose(net.probabilities([image])[0], wanted, rtol=1e-4)


def test_without_class_names_classes_are_numbered_and_that_is_said():
    net = classifier(class_names=None)
    with pytest.warns(UserWarning, match='own_tiny has no class names'):
        found = net.predict(pixels(1)[0], top=5)
    assert {name for name, _ in found} == {f'class {k}' for k in range(5)}


def test_other_class_names_are_in_no_known_order():
    net = classifier(class_order='farm')
    assert net.replace(name='mine').class_order == 'farm'
    assert net.replace(class_names=NAMES[::-1]).class_order is None
    assert net.replace(class_names=NAMES, class_order='zoo').class_order == 'zoo'


def test_features_are_the_activations_of_a_layer():
    net, images = classifier(), np.random.default_rng(1).normal(size=(2, 16, 16, 3))
    images = images.astype(np.float32)
    assert net.layers()[0] == 'conv1' and net.layers()[-1] == 'head'
    assert net.features(images, 'norm2').shape == (2, 4, 4, 8)
    np.testing.assert_allclose(net.features(images, 'head'), net.logits(images), atol=1e-6)


def test_the_summary_counts_the_registered_parameters():
    table = classifier().summary()
    assert table.values('parameters')[-1] == own_network.FACTS['params']
    assert 'own_tiny: one image of 16 x 16 x 3' in repr(table) and '<table' in table._repr_html_()


def test_a_classifier_goes_through_compiled_functions_whole():
    net, images = classifier(), np.random.default_rng(1).normal(size=(2, 16, 16, 3))
    images = jnp.asarray(images, jnp.float32)

    @jax.jit
    def loss(net, images):
        return net.model.apply(net.variables, images).sum()

    assert np.isclose(loss(net, images), net.logits(images).sum(), rtol=1e-5)
    grads = jax.grad(loss)(net, images)
    assert grads.class_names == NAMES and grads.variables['params']['head']['bias'].shape == (5,)
    same = jax.tree.map(lambda a: a, net)
    assert same.provenance == net.provenance
    assert np.array_equal(same.preprocess.normalize(pixels(1)), net.preprocess.normalize(pixels(1)))


MEAN_IMAGE = np.random.default_rng(2).uniform(0, 255, (16, 16, 3)).astype(np.float32)
PREPROCESSES = {
    'a recipe': Preprocess(Transformed(('resize((16, 16))',)), (0.1, 2 / 3, 7), 62.1),
    'a mean image': Preprocess(Transformed(('resize((16, 16))',)), MEAN_IMAGE, 255.0),
    'published': Preprocess.published(
        20, 16, 'bicubic', (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ),
    'bfloat16': Preprocess(Transformed(), 1.5, 3.7, 'bgr', dtype='bfloat16'),
}


@pytest.mark.parametrize('kind', PREPROCESSES)
def test_a_file_gives_back_the_very_bits(kind, tmp_path):
    net = classifier(PREPROCESSES[kind], name='mine', class_order='farm')
    path = net.save(tmp_path / 'folder' / 'net.safetensors')
    again = Classifier.read(path)
    assert jax.tree.structure(again.variables) == jax.tree.structure(net.variables)
    for a, b in zip(*map(jax.tree.leaves, (again.variables, net.variables)), strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)
    images = pixels(4)
    for one in (net, again):
        assert one.preprocess.normalize(images).dtype == jnp.dtype(net.preprocess.dtype)
    inputs = net.preprocess.normalize(images)
    assert np.array_equal(again.preprocess.normalize(images), inputs)
    assert np.array_equal(again.logits(inputs), net.logits(inputs))
    assert again.preprocess.protocol == net.preprocess.protocol
    for field in ('model', 'class_names', 'input_shape', 'class_order', 'provenance'):
        assert getattr(again, field) == getattr(net, field)
    assert again.name == 'net'


def test_a_file_states_the_fields_that_differ_and_the_package(tmp_path):
    model = registry.create(own_network.NAME, widths=(3, 6), num_classes=2, norm=NORM)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    net = classifier(model=model, variables=variables, class_names=None, preprocess=None)
    net.save(tmp_path / 'net.safetensors')
    with safetensors.safe_open(tmp_path / 'net.safetensors', framework='numpy') as file:
        stated = {k: v for k, v in file.metadata().items() if k != 'format'}
        assert 'params/conv1/kernel' in file.keys()  # noqa: SIM118 (no mapping)
    stated = {k: json.loads(v) for k, v in stated.items()}
    assert stated['model'] == own_network.NAME and stated['package'] == 'tests.own_network'
    norm = {'ghost_batch_size': None, 'momentum': 0.6, 'eps': 0.02, 'frozen': ['norm1']}
    assert stated['fields'] == {'widths': [3, 6], 'num_classes': 2, 'norm': norm}
    again = Classifier.read(tmp_path / 'net.safetensors')
    assert again.model == model and again.class_names is None and again.preprocess is None


def test_a_network_of_another_package_is_named_and_not_imported(tmp_path, own_table):
    classifier().save(tmp_path / 'net.safetensors')
    del registry._TABLE[own_network.NAME]
    with pytest.raises(KeyError, match='the package tests.own_network registers: import') as error:
        Classifier.read(tmp_path / 'net.safetensors')
    assert '--import=tests.own_network' in str(error.value)


class Strange(own_network.OwnTiny):
    """A network without a registered name."""


@pytest.mark.parametrize(
    ('call', 'part'),
    [
        (lambda net: net.logits(pixels(1)), 'floating-point images .* got uint8 of shape'),
        (lambda net: net.logits(np.zeros((16, 16, 3), np.float32)), 'got float32 of shape'),
        (
            lambda net: net.logits(np.zeros((1, 16, 16, 1), np.float32)),
            '16 x 16 x 1 do not fit own_tiny, which is made for 16 x 16 x 3',
        ),
        (lambda net: net.predict('nowhere.jpg'), 'there is no picture nowhere.jpg'),
        (lambda net: net.predict(np.zeros((16, 16, 3))), 'uint8 pixels, got float64'),
        (lambda net: net.predict(np.zeros((5,), np.uint8)), 'not of shape'),
        (lambda net: net.predict(pixels(1)[0], top=6), '1 to 5; got 6'),
        (lambda net: net.predict(pixels(1)[0], top=0), '1 to 5; got 0'),
        (
            lambda net: net.replace(class_names=('cat', 'dog')).predict(pixels(1)[0]),
            'tells 5 classes and has 2 class names',
        ),
        (
            lambda net: net.replace(preprocess=None).predict(pixels(1)[0]),
            'states no preprocessing; give one',
        ),
        (
            lambda net: net.replace(preprocess=Preprocess(Transformed())).predict(
                [pixels(1)[0], pixels(1, (20, 20))[0]]
            ),
            'different sizes: 16 x 16 x 3, 20 x 20 x 3',
        ),
        (
            lambda net: net.features(np.zeros((1, 16, 16, 3), np.float32), 'norm3'),
            'did you mean norm2',
        ),
        (lambda net: net.replace(model=Strange()).save('x'), 'the model at hand is a Strange'),
        (
            lambda net: net.replace(model=own_network.OwnTiny(widths=(4, len))).save('x'),
            'the field widths of own_tiny holds a builtin_function',
        ),
        (lambda net: Classifier.read('nowhere.safetensors'), 'no weights file nowhere'),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(call, part):
    with pytest.raises((ValueError, FileNotFoundError), match=part) as error:
        call(classifier())
    assert '\n' not in str(error.value)


def test_files_of_others_and_damaged_ones_are_refused(tmp_path):
    save_file({'w': np.zeros(3, np.float32)}, tmp_path / 'theirs.safetensors')
    with pytest.raises(ValueError, match='not saved by cnnlab; .*torchvision/resnet50@'):
        Classifier.read(tmp_path / 'theirs.safetensors')
    path = classifier().save(tmp_path / 'net.safetensors')
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match='cannot be read as safetensors'):
        Classifier.read(path)
    save_file(
        {'params/w': np.zeros(3, np.float32)},
        tmp_path / 'old.safetensors',
        metadata={'format': 'cnnlab', 'model': 'lenet5', 'fields': '{}', 'facts': '{}'},
    )
    with pytest.raises(ValueError, match='has the form 1 of our files'):
        Classifier.read(tmp_path / 'old.safetensors')

"""What is stated of published weights: the tables agree with the ids, and nothing is guessed."""

import dataclasses
import re

import numpy as np
import pytest

from cnnlab import names, weights
from cnnlab.models import registry
from cnnlab.weights import catalog, published
from cnnlab.weights.mapping import torch_layers

PUBLISHED = [id for id in weights.supported() if weights.tags(id)]


@pytest.mark.parametrize('id', PUBLISHED)
def test_every_published_file_has_an_address_a_protocol_and_fields_of_its_model(id):
    for tag in weights.tags(id):
        entry = weights.entry(f'{id}.{tag}')
        assert (entry.url or '').startswith('https://') or entry.hub
        assert isinstance(entry.preprocess, weights.Preprocess)
        assert entry.hash is None or re.fullmatch(
            r'sha256-prefix:[0-9a-f]{8,}|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}', entry.hash
        )
        model = registry.create(entry.model, **entry.fields)
        assert (entry.class_order == 'imagenet') == (model.num_classes == 1000)


def test_a_bare_id_means_the_sources_default():
    assert weights.entry('torchvision/resnet50').id == 'torchvision/resnet50.IMAGENET1K_V2'
    assert weights.entry('timm/resnet50').id == 'timm/resnet50.a1_in1k'


def test_published_accuracy_and_address_are_the_packages():
    entry = weights.entry('torchvision/resnet50.IMAGENET1K_V1')
    # torchvision 0.29.2, ResNet50_Weights.IMAGENET1K_V1 in models/resnet.py
    assert (entry.published['top1'], entry.published['top5']) == (76.13, 92.862)
    assert entry.url == 'https://download.pytorch.org/models/resnet50-0676ba61.pth'
    assert entry.hash == 'sha256-prefix:0676ba61'
    protocol = entry.preprocess.protocol
    assert (protocol.scales, protocol.crop, protocol.filter) == ((256,), 224, 'pillow_bilinear')


def test_published_googlenet_is_used_with_its_transform_and_a_plain_file_without():
    assert weights.entry('torchvision/googlenet.IMAGENET1K_V1').fields['transform_input'] is True
    assert 'transform_input' not in published.source_table('torchvision')['resnet50'][
        'IMAGENET1K_V1'
    ].get('fields', {})


def test_weights_that_nobody_publishes_state_nothing():
    entry = weights.entry('akamaster/resnet20')
    assert (entry.url, entry.hash, entry.published, entry.class_order) == (
        None,
        None,
        None,
        'cifar10',
    )


def test_an_entry_cannot_be_changed():
    entry = weights.entry('torchvision/resnet50')
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.url = 'elsewhere'
    with pytest.raises(TypeError):
        entry.fields['num_classes'] = 3


@pytest.mark.parametrize(
    ('id', 'near'),
    [
        ('torchvision/resnet5', 'torchvision/resnet50'),
        ('torchvision/resnet50.IMAGENET1K_V3', 'V2'),
        ('tv/resnet50', 'resnet50'),
    ],
)
def test_an_unknown_id_or_tag_is_answered_with_the_nearest(id, near):
    with pytest.raises(KeyError, match=near):
        weights.entry(id)


def test_a_file_of_another_network_gives_one_error(tmp_path):
    import numpy as np

    np.savez(tmp_path / 'a.npz', **{f'layer{i}': np.zeros(3, np.float32) for i in range(5)})
    with pytest.raises(
        ValueError, match=r'57 mismatches between these arrays and torchvision/squeezenet1_1'
    ) as error:
        weights.from_file('torchvision/squeezenet1_1', tmp_path / 'a.npz')
    assert 'features.0.weight: missing, the network needs it' not in str(error.value).split('\n')[0]
    assert str(error.value).count('\n') == 21


@pytest.mark.parametrize(
    ('name', 'network'),
    [
        ('resnet50', ('resnet50', {})),
        ('resnet20', ('cifar_resnet20', {})),
        ('torchvision/resnet50', ('resnet50_v1_5', {})),
        ('torchvision/resnet50.IMAGENET1K_V1', ('resnet50_v1_5', {})),
        ('timm/vgg16_bn', ('vgg16_bn', {'dense': True})),
        ('akamaster/resnet56', ('cifar_resnet56', {})),
    ],
)
def test_a_name_an_alias_and_an_id_mean_a_registered_network(name, network):
    assert weights.model_of(name) == network


def test_an_id_of_weights_for_other_classes_means_a_network_of_these_classes():
    model, fields = weights.model_of('timm/convnext_tiny.fb_in22k')
    assert (model, fields['num_classes']) == ('convnext_tiny', 21841)


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [
        ('resnet_50', "no model named 'resnet_50'; did you mean .*resnet50"),
        ('torchvision/resnet_50', "no weights id named '.*'; did you mean .*torchvision/resnet50"),
        ('torchvision/resnet50.V9', "no published weights of torchvision/resnet50 named 'V9'"),
    ],
)
def test_what_is_neither_a_network_nor_an_id_suggests_the_nearest(name, sentence):
    with pytest.raises(KeyError, match=sentence):
        weights.model_of(name)


def test_ids_are_of_the_known_sources():
    """A misspelt source would be one of its own."""
    sources = {id.partition('/')[0] for id in weights.supported()}
    assert sources == {'akamaster', 'keras', 'timm', 'torchvision'}


@pytest.fixture
def own_weights(monkeypatch):
    """Weights that another package registers, for a network of this one; they are gone after the
    test.
    """
    monkeypatch.setattr(catalog, '_TABLE', dict(catalog._TABLE))
    monkeypatch.setattr(names, '_REGISTRANTS', {})
    weights.register(
        'mylab/linear',
        model='softmax_linear',
        rules=[torch_layers.dense('out', 'scores')],
        preprocess=weights.Preprocess.published(32, 32, 'bilinear', (0.5,) * 3, (0.2,) * 3),
        class_order='cifar10',
        license='MIT',
    )
    return 'mylab/linear'


def test_weights_of_another_package_are_read_and_stated(own_weights):
    arrays = {'out.weight': np.ones((10, 3072), np.float32), 'out.bias': np.zeros(10, np.float32)}
    model, variables = weights.from_arrays(own_weights, arrays)
    assert model == registry.create('softmax_linear')
    assert variables['params']['scores']['kernel'].shape == (3072, 10)
    entry = weights.entry(own_weights)
    assert (entry.class_order, entry.license, entry.url) == ('cifar10', 'MIT', None)
    assert entry.preprocess.protocol.crop == 32
    assert own_weights in weights.supported()
    assert names.registrants() == (__name__,)


@pytest.mark.parametrize('id', ['linear', 'mylab/linear.v1', 'a/b/c', 'mylab/'])
def test_an_id_that_is_none_is_refused(id, own_weights):
    with pytest.raises(ValueError, match="^the id of weights is 'source/name'"):
        weights.register(id, model='softmax_linear', rules=[])


def test_an_id_is_registered_once(own_weights):
    with pytest.raises(ValueError, match="'timm/resnet50' are registered already.*'resnet50_v1_5'"):
        weights.register('timm/resnet50', model='resnet50', rules=[])

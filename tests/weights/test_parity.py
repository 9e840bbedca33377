"""Our networks give the logits of torchvision, timm, Keras and akamaster, under weights made from
names alone (`synthetic.py`).

The fixtures lie in tests/fixtures/peers; the README beside them says how they were made. Further
ones, which peer_fixtures.py writes into a folder that CNNLAB_FIXTURES names, are tested likewise.
"""

import json
import os
import pathlib

import jax
import numpy as np
import pytest
from flax import linen as nn

from cnnlab import tree, weights
from cnnlab.weights import layer_diff
from tests.weights import synthetic

FOLDERS = [pathlib.Path(__file__).resolve().parents[1] / 'fixtures' / 'peers']
if os.environ.get('CNNLAB_FIXTURES'):
    FOLDERS.append(pathlib.Path(os.environ['CNNLAB_FIXTURES']))
FILES = {p.stem: p for folder in FOLDERS for p in sorted(folder.glob('*.json'))}
# of the logits' standard deviation; a faithful float32 implementation is near 1e-6 to 1e-5
TOLERANCE = 1e-4
# a second or two each
QUICK = ('akamaster__resnet20', 'torchvision__squeezenet1_1')
AUX = {
    'torchvision__googlenet': ('aux_logits1', 'aux_logits2'),
    'torchvision__inception_v3': ('aux_logits',),
}


def cases(names=FILES, quick=QUICK):
    return [
        pytest.param(n, marks=pytest.mark.slow if n in quick else pytest.mark.full) for n in names
    ]


class Fixture:
    """One network of a peer: its manifest, its synthetic arrays, and its logits."""

    def __init__(self, name):
        self.id = name.replace('__', '/')
        self.manifest = json.loads(FILES[name].read_text())
        self.logits = np.load(FILES[name].with_suffix('.npz'))
        self.arrays = synthetic.state_dict(self.manifest)
        held(self.arrays.values(), self.manifest['weights_sha256'])

    def images(self, key='input'):
        spec = self.manifest[key]
        images = synthetic.images(spec['size'], scale=spec['scale'], shift=spec['shift'])
        held([images], spec['sha256'])
        return images


def held(arrays, sha256):
    """Numpy does not promise that its random numbers never change."""
    assert synthetic.digest(arrays) == sha256, 'numpy draws other numbers than the peer was given'


def apart(ours, theirs):
    return float(np.abs(np.asarray(ours, np.float64) - theirs).max() / theirs.std())


def run(model, variables, images):
    return np.asarray(jax.jit(model.apply)(variables, images))


def test_every_fixture_is_of_a_network_that_is_known_here():
    assert sorted({n.replace('__', '/') for n in FILES} - set(weights.supported())) == []


@pytest.mark.parametrize('name', cases())
def test_logits_are_the_peers_at_both_sizes(name, record_property):
    fixture = Fixture(name)
    model, variables = weights.from_arrays(fixture.id, fixture.arrays)
    if fixture.manifest['source'] != 'torchvision' or name not in AUX:
        assert tree.count(variables['params']) == fixture.manifest['n_params']
    error = apart(run(model, variables, fixture.images()), fixture.logits['logits_f64'])
    record_property('error', error)
    assert error < TOLERANCE, layer_diff.locate(
        model,
        variables,
        fixture.images(),
        fixture.manifest['activations'],
        channels_first=fixture.manifest['source'] != 'keras',
    )
    if 'logits_alt' in fixture.logits:
        other = apart(
            run(model, variables, fixture.images('input_alt')), fixture.logits['logits_alt']
        )
        record_property('other', other)
        assert other < TOLERANCE, (
            f'the native size agrees, {fixture.manifest["input_alt"]["size"]} pixels do not'
        )


@pytest.mark.parametrize('name', cases())
def test_arrays_come_back_bit_for_bit(name):
    fixture = Fixture(name)
    _, variables = weights.from_arrays(fixture.id, fixture.arrays)
    back = weights.to_arrays(fixture.id, variables)
    assert set(back) == set(fixture.arrays)
    for key, array in fixture.arrays.items():
        assert (back[key].dtype, back[key].shape) == (array.dtype, array.shape), key
        assert back[key].tobytes() == array.tobytes(), key


def without_dropout(call, args, kwargs, context):
    """What the peers' stored training logits were made with: every dropout passes its input on."""
    return args[0] if isinstance(context.module, nn.Dropout) else call(*args, **kwargs)


@pytest.mark.parametrize('name', [pytest.param(n, marks=pytest.mark.full) for n in AUX])
def test_training_logits_and_auxiliary_heads_are_the_peers(name):
    fixture = Fixture(name)
    model, variables = weights.from_arrays(fixture.id, fixture.arrays)
    assert model.aux
    assert tree.count(variables['params']) == fixture.manifest['n_params']

    def train(variables, images):
        with nn.intercept_methods(without_dropout):
            return model.apply(
                variables,
                images,
                train=True,
                mutable=['batch_stats'],
                rngs={'dropout': jax.random.key(0)},
            )

    (logits, *heads), _ = jax.jit(train)(variables, fixture.images())
    assert apart(logits, fixture.logits['train_logits_f64']) < 2e-3
    assert len(heads) == len(AUX[name])
    for head, key in zip(heads, AUX[name], strict=True):
        assert apart(head, fixture.logits[f'train_{key}_f64']) < 5e-3


@pytest.mark.parametrize('name', [pytest.param(n, marks=pytest.mark.full) for n in AUX])
def test_the_transform_of_the_published_weights_is_the_peers(name):
    fixture = Fixture(name)
    model, variables = weights.from_arrays(
        fixture.id, fixture.arrays, fields={'transform_input': True}
    )
    assert (
        apart(run(model, variables, fixture.images()), fixture.logits['logits_transform_input'])
        < TOLERANCE
    )


@pytest.mark.slow
def test_the_first_layer_that_diverges_is_named():
    fixture = Fixture('akamaster__resnet20')
    rows, images = fixture.manifest['activations'], fixture.images()
    model, variables = weights.from_arrays(fixture.id, fixture.arrays)
    assert layer_diff.locate(model, variables, images, rows, channels_first=True).first is None
    wrong = dict(fixture.arrays)
    # height and width exchanged
    wrong['layer2.1.conv1.weight'] = wrong['layer2.1.conv1.weight'].transpose(0, 1, 3, 2)
    model, variables = weights.from_arrays(fixture.id, wrong)
    assert apart(run(model, variables, images), fixture.logits['logits_f64']) > TOLERANCE
    found = layer_diff.locate(model, variables, images, rows, channels_first=True)
    assert (found.after, found.first) == ('layer2.0', 'layer2.1')
    assert str(found).endswith('the last of them layer2.0; the first that does not is layer2.1')

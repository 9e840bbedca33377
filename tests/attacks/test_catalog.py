"""The catalog of attacks: budgets, outcomes, curves, transfer, all families, batches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.attacks import catalog, gradient
from cnnlab.attacks import target as targets
from cnnlab.attacks.batches import over
from cnnlab.attacks.deepfool import _iteration
from cnnlab.models import registry
from cnnlab.nn.layers import reference_convolution
from tests.attacks.nets import classifier, small

QUICK = catalog.Settings(steps=3, batch=6, generations=2, population=10)


@pytest.mark.slow
@pytest.mark.parametrize('name', catalog.ATTACKS)
def test_every_attack_changes_images_within_its_budget(name):
    net, images, labels = small()
    n = 2 if name == 'lbfgs' else 7
    images, labels = images[:n], labels[:n]
    attack, told = catalog.get(name), []
    epsilon = {'linf': 6 / 255, 'l2': 0.4, 'l0': 0.0}[attack.norm]
    found = catalog.attack(net, name, images, labels, epsilon, QUICK, told.append)
    assert found.images.shape == images.shape and found.images.dtype == np.float32
    assert found.images.min() >= 0 and found.images.max() <= 1
    assert told == sorted(told) and told[-1] == n
    again = np.asarray(targets.logits(net, found.images))
    np.testing.assert_allclose(found.scores, again, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.right, again.argmax(1) == labels)
    if attack.budgeted:
        assert 0 < found.size[attack.norm].max() <= epsilon
    elif name != 'one_pixel':
        assert not found.right.all() and (found.size[attack.norm] > 0).all()
    else:
        assert (found.size['l0'] <= 1).all()
    np.testing.assert_array_equal(
        catalog.attack(net, name, images, labels, epsilon, QUICK).images, found.images
    )


def test_attacks_without_a_budget_are_counted_within_each():
    net, images, labels = small()
    least = catalog.attack(net, 'deepfool', images, labels)
    middle = float(np.median(least.size['l2']))
    none, half, all_ = catalog.curve(net, 'deepfool', images, labels, [0.0, middle, 1e3])
    assert none.right.all() and all_.right.mean() < 0.5
    np.testing.assert_array_equal(all_.right, least.right)
    np.testing.assert_array_equal(half.right, least.right | (least.size['l2'] > middle))
    far = least.size['l2'] > middle
    np.testing.assert_array_equal(half.images[far], images[far])
    assert half.size['l2'].max() <= middle


def test_curves_fall_with_the_budget():
    net, images, labels = small()
    found = catalog.curve(net, 'fgsm', images, labels, [0.0, 2 / 255, 20 / 255])
    shares = [o.right.mean() for o in found]
    assert shares[0] == 1 > shares[2] and shares == sorted(shares, reverse=True)


@pytest.mark.slow
def test_transfer_is_strongest_on_the_network_itself():
    nets = {'first': small()[0], 'second': small(seed=1)[0]}
    images, labels = small()[1:]
    found = catalog.transfer(nets, 'fgsm', images, labels, 8 / 255, QUICK)
    own = catalog.attack(nets['first'], 'fgsm', images, labels, 8 / 255, QUICK).right.mean()
    assert found.shape == (2, 2) and found[0, 0] == own
    truth = (np.asarray(targets.logits(nets['second'], images)).argmax(1) == labels).mean()
    assert found[0, 1] <= truth + 0.2


def test_nan_is_wrong():
    net, images, labels = small()
    broken = net.replace(
        variables=jax.tree.map(
            lambda a: np.full_like(a, np.nan) if a.shape == (5,) else a, net.variables
        )
    )
    assert not catalog.outcome(broken, images, images, labels).right.any()


def test_batches_are_filled_up_and_cut_off():
    seen = []

    def attack(x, y):
        seen.append(x.tolist())
        return 10 * x + y

    assert over(attack, np.arange(5), np.ones(5), batch=3, advance=seen.append).tolist() == [
        1,
        11,
        21,
        31,
        41,
    ]
    assert seen == [[0, 1, 2], 3, [3, 4, 0], 5]
    seen.clear()
    over(attack, np.arange(6), np.ones(6), batch=5)
    # batches are even: batches of five would compute four rows for nothing
    assert seen == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match='a batch has at least 1 row'):
        over(attack, np.arange(5), np.ones(4), batch=3)


def test_an_unknown_attack_names_the_nearest():
    with pytest.raises(KeyError, match="no attack named 'fgms'; did you mean fgsm"):
        catalog.get('fgms')


FAMILIES = [
    ('lenet5_dense', 32, 1),
    ('alexnet', 227, 3),
    ('vgg11', 224, 3),
    ('googlenet', 224, 3),
    ('cifar_resnet20', 32, 3),
    ('cifar_densenet40_12', 32, 3),
    ('squeezenet1_1', 64, 3),
    ('mobilenet_v2', 64, 3),
    ('shufflenet_v2_x1_0', 64, 3),
    ('nin', 224, 3),
]


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'size', 'channels'), FAMILIES, ids=[f[0] for f in FAMILIES])
def test_ten_families_in_both_precisions(name, size, channels):
    """On shapes only: the parts that all attacks share trace, and return float32 images."""
    # this network traces fastest
    with reference_convolution():
        _traces(registry.create(name), size, channels)


def _traces(model, size, channels):
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), image)
    for n, dtype in ((1, 'bfloat16'), (16, 'float32')):
        net = classifier(model, variables, (120.0,) * channels, (60.0,) * channels, dtype=dtype)
        images, labels = (
            jax.ShapeDtypeStruct((n, size, size, channels), jnp.float32),
            jax.ShapeDtypeStruct((n,), jnp.int32),
        )
        found = jax.eval_shape(
            lambda net, x, y: gradient.ascend(
                functools.partial(targets.forward, net), x, x, y, 0.1, 0.1
            ),
            net,
            images,
            labels,
        )
        assert found.shape == images.shape and found.dtype == jnp.float32
    column = jax.ShapeDtypeStruct((n, 1), jnp.int32)
    found, at, inside = jax.eval_shape(
        lambda *a: _iteration(*a, 0.02, norm='l2'), net, images, images, column, column
    )
    assert found.shape == at.shape == images.shape and inside.shape == (n,)

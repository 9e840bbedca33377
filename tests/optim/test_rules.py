"""Optimizers against their formulas in numpy and against torch, in float64."""

import pathlib

import jax
import numpy as np
import optax
import pytest

from cnnlab.optim import rules
from tests.optim.problem import DECAY, RHO, START, STEPS, gradient, rate

TORCH = np.load(pathlib.Path(__file__).with_name('torch_trajectories.npz'))


def coupled(update, beta2=None, eps=None):
    def run(w):
        memory = {}
        for t in range(STEPS):
            w = update(
                w,
                gradient(w, t) + DECAY * w,
                t,
                memory,
                *(x for x in (beta2, eps) if x is not None),
            )
        return w

    return run


def sgd(w, g, t, _):
    return w - rate(t) * g


def momentum(w, g, t, m):
    m['v'] = RHO * m.get('v', 0) + g
    return w - rate(t) * m['v']


def momentum_caffe(w, g, t, m):
    m['v'] = RHO * m.get('v', 0) + rate(t) * g
    return w - m['v']


def nesterov(w, g, t, m):
    m['v'] = RHO * m.get('v', 0) + g
    return w - rate(t) * (g + RHO * m['v'])


def nesterov_caffe(w, g, t, m):
    """As in Caffe's solver: from the old velocity and the new one."""
    old = m.get('v', 0)
    m['v'] = RHO * old + rate(t) * g
    return w - ((1 + RHO) * m['v'] - RHO * old)


def adagrad(w, g, t, m, eps):
    m['s'] = m.get('s', 0) + g * g
    return w - rate(t) * g / (np.sqrt(m['s']) + eps)


def adadelta(w, g, t, m, beta2, eps):
    m['g'] = beta2 * m.get('g', 0) + (1 - beta2) * g * g
    change = np.sqrt(m.get('x', 0) + eps) / np.sqrt(m['g'] + eps) * g
    m['x'] = beta2 * m.get('x', 0) + (1 - beta2) * change**2
    return w - rate(t) * change


def rmsprop(w, g, t, m, beta2, eps):
    m['s'] = beta2 * m.get('s', 0) + (1 - beta2) * g * g
    m['v'] = RHO * m.get('v', 0) + g / (np.sqrt(m['s']) + eps)
    return w - rate(t) * m['v']


def rmsprop_tf(w, g, t, m, beta2, eps):
    m['s'] = beta2 * m.get('s', 1) + (1 - beta2) * g * g
    m['v'] = RHO * m.get('v', 0) + rate(t) * g / np.sqrt(m['s'] + eps)
    return w - m['v']


def adam_direction(g, t, m, eps=1e-8, beta2=0.999):
    m['m'] = RHO * m.get('m', 0) + (1 - RHO) * g
    m['v'] = beta2 * m.get('v', 0) + (1 - beta2) * g * g
    return m['m'] / (1 - RHO ** (t + 1)) / (np.sqrt(m['v'] / (1 - beta2 ** (t + 1))) + eps)


def adam(w, g, t, m):
    return w - rate(t) * adam_direction(g, t, m)


def adamw(w):
    memory = {}
    for t in range(STEPS):
        w = w - rate(t) * (adam_direction(gradient(w, t), t, memory) + DECAY * w)
    return w


def lars(w):
    v = 0
    for t in range(STEPS):
        g = gradient(w, t)
        local = 0.001 * np.linalg.norm(w) / (np.linalg.norm(g) + DECAY * np.linalg.norm(w))
        v = RHO * v + rate(t) * local * (g + DECAY * w)
        w = w - v
    return w


def lamb(w):
    memory = {}
    for t in range(STEPS):
        r = adam_direction(gradient(w, t), t, memory, eps=1e-6) + DECAY * w
        w = w - rate(t) * np.linalg.norm(w) / np.linalg.norm(r) * r
    return w


def orthogonalized(m):
    """Five quintic Newton-Schulz steps."""
    x = m / (np.linalg.norm(m) + 1e-8)
    x = x.T if m.shape[0] > m.shape[1] else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if m.shape[0] > m.shape[1] else x


def muon(w):
    """For a kernel (height, width, channels, features), as a matrix of inputs by features."""
    m, inputs, features = 0, np.prod(w.shape[:-1]), w.shape[-1]
    for t in range(STEPS):
        g = gradient(w, t).reshape(inputs, features)
        m = RHO * m + (1 - RHO) * g
        ahead = RHO * m / (1 - RHO ** (t + 2)) + (1 - RHO) * g / (1 - RHO ** (t + 1))
        direction = orthogonalized(ahead) * np.sqrt(max(1, features / inputs))
        w = w - rate(t) * (direction.reshape(w.shape) + DECAY * w)
    return w


RULES = {
    **{
        f.__name__: coupled(f)
        for f in (sgd, momentum, momentum_caffe, nesterov, nesterov_caffe, adam)
    },
    'adagrad': coupled(adagrad, eps=1e-10),
    'adadelta': coupled(adadelta, 0.9, 1e-6),
    'rmsprop': coupled(rmsprop, 0.99, 1e-8),
    'rmsprop_tf': coupled(rmsprop_tf, 0.9, 1e-10),
    'adamw': adamw,
    'lars': lars,
    'lamb': lamb,
    'muon': muon,
}


def run(name, start=START, steps=STEPS, path='kernel', **options):
    """Returns the weights after each step, float64 (steps, ...)."""
    with jax.enable_x64(True):
        tx = rules.build(name, rate_of, momentum=RHO, weight_decay=DECAY, **options)
        params, out = {path: jax.numpy.asarray(start)}, []
        state = tx.init(params)
        update = jax.jit(tx.update) if name == 'muon' else tx.update
        for t in range(steps):
            updates, state = update(
                {path: jax.numpy.asarray(gradient(np.asarray(params[path]), t))}, state, params
            )
            params = optax.apply_updates(params, updates)
            out.append(np.asarray(params[path]))
        return np.stack(out)


def rate_of(t):
    return 0.1 * 0.5 ** (t // 7)


@pytest.mark.parametrize('name', sorted(rules.RULES))
def test_a_rule_is_its_formula_over_twenty_steps(name):
    start = np.sin(np.arange(2 * 1 * 2 * 5.0)).reshape(2, 1, 2, 5) if name == 'muon' else START
    np.testing.assert_allclose(run(name, start)[-1], RULES[name](start), rtol=0, atol=1e-9)


@pytest.mark.parametrize('name', sorted(TORCH.files))
def test_a_rule_is_torchs_in_every_step(name):
    np.testing.assert_allclose(run(name), TORCH[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize('name', ['momentum', 'nesterov'])
def test_the_forms_of_momentum_are_one_until_the_rate_changes(name):
    torch, caffe = run(name), run(f'{name}_caffe')
    # the rate is halved after seven steps
    np.testing.assert_allclose(torch[:7], caffe[:7], rtol=0, atol=1e-12)
    assert np.abs(torch[7] - caffe[7]).min() > 1e-3


def test_muon_leaves_what_is_no_kernel_to_adam():
    with jax.enable_x64(True):
        memory, w = {}, START
        for t in range(3):
            w = w - rate(t) * (adam_direction(gradient(w, t), t, memory) + DECAY * w)
    np.testing.assert_allclose(run('muon', steps=3, path='bias')[-1], w, rtol=0, atol=1e-9)


def test_beta2_and_eps_are_those_given():
    found = run('rmsprop_tf', beta2=0.5, eps=1.0)[-1]
    np.testing.assert_allclose(found, coupled(rmsprop_tf, 0.5, 1.0)(START), rtol=0, atol=1e-9)
    assert np.abs(found - RULES['rmsprop_tf'](START)).max() > 1e-3


def test_decay_is_coupled_or_decoupled_as_asked():
    """Adam with decoupled decay is AdamW, and AdamW with coupled decay is Adam; decoupled from
    momentum, the decay subtracts rate * decay * w.
    """
    np.testing.assert_array_equal(run('adam', weight_decay_form='decoupled'), run('adamw'))
    np.testing.assert_array_equal(run('adamw', weight_decay_form='coupled'), run('adam'))
    v, w = 0, START
    for t in range(STEPS):
        v = RHO * v + gradient(w, t)
        w = w - rate(t) * (v + DECAY * w)
    np.testing.assert_allclose(
        run('momentum', weight_decay_form='decoupled')[-1], w, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize('name', ['momentum', 'adamw', 'lars', 'lamb'])
def test_decay_spares_what_the_patterns_leave_out(name):
    params = {'conv': {'kernel': np.ones(2, np.float32), 'bias': np.ones(2, np.float32)}}
    tx = rules.build(name, lambda _: 0.1, weight_decay=0.5, weight_decay_mask=('kernel$',))
    updates, _ = tx.update(jax.tree.map(np.zeros_like, params), tx.init(params), params)
    assert (np.asarray(updates['conv']['kernel']) < 0).all()
    np.testing.assert_array_equal(updates['conv']['bias'], 0)


@pytest.mark.parametrize('name', ['lars', 'lamb'])
def test_layerwise_ratios_spare_the_same_parameters(name):
    """With the ratio a weight ten times as large moves ten times as far; without it, as far as
    before.
    """

    def moved(scale, path):
        params = {path: scale * np.ones(4, np.float32)}
        tx = rules.build(name, lambda _: 0.1, weight_decay_mask=(f'{path}$',))
        return np.asarray(
            tx.update({path: np.ones(4, np.float32)}, tx.init(params), params)[0][path]
        )

    def spared(scale):
        params = {'kernel': np.ones(4, np.float32), 'bias': scale * np.ones(4, np.float32)}
        tx = rules.build(name, lambda _: 0.1, weight_decay_mask=('kernel$',))
        return np.asarray(
            tx.update(
                {'kernel': np.ones(4, np.float32), 'bias': np.ones(4, np.float32)},
                tx.init(params),
                params,
            )[0]['bias']
        )

    np.testing.assert_allclose(moved(10, 'kernel'), 10 * moved(1, 'kernel'), rtol=1e-5)
    np.testing.assert_allclose(spared(10), spared(1), rtol=1e-6)


@pytest.mark.parametrize(
    ('fields', 'sentence'),
    [
        ({'name': 'nesterof'}, "no optimizer named 'nesterof'; did you mean nesterov"),
        ({'weight_decay': -1}, 'weight decay must not be negative, got -1'),
        ({'momentum': 1.0}, 'momentum is at least 0 and below 1, got 1.0'),
        ({'beta2': -0.1}, 'beta2 is at least 0 and below 1, got -0.1'),
        ({'eps': -1e-8}, 'eps must not be negative'),
        (
            {'weight_decay_form': 'decopled'},
            "no form of weight decay named 'decopled'; did you mean decoupled",
        ),
        (
            {'name': 'lars', 'weight_decay_form': 'decoupled'},
            "the ratio of 'lars' contains its weight decay",
        ),
    ],
)
def test_mistakes_are_one_sentence(fields, sentence):
    with pytest.raises((KeyError, ValueError), match=sentence):
        rules.build(**{'name': 'sgd', 'learning_rate': lambda _: 0.1, **fields})


def test_a_pattern_that_matches_no_parameter_is_named():
    tx = rules.build(
        'sgd', lambda _: 0.1, weight_decay=0.1, weight_decay_mask=('kernel$', 'kernal')
    )
    with pytest.raises(ValueError, match=r"patterns \['kernal'\] match no parameter"):
        tx.init({'kernel': np.ones(2)})

"""Optimisers against the rules written in numpy, in float64."""
import jax
import numpy as np
import optax
import pytest

from cnnlab.optim import rules, schedules

STEPS, DECAY, RHO = 20, 0.01, 0.9


def rates(t):
    return 0.1 * 0.5 ** (t // 7)


def gradient(w, t):
    return np.sin(3 * w + t)


def coupled(update):
    def run(w):
        memory = {}
        for t in range(STEPS):
            w = update(w, gradient(w, t) + DECAY * w, t, memory)
        return w
    return run


def sgd(w, g, t, _):
    return w - rates(t) * g


def momentum(w, g, t, m):
    m['v'] = RHO * m.get('v', 0) + g
    return w - rates(t) * m['v']


def nesterov(w, g, t, m):
    m['v'] = RHO * m.get('v', 0) + g
    return w - rates(t) * (g + RHO * m['v'])


def adam_step(g, t, m):
    m['m'] = RHO * m.get('m', 0) + (1 - RHO) * g
    m['v'] = 0.999 * m.get('v', 0) + 0.001 * g * g
    return m['m'] / (1 - RHO ** (t + 1)) / (np.sqrt(m['v'] / (1 - 0.999 ** (t + 1))) + 1e-8)


def adam(w, g, t, m):
    return w - rates(t) * adam_step(g, t, m)


def adamw(w):
    memory = {}
    for t in range(STEPS):
        w = w - rates(t) * (adam_step(gradient(w, t), t, memory) + DECAY * w)
    return w


RULES = {**{f.__name__: coupled(f) for f in (sgd, momentum, nesterov, adam)}, 'adamw': adamw}


@pytest.mark.parametrize('name', sorted(rules.RULES))
def test_a_rule_is_its_formula_over_twenty_steps(name):
    start = np.linspace(-1, 1, 7)
    with jax.enable_x64(True):
        tx = rules.build(name, lambda t: 0.1 * 0.5 ** (t // 7), momentum=RHO, decay=DECAY)
        params = {'kernel': jax.numpy.asarray(start)}
        state = tx.init(params)
        for t in range(STEPS):
            updates, state = tx.update({'kernel': jax.numpy.asarray(gradient(np.asarray(params['kernel']), t))}, state, params)
            params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params['kernel'], RULES[name](start), rtol=0, atol=1e-9)


@pytest.mark.parametrize('name', ['momentum', 'adamw'])
def test_decay_spares_what_the_patterns_leave_out(name):
    params = {'conv': {'kernel': np.ones(2), 'bias': np.ones(2)}}
    tx = rules.build(name, lambda _: 0.1, decay=0.5, decayed=('kernel$',))
    updates, _ = tx.update(jax.tree.map(np.zeros_like, params), tx.init(params), params)
    np.testing.assert_allclose(updates['conv']['kernel'], -0.05, rtol=1e-6)
    np.testing.assert_array_equal(updates['conv']['bias'], 0)


def test_mistakes_are_one_sentence():
    with pytest.raises(KeyError, match="no optimiser named 'nesterof'; did you mean nesterov"):
        rules.build('nesterof', lambda _: 0.1)
    with pytest.raises(ValueError, match='weight decay must not be negative, got -1'):
        rules.build('sgd', lambda _: 0.1, decay=-1)


def test_he_et_al_divide_the_rate_by_ten_at_32k_and_48k():
    rate = schedules.build('step', 0.1, 64_000, boundaries=(0.5, 0.75))
    found = [rate(t) for t in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_a_constant_warm_up_leaves_the_boundaries_where_they_are():
    rate = schedules.build('step', 0.1, 64_000, boundaries=(0.5, 0.75), warmup=400, warmup_start=0.1, warmup_form='constant')
    np.testing.assert_allclose([rate(t) for t in (0, 399, 400, 31_999, 32_000)], [0.01, 0.01, 0.1, 0.1, 0.01], rtol=1e-5)


def test_a_linear_warm_up_rises_to_the_rate_and_the_cosine_ends_at_zero():
    rate = schedules.build('cosine', 0.4, 100, warmup=10)
    np.testing.assert_allclose([rate(0), rate(5), rate(10), rate(55), rate(100)], [0, 0.2, 0.4, 0.2, 0], atol=1e-6)


@pytest.mark.parametrize(('fields', 'sentence'), [
    ({'name': 'cosin'}, "no schedule named 'cosin'; did you mean cosine"), ({'rate': -0.1}, 'must not be negative, got -0.1'),
    ({'warmup': 11}, 'a warm-up of 11 steps is longer than the run of 10'), ({'warmup_form': 'log'}, "no form of warm-up named 'log'"),
    ({'name': 'step', 'boundaries': (0.75, 0.5)}, 'rising shares of the run'),
    ({'name': 'step', 'boundaries': (32_000,)}, 'between 0 and 1')])
def test_a_schedule_that_cannot_be_is_one_sentence(fields, sentence):
    with pytest.raises((KeyError, ValueError), match=sentence):
        schedules.build(**{'name': 'cosine', 'rate': 0.1, 'steps': 10, **fields})

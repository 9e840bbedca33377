"""Fooling images: gradient ascent, CPPNs and their evolution."""

import jax
import numpy as np
import pytest

from cnnlab.attacks import cppn, fooling
from cnnlab.attacks import target as targets
from tests.attacks.nets import small


@pytest.mark.slow
def test_ascent_raises_the_probability_of_each_class():
    net, images, _ = small()
    before = np.asarray(
        jax.nn.softmax(targets.logits(net, np.full((1, 12, 12, 3), 120 / 255, np.float32)))
    )[0]
    told = []
    found, p = fooling.ascent(net, [0, 3, 3], (12, 12, 3), steps=150, advance=told.append)
    assert (
        found.shape == (3, 12, 12, 3) and found.min() >= 0 and found.max() <= 1 and told[-1] == 150
    )
    again = np.asarray(jax.nn.softmax(targets.logits(net, found)))
    np.testing.assert_allclose(p, again[range(3), [0, 3, 3]], atol=1e-4)
    assert (p > before[[0, 3, 3]] + 0.2).all()
    # their noise differs
    assert not np.array_equal(found[1], found[2])


@pytest.mark.slow
def test_evolution_keeps_a_champion_for_every_class_and_only_gets_better():
    net, _, _ = small()
    told = []
    _, first, _ = fooling.evolve(net, (12, 12, 3), generations=0, population=30)
    images, later, genomes = fooling.evolve(
        net, (12, 12, 3), generations=8, population=30, advance=lambda *a: told.append(a)
    )
    assert (later >= first).all() and later.sum() > first.sum()
    p = np.asarray(jax.nn.softmax(targets.logits(net, images)))
    np.testing.assert_allclose(p[range(5), range(5)], later, atol=1e-5)
    np.testing.assert_array_equal(cppn.render(genomes[2], 12, 12), images[2])
    assert [g for g, _ in told] == list(range(9)) and told[-1][1] == pytest.approx(np.median(later))


def test_a_genome_is_a_function_of_the_place():
    genome = cppn.Genome(('linear', 'gaussian', 'sine'), {(0, 4): 1.0, (2, 5): 2.0, (4, 6): 3.0}, 2)
    found = cppn.render(genome, 5, 9)
    y, x = np.mgrid[-1:1:5j, -1:1:9j]
    np.testing.assert_allclose(found[..., 0], np.exp(-4 * (x**2 + y**2)), atol=1e-6)
    np.testing.assert_allclose(found[..., 1], np.abs(np.sin(3 * x)), atol=1e-6)
    assert cppn.render(genome, 3, 3).shape == (3, 3, 2)


def test_mutations_keep_signals_going_forward():
    rng = np.random.default_rng(0)
    genome, sizes, kinds = cppn.random(3, rng), set(), set()
    for _ in range(400):
        genome = cppn.mutated(genome, rng)
        neurons = cppn.INPUTS + len(genome.kinds)
        for (source, to), weight in genome.links.items():
            assert (
                0 <= source < to < neurons
                and to >= cppn.INPUTS
                and source < neurons - genome.outputs
            )
            assert abs(weight) <= 10
        assert len(genome.kinds) >= genome.outputs == 3
        sizes.add(len(genome.kinds))
        kinds.update(genome.kinds)
    assert len(sizes) > 5 and kinds == set(cppn.KINDS)
    image = cppn.render(genome, 6, 7)
    assert (
        image.shape == (6, 7, 3)
        and np.isfinite(image).all()
        and image.min() >= 0
        and image.max() <= 1
    )


def test_splitting_a_link_keeps_what_a_linear_neuron_passes_on():
    genome = cppn.Genome(('linear',), {(0, 4): 2.0}, 1)
    kinds, links = cppn._split(list(genome.kinds), genome.links, 1, np.random.default_rng(0))
    assert links == {(0, 4): 1.0, (4, 5): 2.0} and len(kinds) == 2
    kinds, links = cppn._without(kinds, {**links, (1, 5): 0.5}, 4)
    assert (kinds, links) == (['linear'], {(1, 4): 0.5})


@pytest.mark.parametrize(
    ('call', 'said'),
    [
        (lambda n: fooling.ascent(n, [9], (12, 12, 3)), "class 9 is none of the network's 5"),
        (
            lambda n: fooling.ascent(n, [1], (12, 12, 1)),
            'images of 12 x 12 x 1 do not fit|broadcast',
        ),
        (lambda n: fooling.ascent(n, [1], (12, 12, 3), steps=0), 'at least one step, not 0'),
        (lambda n: fooling.evolve(n, (12, 12, 3), population=0), 'a population of at least 1'),
    ],
)
def test_mistakes_are_told_in_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call(small()[0])

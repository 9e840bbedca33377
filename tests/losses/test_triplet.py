"""Triplet losses against loops over all triplets of a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.losses import triplet


def by_loop(embeddings, labels, margin):
    """Returns the loss of each anchor's farthest positive and nearest negative, float (n,)."""
    out = np.zeros(len(labels))
    for a in range(len(labels)):
        apart = np.linalg.norm(embeddings - embeddings[a], axis=1)
        positives = [apart[i] for i in range(len(labels)) if i != a and labels[i] == labels[a]]
        negatives = [apart[i] for i in range(len(labels)) if labels[i] != labels[a]]
        if positives and negatives:
            out[a] = max(0, max(positives) - min(negatives) + margin)
    return out


@pytest.mark.slow
def test_it_takes_the_hardest_of_all_triplets():
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(12, 5)).astype(np.float32), rng.integers(0, 4, 12)
    # alone in its class
    labels[0] = 9
    found = triplet.batch_hard(jnp.asarray(embeddings), jnp.asarray(labels), 0.5)
    np.testing.assert_allclose(found, by_loop(embeddings, labels, 0.5), atol=1e-5)
    assert found[0] == 0 and (np.asarray(found[1:]) > 0).any()


def semi_hard_by_loop(embeddings, labels, margin):
    """Returns the mean loss over each anchor's positives, float (n,).

    Each positive has the nearest negative beyond it, or the farthest negative of all.
    """
    out = np.zeros(len(labels))
    for a in range(len(labels)):
        apart = np.linalg.norm(embeddings - embeddings[a], axis=1)
        negatives = apart[labels != labels[a]]
        values = []
        for i in np.flatnonzero((labels == labels[a]) & (np.arange(len(labels)) != a)):
            beyond = negatives[negatives > apart[i]]
            values.append(
                max(0, apart[i] - (beyond.min() if len(beyond) else negatives.max()) + margin)
            )
        out[a] = np.mean(values) if values else 0
    return out


@pytest.mark.slow
def test_semi_hard_takes_the_nearest_negative_beyond_each_positive():
    rng = np.random.default_rng(1)
    embeddings, labels = rng.normal(size=(14, 4)).astype(np.float32), rng.integers(0, 3, 14)
    # alone in its class
    labels[0] = 9
    # farther from its positives than any negative is
    embeddings[1] *= 5
    found = triplet.semi_hard(jnp.asarray(embeddings), jnp.asarray(labels), 0.5)
    np.testing.assert_allclose(found, semi_hard_by_loop(embeddings, labels, 0.5), atol=1e-5)
    assert (
        found[0] == 0
        and np.abs(
            found - triplet.batch_hard(jnp.asarray(embeddings), jnp.asarray(labels), 0.5)
        ).max()
        > 0.1
    )


@pytest.mark.slow
def test_separated_classes_lose_nothing_and_one_class_has_no_triplets():
    points, labels = jnp.asarray([[0.0, 0], [0, 0.1], [5, 5], [5, 5.1]]), jnp.asarray([0, 0, 1, 1])
    for loss in (triplet.batch_hard, triplet.semi_hard):
        np.testing.assert_array_equal(loss(points, labels), 0)
        np.testing.assert_array_equal(loss(points, jnp.zeros(4, int)), 0)


@pytest.mark.parametrize('labels', [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 2, 3]])
def test_gradients_are_finite_where_points_coincide_or_triplets_are_missing(labels):
    for loss in (triplet.batch_hard, triplet.semi_hard):
        gradient = jax.grad(lambda x, loss=loss: loss(x, jnp.asarray(labels)).sum())(
            jnp.zeros((4, 3))
        )
        assert np.isfinite(gradient).all()

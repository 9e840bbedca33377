"""Batches by class and recall by nearest neighbor."""

import numpy as np
import pytest

from cnnlab.train import embedding

LABELS = np.repeat(np.arange(5), [4, 6, 3, 5, 7])


def test_a_batch_holds_so_many_images_of_so_many_classes_and_depends_on_seed_and_step():
    chosen = embedding.batch_of_classes(LABELS, 0, 3, classes=4, images=3)
    assert len(set(chosen)) == 12
    assert (np.unique(LABELS[chosen], return_counts=True)[1] == 3).all() and len(
        set(LABELS[chosen])
    ) == 4
    np.testing.assert_array_equal(chosen, embedding.batch_of_classes(LABELS, 0, 3, 4, 3))
    assert any(
        not np.array_equal(chosen, embedding.batch_of_classes(LABELS, s, t, 4, 3))
        for s, t in ((1, 3), (0, 4))
    )
    with pytest.raises(ValueError, match='a batch takes 6 classes, but the set has 5'):
        embedding.batch_of_classes(LABELS, 0, 0, 6, 1)
    with pytest.raises(ValueError, match='takes 4 images of each class, but class 2 has 3'):
        embedding.batch_of_classes(LABELS, 0, 0, 2, 4)


def test_recall_counts_images_whose_nearest_other_is_of_their_class():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(1_230, 3)), rng.integers(0, 3, 1_230)
    points[:, 0] += labels
    apart = np.square(points[:, None] - points[None]).sum(-1)
    np.fill_diagonal(apart, np.inf)
    assert embedding.recall_at_1(points, labels) == (labels[apart.argmin(1)] == labels).mean()
    assert 0.4 < embedding.recall_at_1(points, labels) < 0.9

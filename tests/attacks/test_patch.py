"""Patches: their positions, their disk, and that they change predictions to their class."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.attacks import patch
from cnnlab.attacks import target as targets
from tests.attacks.nets import small


def test_only_the_disk_is_laid_and_it_is_turned():
    images = np.zeros((2, 40, 50, 1), np.float32)
    # dark left, bright right
    sticker = np.broadcast_to(
        np.linspace(0.2, 0.9, 16, dtype=np.float32).reshape(1, 16, 1), (16, 16, 1)
    )
    where = patch.Places(
        *(jnp.array(v, jnp.float32) for v in ([20, 15], [25, 30], [20, 10], [0, np.pi / 2]))
    )
    found = np.asarray(patch.paste(jnp.asarray(images), jnp.asarray(sticker), where))[..., 0]
    y, x = np.mgrid[:40, :50]
    for image, row, column, diameter in zip(found, (20, 15), (25, 30), (20, 10), strict=True):
        np.testing.assert_array_equal(
            image > 0, (y - row) ** 2 + (x - column) ** 2 <= (diameter / 2) ** 2
        )
    np.testing.assert_allclose(found[0, 20, 15:36], np.linspace(0.2, 0.9, 21), atol=0.01)
    # a quarter turn: left is above
    np.testing.assert_allclose(found[1, 10:21, 30], np.linspace(0.2, 0.9, 11), atol=0.02)


def test_places_keep_the_disk_within_the_image():
    found = patch.places(jax.random.key(0), 500, 30, 60, 0.2, 0.6)
    radius = found.diameter / 2
    assert (
        (found.diameter >= 6).all()
        and (found.diameter <= 18).all()
        and float(found.diameter.max() - found.diameter.min()) > 11
    )
    assert (found.row >= radius).all() and (found.row <= 29 - radius).all()
    assert (
        (found.column >= radius).all()
        and (found.column <= 59 - radius).all()
        and float(found.column.max()) > 45
    )
    assert float(jnp.abs(found.angle).max()) <= np.deg2rad(22.5) + 1e-6


@pytest.mark.slow
def test_training_pulls_images_to_the_class():
    net, images, labels = small(16)
    goal = int(np.bincount(labels, minlength=5).argmax())
    others = labels != goal
    told = []
    made = patch.train(
        net,
        images,
        goal,
        side=8,
        steps=40,
        low=0.6,
        high=0.8,
        batch=8,
        learning_rate=0.1,
        advance=lambda *a: told.append(a),
    )
    assert made.shape == (8, 8, 3) and made.min() >= 0 and made.max() <= 1 and told[-1][0] == 40
    p = [
        np.asarray(jax.nn.log_softmax(targets.logits(net, x)))[others, goal].mean()
        for x in (
            images,
            patch.apply(images, np.full_like(made, 0.5), share=0.7),
            patch.apply(images, made, share=0.7),
        )
    ]
    assert p[2] > max(p[:2]) + 0.3
    assert np.mean([loss for _, loss in told[-5:]]) < told[0][1]


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'goal': 5}, "class 5 is none of the network's 5"),
        ({'low': 0.0}, '0 < low <= high <= 1'),
        ({'high': 1.5}, '0 < low <= high <= 1'),
        ({'side': 1}, 'a side of at least 2 pixels'),
    ],
)
def test_mistakes_are_told_in_a_sentence(fields, said):
    net, images, _ = small()
    with pytest.raises(ValueError, match=said):
        patch.train(net, images, **{'goal': 1, **fields})
    with pytest.raises(ValueError, match='at most 1, not 2'):
        patch.apply(images, np.zeros((4, 4, 3)), share=2)

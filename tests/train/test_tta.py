"""Test-time augmentation: the transformed images, weights that sum to 1, and a whole evaluation."""

import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab import losses
from cnnlab.train.distributed import sharding
from cnnlab.train.evaluate import evaluate
from cnnlab.train.on_device import tta
from cnnlab.train.setup import build_setup
from tests.train.nets import tiny


def image(h=6, w=8):
    return np.random.default_rng(0).standard_normal((2, h, w, 3)).astype(np.float32)


def seen(name, x):
    return [(weight, np.asarray(view(jnp.asarray(x)))) for weight, view in tta.views(name)]


@pytest.mark.parametrize(
    ('name', 'count'), [('none', 1), ('flip', 2), ('flip_translate', 6), ('ten_crop', 10)]
)
def test_weights_sum_to_one_and_half_of_the_views_are_mirror_images(name, count):
    found = seen(name, image())
    assert len(found) == count and abs(sum(weight for weight, _ in found) - 1) < 1e-12
    assert all(view.shape == (2, 6, 8, 3) for _, view in found)
    if name != 'none':
        half = count // 2
        for (a, x), (b, y) in zip(found[:half], found[half:], strict=True):
            np.testing.assert_array_equal(x[:, :, ::-1], y)
            assert a == b


def test_translations_are_airbenchs():
    x = image()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode='reflect')
    found = seen('flip_translate', x)
    assert [weight for weight, _ in found[:3]] == [0.25, 0.125, 0.125]
    np.testing.assert_array_equal(found[0][1], x)
    np.testing.assert_array_equal(found[1][1], padded[:, 2:, 2:])
    np.testing.assert_array_equal(found[2][1], padded[:, :-2, :-2])


def test_ten_crops_are_the_corners_and_the_center_of_the_padded_image():
    x = image()
    padded = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    places = [(0, 0), (0, 8), (4, 4), (8, 0), (8, 8)]
    for (_, view), (top, left) in zip(seen('ten_crop', x)[:5], places, strict=True):
        np.testing.assert_array_equal(view, padded[:, top : top + 6, left : left + 8])


def test_logits_are_averaged_by_weight():
    x = jnp.asarray(image())
    weights = np.random.default_rng(1).standard_normal((6 * 8 * 3, 4)).astype(np.float32)
    score = lambda v: v.reshape(2, -1) @ weights  # noqa: E731
    expected = sum(w * score(view) for w, view in seen('flip_translate', x))
    np.testing.assert_allclose(
        tta.averaged(score, x, 'flip_translate'), expected, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(tta.averaged(score, x, 'none'), score(x))


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(
        ValueError, match="no test-time augmentation named 'flips'; did you mean flip"
    ):
        tta.views('flips')


@pytest.mark.slow
def test_a_recipe_turns_it_on_for_evaluation_alone():
    """The logits of an evaluation are the mean over the views; the train step is as without."""
    plain, both = (build_setup(tiny(tta=name), devices=1) for name in ('none', 'flip'))
    state = sharding.replicate(plain.init(np.uint32(0)), plain.mesh)
    found = [
        evaluate(
            setup.eval_step, state, setup.data['test'], setup.transform, batch=16, mesh=setup.mesh
        )
        for setup in (plain, both)
    ]
    images = (
        np.stack([e['image'] for e in plain.data['test'].__getitems__(range(12))]).astype(
            np.float32
        )
        / 255
    )
    labels = plain.data['test'].labels()
    scores = [
        np.asarray(plain.model.apply({'params': state.params}, x))
        for x in (images, images[:, :, ::-1])
    ]
    for result, logits in zip(found, (scores[0], (scores[0] + scores[1]) / 2), strict=True):
        assert result['n'] == 12 and result['loss'] == pytest.approx(
            float(losses.softmax(logits, labels).mean()), rel=1e-5
        )
    assert found[0]['loss'] != found[1]['loss']

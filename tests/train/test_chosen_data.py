"""Folds, chosen classes and class weights of a recipe reach the data and the loss of its setup."""

import csv

import cv2
import jax
import numpy as np
import pytest

from cnnlab import losses
from cnnlab.recipes import override
from cnnlab.train.setup import build_setup, open_data
from tests.train.nets import tiny


def test_a_fold_and_chosen_classes_are_what_the_job_trains_on():
    recipe = override.override(tiny(holdout=0), ['fold=2/4', "classes=('class 3', 'class 1')"])
    setup = build_setup(recipe)
    assert (setup.classes, {s: len(d) for s, d in setup.data.items()}) == (
        2,
        {'train': 24, 'validation': 8, 'test': 6},
    )
    assert setup.data['train'].class_names == ('class 3', 'class 1')
    with pytest.raises(ValueError, match='fold or holdout, not both'):
        build_setup(tiny(fold='1/4'))


def test_a_limit_keeps_the_first_training_images_and_all_others():
    whole, few, fewer = (open_data(tiny(limit=n), None) for n in (0, 20, 10))
    assert {s: len(d) for s, d in few.items()} == {'train': 20, 'validation': 16, 'test': 12}
    for small, large in ((fewer, few), (few, whole)):
        n = len(small['train'])
        assert all(
            np.array_equal(small['train'][i]['image'], large['train'][i]['image']) for i in range(n)
        )
        assert small['validation'].fingerprint() == large['validation'].fingerprint()
        assert small['train'].fingerprint() != large['train'].fingerprint()
    with pytest.raises(
        ValueError, match='the first 100 images of fake:4x4x1:4:64 train were asked for; it has 48'
    ):
        open_data(tiny(limit=100), None)


def test_data_opened_before_is_used_again():
    before = build_setup(tiny(), devices=1)
    assert (
        build_setup(tiny(learning_rate=0.2), devices=1, data=before.data).data['train']
        is before.data['train']
    )


@pytest.mark.slow
def test_rare_classes_weigh_more_in_training_and_not_in_evaluation(tmp_path):
    rows = [(f'{i}.png', 'rare' if i % 4 == 0 else 'usual') for i in range(32)]
    for i, (path, _) in enumerate(rows):
        cv2.imwrite(str(tmp_path / path), np.full((4, 4, 3), 8 * i, np.uint8))
    for split in ('train', 'test'):
        with (tmp_path / f'{split}.csv').open('w', newline='') as file:
            csv.writer(file).writerows([('path', 'label'), *rows])
    view = ('resize((4, 4))',)
    recipe = tiny(dataset='csv', holdout=0, common=view, train=(), batch_size=32, balance=1.0)
    setup, plain = (
        build_setup(r, str(tmp_path))
        for r in (recipe, tiny(dataset='csv', holdout=0, common=view, train=(), batch_size=32))
    )
    state = setup.init(np.uint32(0))
    batch = {
        'image': np.zeros((32, 4, 4, 3), np.uint8),
        'label': np.array([int(label == 'usual') for _, label in rows], np.int32),
    }
    logits = setup.model.apply({'params': state.params}, np.zeros((32, 4, 4, 3), np.float32))
    own = losses.softmax(logits, batch['label'])
    wanted = float((own * np.array([2, 2 / 3], np.float32)[batch['label']]).mean())
    _, found = setup.train_step(jax.tree.map(np.copy, state), batch, np.uint32(0))
    assert np.isclose(float(found['loss']), wanted, rtol=1e-5)
    mask = {**batch, 'mask': np.ones(32, np.float32)}
    sums = [j.eval_step(state, mask) for j in (setup, plain)]
    assert np.isclose(float(sums[0]['loss']), float(own.sum()), rtol=1e-5) and float(
        sums[0]['loss']
    ) == float(sums[1]['loss'])

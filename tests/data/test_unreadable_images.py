"""Unreadable images: skipped in training with a counted warning, up to a limit; batches do not
depend on earlier reads.
"""

import itertools
import warnings

import cv2
import numpy as np
import pytest

from cnnlab.data import loader, sources
from cnnlab.data.transforms.parse import parse

N = 20
BROKEN = (3, 4, 19)
VIEW = parse('random_resized_crop(8)', 'flip()')


@pytest.fixture
def source(tmp_path):
    """Twenty images in two classes; image i is 10 + 10 i in every pixel.

    Three are broken, each in another way.
    """
    for i in range(N):
        path = tmp_path / 'train' / f'class{i // 10}' / f'{i:02}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((12, 10, 3), 10 + 10 * i, np.uint8))
    for i, data in zip(BROKEN, (b'', b'no image', None), strict=True):
        path = tmp_path / 'train' / f'class{i // 10}' / f'{i:02}.png'
        path.write_bytes(path.read_bytes()[:-9] if data is None else data)
    return sources.open_dataset('folder', tmp_path).open('train')


def take(source, count, **arguments):
    batches = loader.train_batches(
        source,
        arguments.pop('transform', VIEW),
        **{'seed': 1, 'batch': 5, 'most_skipped': 3, **arguments},
    )
    found = list(itertools.islice(batches, count))
    batches.close()
    return found


def quiet(source, count, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return take(source, count, **arguments)


@pytest.mark.parametrize(
    'transform', [VIEW, parse('resize((8, 8))')], ids=['takes files', 'takes pixels']
)
def test_the_next_readable_image_takes_the_place_of_a_broken_one_with_its_own_label(
    source, transform
):
    with pytest.warns(RuntimeWarning) as seen:
        # two epochs
        batches = take(source, 8, transform=transform)
    order = np.concatenate([loader.permutation(N, 1, epoch) for epoch in (0, 1)])
    shown = np.concatenate([b['image'][:, 0, 0, 0] for b in batches]) // 10 - 1
    assert shown.tolist() == [{3: 5, 4: 5, 19: 0}.get(i, i) for i in order.tolist()]
    assert np.concatenate([b['label'] for b in batches]).tolist() == (shown // 10).tolist()
    messages = sorted(str(w.message) for w in seen)
    # once per image, not once per epoch
    assert len(messages) == 3
    assert (
        sum('is not a readable image' in m for m in messages) == 2
        and sum('is truncated' in m for m in messages) == 1
    )
    assert {m[m.rindex('(') :] for m in messages} == {
        f'({k} of folder train so far, at most 3)' for k in (1, 2, 3)
    }


def test_a_batch_is_the_same_whatever_was_read_before_and_on_any_number_of_hosts(source):
    whole = quiet(source, 8)
    resumed = quiet(source, 5, step=3)
    hosts = [quiet(source, 8, host=k, hosts=5, threads=2) for k in range(5)]
    for key in ('image', 'label'):
        assert all(np.array_equal(a[key], b[key]) for a, b in zip(whole[3:], resumed, strict=True))
        assert all(
            np.array_equal(h[t][key], np.split(whole[t][key], 5)[k])
            for k, h in enumerate(hosts)
            for t in range(8)
        )


def test_too_many_broken_images_end_the_run(source):
    with pytest.raises(ValueError, match='cannot be read, and 2 may be skipped'):
        quiet(source, 4, most_skipped=2)
    with pytest.raises(ValueError, match=r'\.png, is .*, and none may be skipped'):
        quiet(source, 4, most_skipped=0)
    with pytest.raises(
        ValueError, match='[23] images of folder train cannot be read, and 1 may be skipped'
    ):
        # one in a thousand, at least one
        quiet(source, 4, most_skipped=None)
    with pytest.raises(ValueError, match='0 or more, not -1'):
        take(source, 1, most_skipped=-1)


def test_a_source_without_any_readable_image_is_an_error(source):
    for path in source.root.rglob('*.png'):
        path.unlink()
    with pytest.raises(ValueError, match='no image of folder train can be read'):
        quiet(source, 1, most_skipped=N)


def test_evaluation_refuses_what_training_passes_over(source):
    with pytest.raises(
        ValueError, match='image 3 of folder train, .*03.png, is not a readable image'
    ):
        list(loader.eval_batches(source, parse('resize((8, 8))'), batch=5))


def test_other_errors_of_a_view_are_not_taken_for_broken_images(source):
    with pytest.raises(ValueError, match='the image is only 12x10'):
        quiet(sources.subset(source, [0, 1, 2]), 1, transform=parse('center_crop(50)'), batch=3)


def test_a_damaged_record_of_a_shard_is_passed_over_and_refused_in_evaluation(tmp_path, source):
    from cnnlab.data.prepare import inputs, run

    for i in BROKEN:
        next(source.root.rglob(f'{i:02}.png')).unlink()
    run.prepare(inputs.open_input(source.root.parent), tmp_path, name='small', processes=1)
    [shard] = (tmp_path / 'small').rglob('*.array_record*')
    data = bytearray(shard.read_bytes())
    sets = sources.open_dataset('small', tmp_path)
    pixels = sets.open('train').encoded([7])[0]['image'].data
    at = data.index(pixels[-40:])
    data[at] ^= 0xFF
    shard.write_bytes(data)
    train = sets.open('train')
    assert train[6]['image'].shape == (12, 10, 3)
    with pytest.warns(
        RuntimeWarning,
        match='record 7 of small train is damaged in its file: .*hash mismatch.*the next image '
        'takes',
    ):
        batches = take(train, 4, batch=5)
    order = loader.permutation(17, 1, 0)
    at = order.tolist().index(7)
    assert batches[at // 5]['image'][at % 5, 0, 0, 0] == train[8]['image'][0, 0, 0]
    with pytest.raises(ValueError, match='record 7 of small train is damaged in its file'):
        list(loader.eval_batches(train, parse('resize((8, 8))'), batch=5))

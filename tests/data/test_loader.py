"""The loader: batches are a function of (seed, step), on any number of hosts and workers."""

import itertools

import numpy as np
import pytest

from cnnlab.data import loader, sources
from cnnlab.data.sources.base import Arrays
from cnnlab.data.transforms.parse import parse

N, BATCH = 50, 8
AUGMENT = parse('random_crop(2)', 'flip()')


def numbered(n=N, shape=(6, 6, 1)):
    """Image i is i + 1 in every pixel, so that crops show which image they are from; label i."""
    images = np.broadcast_to(
        np.arange(1, n + 1, dtype=np.uint8)[:, None, None, None], (n, *shape)
    ).copy()
    return Arrays('numbered', 'train', images, np.arange(n), [str(i) for i in range(n)])


def take(count, source=None, transform=AUGMENT, **arguments):
    batches = loader.train_batches(
        numbered() if source is None else source,
        transform,
        **{'seed': 3, 'batch': BATCH, **arguments},
    )
    found = list(itertools.islice(batches, count))
    batches.close()
    return found


def equal(a, b):
    return len(a) == len(b) and all(
        x.keys() == y.keys() and all(np.array_equal(x[k], y[k]) for k in x)
        for x, y in zip(a, b, strict=True)
    )


def test_batches_are_uint8_images_and_int32_labels_that_belong_together():
    (batch,) = take(1, transform=parse('pad(1)'))
    assert batch['image'].dtype == np.uint8 and batch['image'].shape == (BATCH, 8, 8, 1)
    assert batch['label'].dtype == np.int32 and batch['label'].shape == (BATCH,)
    assert np.array_equal(batch['image'][:, 4, 4, 0], batch['label'] + 1)


def test_each_epoch_is_a_new_permutation_with_new_augmentation():
    # 200 examples: four epochs, whose ends lie inside of batches
    batches = take(25)
    labels = np.concatenate([b['label'] for b in batches]).reshape(4, N)
    images = np.concatenate([b['image'] for b in batches]).reshape(4, N, -1)
    assert (np.sort(labels) == np.arange(N)).all()
    assert len({tuple(e) for e in labels}) == 4
    assert not np.array_equal(labels[0], np.arange(N))
    transforms = [
        {tuple(images[e, i] > 0) for e in range(4) for i in np.flatnonzero(labels[e] == k)}
        for k in range(N)
    ]
    assert sum(len(v) > 1 for v in transforms) > 45
    # of the 25 places within one epoch
    assert len({tuple(v > 0) for v in images[0]}) > 15


@pytest.mark.parametrize('hosts', [2, 4, 8])
def test_hosts_share_the_global_batch_in_runs_of_rows(hosts):
    whole = take(14)
    parts = [take(14, host=k, hosts=hosts) for k in range(hosts)]
    for t, batch in enumerate(whole):
        for key in batch:
            assert np.array_equal(np.concatenate([part[t][key] for part in parts]), batch[key])


@pytest.mark.parametrize('step', [1, 6, 7, 1000])
def test_a_run_resumes_at_any_step(step):
    function = loader.TrainBatch(numbered(), AUGMENT, 3, BATCH)
    assert equal(take(3, step=step), [function(t) for t in range(step, step + 3)])
    if step < 10:
        assert equal(take(3, step=step), take(step + 3)[step:])


def test_seeds_give_unrelated_orders_and_augmentation():
    a, b = (np.concatenate([x['label'] for x in take(19, seed=s)]) for s in (3, 4))
    assert (a == b).mean() < 0.2
    # seed 4 is not seed 3 an epoch later
    assert (a[N : 2 * N] == b[:N]).mean() < 0.2
    shapes = [loader.PerExampleRng(s).at(0).random() for s in range(20)]
    assert len(set(shapes)) == 20
    assert equal(take(3), take(3))


def test_the_numbers_of_a_position_are_those_of_a_fresh_generator():
    draws = loader.PerExampleRng(5)
    key = np.random.SeedSequence(5, spawn_key=(1,)).generate_state(2, np.uint64)
    for position in (0, 7, 2**40, 7):
        fresh = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, position]))
        reused = draws.at(position)
        assert reused.random() == fresh.random()
        assert np.array_equal(
            reused.integers(0, 100, 7, dtype=np.uint32), fresh.integers(0, 100, 7, dtype=np.uint32)
        )


def test_the_order_of_an_epoch_never_moves():
    assert loader.permutation(10, 0, 0).tolist() == [7, 6, 8, 3, 2, 4, 1, 5, 0, 9]
    counts = np.zeros((6, 6), int)
    for epoch in range(3000):
        counts[np.arange(6), loader.permutation(6, 1, epoch)] += 1
    # 500 expected, deviation 20
    assert counts.min() > 410 and counts.max() < 590


@pytest.mark.parametrize('threads', [2, 5])
def test_threads_change_nothing(threads):
    assert equal(take(20, threads=threads), take(20, threads=1))


@pytest.mark.slow
@pytest.mark.parametrize('workers', [1, 2])
def test_worker_processes_change_nothing(workers):
    assert equal(
        take(12, workers=workers, step=4, host=1, hosts=2), take(12, step=4, host=1, hosts=2)
    )


@pytest.mark.slow
def test_worker_processes_read_prepared_sets_and_their_errors_arrive(small_sets, tmp_path):
    cifar = sources.load('cifar10', 'test', data_dir=small_sets)
    assert equal(take(4, cifar, workers=2, threads=2), take(4, cifar))
    for folder in ('train/a', 'train/b', 'test/a'):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / 'broken.png').write_bytes(b'junk')
    broken = sources.load('folder', 'train', data_dir=tmp_path)
    with pytest.raises(Exception, match='broken.png, is not a readable image'):
        take(1, broken, batch=2, workers=1)


@pytest.mark.parametrize(
    'n, batch, hosts', [(50, 8, 1), (50, 8, 4), (48, 8, 2), (3, 8, 8), (50, 64, 2), (1, 1, 1)]
)
def test_evaluation_gives_every_image_once_on_equally_many_full_batches(n, batch, hosts):
    source = numbered(n)
    per_host = [
        list(loader.eval_batches(source, parse('pad(1)'), batch=batch, host=k, hosts=hosts))
        for k in range(hosts)
    ]
    steps = loader.steps_per_epoch(source, batch)
    seen = []
    for t in range(steps):
        rows = []
        for k in range(hosts):
            assert len(per_host[k]) == steps
            b = per_host[k][t]
            assert b['image'].shape == (batch // hosts, 8, 8, 1) and b['image'].dtype == np.uint8
            assert b['mask'].dtype == np.float32 and b['label'].dtype == np.int32
            assert b['label'].shape == b['mask'].shape == (batch // hosts,)
            assert not b['image'][b['mask'] == 0].any() and not b['label'][b['mask'] == 0].any()
            assert np.array_equal(
                b['image'][b['mask'] == 1, 4, 4, 0], b['label'][b['mask'] == 1] + 1
            )
            rows.append((b['label'], b['mask']))
        # the hosts' rows interleaved
        labels, mask = (np.stack(x, 1).ravel() for x in zip(*rows, strict=True))
        seen += labels[mask == 1].tolist()
    assert seen == list(range(n))


def test_a_random_view_in_evaluation_does_not_depend_on_the_batch():
    def images(batch):
        return np.concatenate(
            [
                b['image'][b['mask'] == 1]
                for b in loader.eval_batches(numbered(), AUGMENT, batch=batch)
            ]
        )

    assert np.array_equal(images(8), images(50))
    assert len({i.tobytes() for i in images(8) > 0}) > 15


def test_steps_count_images_seen():
    source = numbered(50)
    assert [loader.steps_per_epoch(source, b) for b in (1, 8, 10, 50, 64)] == [50, 7, 5, 1, 1]
    assert loader.steps_for(source, 8, 2) == 13 and loader.steps_for(source, 8, 0.5) == 4


def test_numbers_that_do_not_fit_are_refused_before_the_first_batch():
    def refused(match, call=loader.train_batches, source=None, **arguments):
        with pytest.raises(ValueError, match=match):
            call(numbered() if source is None else source, AUGMENT, **arguments)

    refused('batch 51 is larger than numbered train, which has 50 images', seed=0, batch=51)
    refused('batch 8 cannot be divided among 3 hosts', seed=0, batch=8, hosts=3)
    refused('above 0, not 0', seed=0, batch=0)
    refused('above 0, not -8', loader.eval_batches, batch=-8)
    refused('batch 8 cannot be divided', loader.eval_batches, batch=8, hosts=3)
    refused('not 2 of 2', seed=0, batch=8, host=2, hosts=2)
    refused('0 or more, not -1 and 0', seed=-1, batch=8)
    refused('0 or more, not 0 and -1', seed=0, batch=8, step=-1)
    refused('threads must be at least 1', seed=0, batch=8, threads=0)
    refused('has no images', loader.eval_batches, sources.subset(numbered(), []), batch=8)


def test_images_that_do_not_fit_one_batch_are_named_with_what_to_add(tmp_path):
    import cv2

    for folder, size in (('train/c0', 5), ('train/c1', 6), ('test/c0', 5)):
        (tmp_path / folder).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / folder / 'x.png'), np.zeros((size, size, 3), np.uint8))
    source = sources.load('folder', 'train', data_dir=tmp_path)
    with pytest.raises(
        ValueError,
        match=r'differ in size after the transform, .*: add resize\(\(h, w\)\) or a crop',
    ):
        take(1, source, parse(), batch=2)
    assert take(1, source, parse('resize((4, 4))'), batch=2)[0]['image'].shape == (2, 4, 4, 3)
    with pytest.raises(
        ValueError, match=r'must leave the transform as uint8 \(h, w, c\), not float64'
    ):
        take(1, transform=lambda image, rng: image / 255)
    (tmp_path / 'train' / 'c0' / 'x.png').write_bytes(b'')
    with pytest.raises(
        ValueError, match='x.png, is not a readable image .*, and none may be skipped'
    ):
        take(1, source, parse('resize((4, 4))'), batch=2, most_skipped=0)


CONSUMER = """
import sys
from cnnlab.data import loader, sources
from cnnlab.data.transforms import parse
if __name__ == '__main__':
    source = sources.load('fake:8x8x1:2:100', 'train')
    batches = loader.train_batches(source, parse.parse('flip()'), seed=0, batch=4, workers=2)
    next(batches)
    print('ready', flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_worker_processes_end_when_the_consumer_is_killed(tmp_path):
    import pathlib
    import subprocess
    import sys
    import time

    (tmp_path / 'consumer.py').write_text(CONSUMER)
    consumer = subprocess.Popen(
        [sys.executable, str(tmp_path / 'consumer.py')],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert consumer.stdout.readline() == 'ready\n'
    workers = [
        pathlib.Path('/proc') / pid
        for task in pathlib.Path(f'/proc/{consumer.pid}/task').iterdir()
        for pid in (task / 'children').read_text().split()
    ]
    assert len(workers) >= 2
    consumer.kill()
    consumer.wait()
    deadline = time.monotonic() + 20
    while any(w.exists() for w in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [w for w in workers if w.exists()]


def test_freed_memory_is_kept_where_the_c_library_is_glibc():
    import platform

    from cnnlab.data.decoding.allocator import keep_freed_memory

    assert keep_freed_memory() == (platform.libc_ver()[0] == 'glibc')


# Repeated augmentation, alternating flips, stages


def test_repeated_augmentation_shows_an_image_in_so_many_views_in_a_row():
    batches = take(25, repeats=4)
    labels = np.concatenate([b['label'] for b in batches])
    # 48 of the 50 places are filled by twelve images, four each
    epoch = labels[:N]
    assert (epoch[:48].reshape(12, 4) == epoch[:48:4, None]).all() and len(set(epoch)) == 13
    # the next epoch shows others
    assert not np.array_equal(labels[:48:4], labels[N : N + 48 : 4])
    images = np.concatenate([b['image'] for b in batches])[:48].reshape(12, 4, -1)
    assert sum(len({tuple(v > 0) for v in four}) > 1 for four in images) >= 11
    assert equal(take(3, repeats=4, step=6), batches[6:9])
    parts = [take(4, repeats=4, host=k, hosts=2) for k in range(2)]
    for t in range(4):
        assert all(
            np.array_equal(parts[k][t]['label'], np.split(batches[t]['label'], 2)[k])
            for k in range(2)
        )


def test_repeats_are_at_least_one():
    with pytest.raises(ValueError, match='repeats is a whole number above 0, not 0'):
        take(1, repeats=0)


def test_alternating_flips_mirror_each_image_in_every_other_epoch():
    images = np.zeros((N, 4, 6, 1), np.uint8)
    # a line at the left
    images[:, :, 0] = 1
    source = Arrays('lines', 'train', images, np.arange(N), [str(i) for i in range(N)])
    batches = take(25, source, parse(), alternating_flip=True)
    labels = np.concatenate([b['label'] for b in batches]).reshape(4, N)
    mirrored = np.concatenate([b['image'][:, 0, -1, 0] for b in batches]).reshape(4, N) == 1
    by_image = np.array([mirrored[e][np.argsort(labels[e])] for e in range(4)])
    assert (by_image[1:] != by_image[:-1]).all() and 10 < by_image[0].sum() < 40
    assert equal(take(2, source, parse(), alternating_flip=True, step=9), batches[9:11])
    parts = [take(9, source, parse(), alternating_flip=True, host=k, hosts=2)[8] for k in range(2)]
    assert all(
        np.array_equal(parts[k]['image'], np.split(batches[8]['image'], 2)[k]) for k in range(2)
    )


def test_stages_change_the_view_at_their_steps_and_resume():
    stages = loader.ProgressiveTransforms(
        ((0, parse('shift(1)', 'resize((3, 3))')), (4, parse('shift(1)')))
    )
    batches = take(6, transform=stages)
    assert [b['image'].shape[1] for b in batches] == [3, 3, 3, 3, 6, 6]
    assert equal(take(3, transform=stages, step=3), batches[3:])


@pytest.mark.parametrize('firsts', [(), (1,), (0, 5, 5), (0, 9, 3)])
def test_stages_begin_at_the_first_step_and_rise(firsts):
    with pytest.raises(
        ValueError, match='stages of progressive transforms begin at step 0 and rise'
    ):
        loader.ProgressiveTransforms(tuple((first, parse()) for first in firsts))

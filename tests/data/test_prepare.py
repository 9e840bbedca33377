"""Preparing ImageNet: the tars' own images under the right labels, the same bytes after any
interruption, bad input in one sentence.
"""

import hashlib
import io
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from cnnlab.data import loader, sources, synsets
from cnnlab.data.decoding.encoded import Encoded
from cnnlab.data.prepare import inputs, labels, manifest, pool, run, tars
from cnnlab.data.prepare.form import Form
from cnnlab.data.transforms.parse import parse
from tests.experiments.commands import run as run_experiment

ROOT = pathlib.Path(__file__).resolve().parents[2]
MINI = 'ilsvrc2012_mini'
TENCH, GOLDFISH, SHARK = (synsets.synsets()[i].id for i in (0, 1, 2))


def jpeg(level, size=(12, 10), quality=95):
    return cv2.imencode(
        '.jpg', np.full((*size, 3), level, np.uint8), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )[1].tobytes()


def noise(h, w, seed=0):
    return cv2.GaussianBlur(
        np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8), (9, 9), 3
    )


def tar(files):
    """A tar of {name: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# in the order of the tar, which is not that of the classes
CLASSES = {GOLDFISH: [40, 50], TENCH: [10, 20, 30], SHARK: [60]}


def write_tars(folder, classes=None, validation=4, **more):
    """The two tars of a small ImageNet; image i of a class is `level` in every pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = (
        {c: {f'{c}_{level}.JPEG': jpeg(level) for level in levels} for c, levels in CLASSES.items()}
        if classes is None
        else classes
    )
    (folder / inputs.TRAIN).write_bytes(
        tar({f'{c}.tar': tar(images) for c, images in classes.items()})
    )
    images = {f'ILSVRC2012_val_{i:08}.JPEG': jpeg(100 + i) for i in range(1, validation + 1)}
    (folder / inputs.VALIDATION).write_bytes(tar({**images, **more}))
    return folder


@pytest.fixture
def source(tmp_path):
    return write_tars(tmp_path / 'source')


def prepare(source, data_dir, *, form=None, expect='any', limit=None, shard_bytes=8000, **more):
    found = inputs.open_input(source, expect=expect, shard=shard_bytes, limit=limit)
    more = {'name': 'small', 'processes': 1, **more}
    return run.prepare(
        found, data_dir, form=form, expect=expect, limit=limit, shard_bytes=shard_bytes, **more
    )


def tree(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob('*')
        if p.is_file()
    }


def sentence(error, *parts):
    text = str(error.value)
    assert '\n' not in text
    for part in parts:
        assert part in text, text


# --- what is prepared


def test_the_images_keep_their_bytes_names_and_labels(source, tmp_path):
    made = prepare(source, tmp_path / 'out')
    assert made['stored'] == {'train': 6, 'validation': 4} and made['classes_seen']['train'] == 3
    train, validation = (
        sources.load('small', s, data_dir=tmp_path / 'out') for s in ('train', 'validation')
    )
    assert train.num_classes == 1000 and train.class_names[2] == SHARK
    assert (
        train.labels().tolist() == [0, 0, 0, 1, 1, 2] == [int(train[i]['label']) for i in range(6)]
    )
    files = [e['image'] for e in train.encoded(range(6))]
    assert [f.name for f in files] == [
        f'{c}_{k}.JPEG' for c in (TENCH, GOLDFISH, SHARK) for k in CLASSES[c]
    ]
    assert [f.data for f in files] == [
        jpeg(k) for c in (TENCH, GOLDFISH, SHARK) for k in CLASSES[c]
    ]
    official = labels.validation_synsets()
    assert len(official) == 50_000 and len(set(official)) == 1000
    assert [validation.class_names[label] for label in validation.labels()] == list(official[:4])
    assert (
        sources.load(str(tmp_path / 'out' / 'small' / '1.0.0'), 'train').fingerprint()
        == train.fingerprint()
    )


def test_what_was_done_is_recorded(source, tmp_path):
    made = prepare(source, tmp_path, form=Form(8, 75))
    folder = tmp_path / 'small' / '1.0.0'
    assert json.loads((folder / 'preparation.json').read_text()) == made
    assert made['parameters']['files'] == {
        n: (source / n).stat().st_size for n in (inputs.TRAIN, inputs.VALIDATION)
    }
    assert (made['parameters']['short_side'], made['parameters']['quality']) == (8, 75)
    assert made['parameters']['versions']['opencv'] == cv2.__version__
    for shard in made['shards']:
        data = (folder / shard['shard']).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard['size'], shard['sha256'])
    assert (
        len(made['shards']) > 2
        and not list(folder.glob('.*'))
        and not (folder / 'preparation.jsonl').exists()
    )


def test_tfds_itself_reads_the_set(source, tmp_path):
    tfds = pytest.importorskip('tensorflow_datasets')
    prepare(source, tmp_path)
    theirs = tfds.builder('small', data_dir=tmp_path).as_data_source('train')
    assert (
        len(theirs) == 6
        and theirs[4]['file_name'] == f'{GOLDFISH}_50.JPEG'.encode()
        and theirs[4]['label'] == 1
    )
    assert np.array_equal(
        theirs[4]['image'], sources.load('small', 'train', data_dir=tmp_path)[4]['image']
    )


def test_other_content_has_another_fingerprint(source, tmp_path):
    def fingerprint(name, **more):
        prepare(source, tmp_path, name=name, **more)
        return sources.load(name, 'train', data_dir=tmp_path).fingerprint()

    prints = [
        fingerprint('original'),
        fingerprint('smaller', form=Form(8)),
        fingerprint('fewer', limit=3),
    ]
    assert len(set(prints)) == 3 and fingerprint('again') == prints[0]


def test_smaller_images_have_the_short_side_and_look_the_same(tmp_path):
    big, tall, little = noise(300, 400), noise(90, 31), noise(20, 25)
    classes = {
        TENCH: {
            f'{k}.JPEG': cv2.imencode('.jpg', a, (cv2.IMWRITE_JPEG_QUALITY, 98))[1].tobytes()
            for k, a in enumerate((big, tall, little))
        },
        GOLDFISH: {'g.JPEG': jpeg(9)},
    }
    write_tars(tmp_path / 'source', classes)
    original, stored, raw = (
        prepare(tmp_path / 'source', tmp_path, name=n, form=f)
        and sources.load(n, 'train', data_dir=tmp_path)
        for n, f in (
            ('original', Form()),
            ('stored', Form(30, 95)),
            ('raw', Form(30, encoding='pixels')),
        )
    )
    assert [e['image'].shape[:2] for e in stored.encoded(range(3))] == [
        (30, 40),
        (87, 30),
        (20, 25),
    ]
    # no image is made larger or compressed twice
    assert stored.encoded([2])[0]['image'].data == original.encoded([2])[0]['image'].data
    for i, size in ((0, (40, 30)), (1, (30, 87))):
        wanted = cv2.resize(original[i]['image'], size, interpolation=cv2.INTER_AREA).astype(int)
        # color noise
        assert (
            np.abs(raw[i]['image'] - wanted).mean() < 1
            and np.abs(stored[i]['image'] - wanted).mean() < 6
        )
    assert raw.encoded([0])[0]['image'].data.startswith(b'P6\n40 30\n255\n')


def test_a_limit_takes_images_of_all_classes_alike(source, tmp_path):
    for limit, wanted in ((3, [0, 1, 2]), (4, [0, 0, 1, 2]), (2, [0, 1])):
        prepare(source, tmp_path, name=f'first{limit}', limit=limit)
        assert sources.load(f'first{limit}', 'train', data_dir=tmp_path).labels().tolist() == wanted
        assert len(sources.load(f'first{limit}', 'validation', data_dir=tmp_path)) == min(limit, 4)


def test_a_folder_and_a_prepared_set_are_sources_too(tmp_path):
    for split, levels in (('train', (10, 20, 30)), ('val', (40,))):
        for c in (TENCH, GOLDFISH):
            for level in levels:
                path = tmp_path / 'folder' / split / c / f'{level}.JPEG'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(jpeg(level + len(c)))
    made = prepare(tmp_path / 'folder', tmp_path / 'tfds', name=inputs.TFDS)
    assert (
        made['stored'] == {'train': 6, 'validation': 2} and made['parameters']['kind'] == 'folder'
    )
    # TFDS's imagenet2012 has this very form
    again = prepare(tmp_path / 'tfds', tmp_path / 'again')
    assert again['parameters']['kind'] == 'tfds'
    folder = sources.open_dataset('folder', tmp_path / 'folder')
    for split in ('train', 'validation'):
        here, first, second = (
            folder.open(split),
            sources.load(inputs.TFDS, split, data_dir=tmp_path / 'tfds'),
            sources.load('small', split, data_dir=tmp_path / 'again'),
        )
        assert here.class_names == first.class_names == second.class_names == (TENCH, GOLDFISH)
        for i in range(len(here)):
            files = [s.encoded([i])[0] for s in (here, first, second)]
            assert len({(f['image'].data, int(f['label']), f['image'].name) for f in files}) == 1


def test_a_host_reads_its_own_records_and_no_others(source, tmp_path):
    prepare(source, tmp_path)
    read = {}
    for host in (0, 1):
        train = sources.load('small', 'train', data_dir=tmp_path)
        asked, records = read.setdefault(host, []), train._records

        class Spy:
            def __getitems__(self, indices, asked=asked, records=records):
                asked.extend(indices)
                return records.__getitems__(indices)

        train._records = Spy()
        for step in range(3):
            loader.TrainBatch(train, parse('resize((4, 4))'), 0, 2, host, 2)(step)
    assert sorted(read[0] + read[1]) == list(range(6)) and len(read[0]) == 3


# --- interruptions


@pytest.mark.parametrize('moment', range(12))
def test_an_interruption_at_any_step_changes_nothing(source, tmp_path, moment, monkeypatch):
    """Ends the preparation before its `moment`-th renaming of a file or line of progress; the next
    one goes on.
    """
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    prepare(source, whole)
    steps = iter(range(100))

    class Killed(BaseException):
        pass

    def dying(function):
        def call(*arguments):
            if next(steps) == moment:
                raise Killed
            return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, 'replace', dying(pathlib.Path.replace))
        patch.setattr(manifest, '_append', dying(manifest._append))
        try:
            prepare(source, broken)
        except Killed:
            with pytest.raises(ValueError, match='is not finished'):
                sources.load('small', 'train', data_dir=broken)
    folder = broken / 'small' / '1.0.0'
    if (folder / 'preparation.jsonl').exists():
        with (folder / 'preparation.jsonl').open('ab') as file:
            # a line that was being written
            file.write(b'{"shard": "small-train.arr')
    (folder / '.x.array_record.77.part').write_bytes(b'half a shard')
    before = {p: p.stat().st_mtime_ns for p in folder.glob('small-*')}
    prepare(source, broken)
    (folder / '.x.array_record.77.part').unlink(missing_ok=True)
    assert tree(broken) == tree(whole)
    # a line of parameters, then each shard is renamed and noted
    noted = min(max(0, moment - 1) // 2, len(before))
    # what was done was kept
    assert sum(p.stat().st_mtime_ns == t for p, t in before.items()) == noted


def test_a_shard_that_was_cut_after_it_was_noted_is_made_anew(source, tmp_path, monkeypatch):
    prepare(source, tmp_path / 'whole')
    with monkeypatch.context() as patch:
        patch.setattr(manifest.Manifest, 'remove', lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare(source, tmp_path / 'cut')
    shards = sorted((tmp_path / 'cut').rglob('*.array_record*'))
    shards[0].write_bytes(shards[0].read_bytes()[:1000])
    shards[1].unlink()
    prepare(source, tmp_path / 'cut')
    assert tree(tmp_path / 'cut') == tree(tmp_path / 'whole')


def test_a_shard_that_has_lost_its_end_is_named_when_the_set_is_opened(source, tmp_path):
    prepare(source, tmp_path)
    shard = next((tmp_path / 'small').rglob('*validation.array_record*'))
    shard.write_bytes(shard.read_bytes()[:1000])
    assert len(sources.load('small', 'train', data_dir=tmp_path)) == 6
    with pytest.raises(ValueError) as error:
        sources.load('small', 'validation', data_dir=tmp_path)
    sentence(error, shard.name, 'has 1,000 bytes but was written with')
    shard.unlink()
    with pytest.raises(FileNotFoundError, match='incomplete'):
        sources.load('small', 'validation', data_dir=tmp_path)


def test_a_complete_set_is_left_alone_and_other_parameters_are_refused_by_name(source, tmp_path):
    prepare(source, tmp_path, form=Form(8))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*') if p.is_file()}
    prepare(source, tmp_path, form=Form(8))
    for more, wanted in (
        ({'form': Form(9)}, 'short_side is 8 there and 9 here'),
        ({'form': Form(8, 50)}, 'quality is 90 there and 50 here'),
        ({'form': Form(8), 'limit': 2}, 'limit is None there and 2 here'),
    ):
        with pytest.raises(ValueError) as error:
            prepare(source, tmp_path, **more)
        sentence(error, 'started with other parameters', wanted, 'another --name')
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*') if p.is_file()}


def test_one_process_at_a_time_prepares_a_folder(source, tmp_path):
    folder = tmp_path / 'small' / '1.0.0'
    with (
        manifest.opened(folder, {'a': 1}),
        pytest.raises(ValueError, match='another process is preparing'),
    ):
        prepare(source, tmp_path)
    with pytest.raises(ValueError, match='a is 1 there and None here'):
        prepare(source, tmp_path)


def double(i):
    return 2 * i


def fail(i):
    if i == 3:
        raise ValueError('three is wrong')
    return i


@pytest.mark.slow
def test_several_processes_do_the_work_and_pass_errors_on():
    assert sorted(pool.completed(double, range(7), 2)) == list(range(0, 14, 2))
    with pytest.raises(ValueError, match='three is wrong'):
        list(pool.completed(fail, range(7), 2))


def command(source, out, *more):
    return [
        sys.executable,
        '-m',
        'experiments.prepare_imagenet',
        f'--source={source}',
        f'--data_dir={out}',
        '--expect=any',
        '--shard_mib=0.5',
        '--short_side=64',
        '--processes=2',
        *more,
    ]


@pytest.fixture
def photographs(tmp_path):
    """Tars like ImageNet's, of 250 and 100 different pictures: scikit-learn's two photographs, each
    time moved to the side.
    """
    both = load_sample_images().images

    def picture(i):
        moved = np.roll(both[i % 2], 3 * i, axis=1)
        return cv2.imencode('.jpg', moved[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()

    names = [synset.id for synset in synsets.synsets()[::4]]
    return write_tars(
        tmp_path / 'photographs',
        {name: {f'{name}_{i}.JPEG': picture(i)} for i, name in enumerate(names)},
        validation=0,
        **{f'ILSVRC2012_val_{i:08}.JPEG': picture(250 + i) for i in range(1, 101)},
    )


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_no_byte_of_what_is_prepared(photographs, tmp_path):
    """Only the process that was started is killed: those that it has started must end by
    themselves.
    """
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    start = time.monotonic()
    done = subprocess.run(command(photographs, whole), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        'train: 250 images of 250 classes' in done.stdout
        and 'validation: 100 images of 93 classes' in done.stdout
    )
    seconds = time.monotonic() - start
    seed = random.randrange(2**32)
    # shown where the test fails
    print(f'seed {seed}')
    draw, kills, partly = random.Random(seed), 0, 0
    # preparations from nothing, until enough of their runs were killed, one at least with some of
    # the shards written
    for _ in range(10):
        shutil.rmtree(killed, ignore_errors=True)
        for moment in (draw.uniform(0.3, 1), draw.uniform(0.3, 1), draw.uniform(0.3, 1), None):
            process = subprocess.Popen(
                command(photographs, killed),
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                assert process.wait(moment and moment * seconds) == 0
                break
            except subprocess.TimeoutExpired:
                children = (
                    pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
                    .read_text()
                    .split()
                )
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                partly += (
                    0
                    < len(list(killed.rglob('*.array_record-*-of-*')))
                    < len(list(whole.rglob('*.array_record*')))
                )
                deadline = time.monotonic() + 20
                while any(alive(pid) for pid in children) and time.monotonic() < deadline:
                    time.sleep(0.05)
                assert not [pid for pid in children if alive(pid)]
        assert tree(killed) == tree(whole)
        if kills >= 3 and partly:
            break
    assert kills >= 3 and partly, (kills, partly)


def alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_the_miniature_has_the_labels_of_its_manifest(data_folder, tmp_path):
    import csv

    source = data_folder(MINI) / MINI
    prepare(source, tmp_path, shard_bytes=2**20)
    with (source / 'manifest.csv').open() as file:
        rows = list(csv.DictReader(file))
    known = {row['file_name']: int(row['label']) for row in rows}
    for split, n in (('train', 250), ('validation', 100)):
        data = sources.load('small', split, data_dir=tmp_path)
        found = [(e['image'].name, int(e['label'])) for e in data.encoded(range(len(data)))]
        assert len(found) == n and all(known[file] == label for file, label in found)


# --- bad input


def refused(kind, *parts, source, tmp_path, **more):
    with pytest.raises(kind) as error:
        prepare(source, tmp_path / 'out', **more)
    sentence(error, *parts)


def test_what_is_not_there_or_not_the_right_tar_is_named(source, tmp_path):
    def bad(kind, *parts, **more):
        refused(kind, *parts, source=more.pop('where', source), tmp_path=tmp_path, **more)

    bad(FileNotFoundError, 'nowhere is not a folder', where=tmp_path / 'nowhere')
    bad(FileNotFoundError, 'holds neither', inputs.TRAIN, where=tmp_path)
    bad(ValueError, "no expectation named 'all'", expect='all')
    bad(ValueError, 'holds 3 classes, not the 1,000', '--expect=any', expect='ilsvrc2012')
    train, validation = source / inputs.TRAIN, source / inputs.VALIDATION
    whole, flat = train.read_bytes(), validation.read_bytes()
    train.write_bytes(flat)
    bad(ValueError, "holds 'ILSVRC2012_val_00000001.JPEG'", 'not the training tar', 'n01440764.tar')
    train.write_bytes(b'')
    bad(ValueError, f'{inputs.TRAIN} is empty')
    train.write_bytes(b'\x1f\x8b' + whole[2:])
    bad(ValueError, f'{inputs.TRAIN} is not a plain tar file')
    for length in (len(whole) // 2 + 5, 600, 10_240 + 512):
        train.write_bytes(whole[:length])
        bad(ValueError, inputs.TRAIN, 'truncated')
    train.write_bytes(whole[: 10_240 * 3 // 512 * 512])
    end = max(m.offset + m.size for m in tars.members(source / inputs.VALIDATION))
    train.write_bytes(whole)
    # whole images, but no end
    validation.write_bytes(flat[: -(-end // 512) * 512])
    bad(ValueError, inputs.VALIDATION, 'without an end mark')
    validation.write_bytes(whole)
    bad(ValueError, 'is not the validation tar', 'ILSVRC2012_val_00000001.JPEG')
    write_tars(source, **{'ILSVRC2012_val_00050001.JPEG': jpeg(1)})
    bad(ValueError, 'ILSVRC2012_val_00050001.JPEG', 'ILSVRC2012_val_00050000.JPEG')
    validation.unlink()
    bad(FileNotFoundError, f'no {inputs.VALIDATION}', '--expect=any', expect='ilsvrc2012')


def test_classes_outside_of_the_list_are_refused_where_they_cannot_be_meant(source, tmp_path):
    write_tars(source, {TENCH: {'a.JPEG': jpeg(1)}, 'n99999999': {'b.JPEG': jpeg(2)}})
    refused(
        ValueError,
        'n99999999.tar, which is not one of the 1,000 classes',
        source=source,
        tmp_path=tmp_path,
    )
    # other classes are a set of their own, which the validation images do not belong to
    (source / inputs.VALIDATION).unlink()
    prepare(source, tmp_path / 'out')
    assert sources.load('small', 'train', data_dir=tmp_path / 'out').class_names == (
        TENCH,
        'n99999999',
    )


def test_a_class_tar_that_ends_early_stops_with_its_name_and_the_other_shards_are_kept(
    source, tmp_path
):
    whole = {
        c: {f'{c}_{level}.JPEG': jpeg(level) for level in levels} for c, levels in CLASSES.items()
    }
    inner = {f'{c}.tar': tar(images) for c, images in whole.items()}
    for cut in (inner[f'{SHARK}.tar'][:700], inner[f'{SHARK}.tar'][: 1024 + 512], b'no tar'):
        (source / inputs.TRAIN).write_bytes(tar({**inner, f'{SHARK}.tar': cut}))
        out = tmp_path / f'out{len(cut)}'
        with pytest.raises(ValueError) as error:
            prepare(source, out)
        sentence(error, f'{SHARK}.tar in ', inputs.TRAIN)
        assert len(list(out.rglob('*.array_record-00000-*'))) == 1 and not list(
            out.rglob('.*.part')
        )


def test_numbers_of_images_that_are_not_the_expected_ones_are_refused_after_the_work(
    source, tmp_path
):
    with pytest.raises(
        ValueError,
        match='the train part of the input has 6 images, not the 1,281,167 of '
        'ILSVRC-2012.*--expect=any',
    ):
        run.prepare(
            inputs.open_input(source), tmp_path, name='small', expect='ilsvrc2012', processes=1
        )
    run.prepare(inputs.open_input(source), tmp_path, name='small', processes=1)
    assert len(sources.load('small', 'train', data_dir=tmp_path)) == 6


def test_unreadable_images_are_named_the_rest_is_kept_and_they_can_be_left_out(tmp_path):
    good = jpeg(10)
    big = cv2.imencode('.jpg', noise(60, 60))[1].tobytes()
    images = {
        'good.JPEG': good,
        'cut.JPEG': big[: len(big) // 2],
        'none.JPEG': b'',
        'text.JPEG': b'<html>',
        'last.JPEG': jpeg(90),
    }
    source = write_tars(tmp_path / 'source', {TENCH: images, GOLDFISH: {'g.JPEG': jpeg(5)}})
    for form in (Form(), Form(8)):
        out = tmp_path / f'out{form.short_side}'
        with pytest.raises(ValueError) as error:
            prepare(source, out, form=form)
        sentence(
            error,
            '3 images of the input cannot be read',
            'cut.JPEG is truncated',
            'none.JPEG is not a readable image (0 bytes)',
            'text.JPEG is not',
            '--unreadable=skip',
        )
        made = prepare(source, out, form=form, unreadable='skip')
        assert (
            made['stored']['train'] == 3
            and made['found']['train'] == 6
            and len(made['unreadable']) == 3
        )
        train = sources.load('small', 'train', data_dir=out)
        assert train.labels().tolist() == [0, 0, 1] and abs(int(train[1]['image'].mean()) - 90) < 3
    write_tars(tmp_path / 'source', {TENCH: {'text.JPEG': b'junk'}, GOLDFISH: {'g.JPEG': jpeg(5)}})
    # a shard without any image
    made = prepare(source, tmp_path / 'none', unreadable='skip', shard_bytes=1)
    assert (
        made['stored']['train'] == 1
        and sources.load('small', 'train', data_dir=tmp_path / 'none')[0]['label'] == 1
    )
    with pytest.raises(ValueError, match="no treatment of unreadable images named 'drop'"):
        prepare(source, tmp_path / 'out', unreadable='drop')


def test_a_repaired_image_is_taken_up(tmp_path):
    folder = tmp_path / 'folder'
    for c in (TENCH, GOLDFISH):
        for k in range(2):
            path = folder / 'train' / c / f'{k}.JPEG'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(50 + k))
    (folder / 'train' / TENCH / '1.JPEG').write_bytes(b'')
    with pytest.raises(
        ValueError,
        match='1 image of the input cannot be read: train: .*1.JPEG is not a readable image',
    ):
        prepare(folder, tmp_path)
    (folder / 'train' / TENCH / '1.JPEG').write_bytes(jpeg(77))
    prepare(folder, tmp_path)
    assert sources.open_dataset('small', tmp_path).open('train').encoded([1])[0][
        'image'
    ].data == jpeg(77)


def saved(image, kind, **more):
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def odd_images():
    """{name: (bytes, Pillow's RGB pixels or None, tolerance)}."""
    pixels = noise(40, 30)
    rgb, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6
    gray16 = np.arange(1200, dtype=np.uint16).reshape(40, 30) * 50
    other = Image.fromarray(255 - pixels)
    return {
        'cmyk': (saved(rgb.convert('CMYK'), 'JPEG', quality=98), pixels, 8),
        'gray': (
            saved(rgb.convert('L'), 'JPEG', quality=98),
            np.asarray(rgb.convert('L').convert('RGB')),
            3,
        ),
        '16 bit': (
            cv2.imencode('.png', gray16)[1].tobytes(),
            np.repeat((gray16 >> 8)[..., None], 3, -1),
            1,
        ),
        'animated gif': (saved(rgb, 'GIF', save_all=True, append_images=[other]), None, 0),
        'animated png': (saved(rgb, 'PNG', save_all=True, append_images=[other]), pixels, 0),
        'animated webp': (
            saved(rgb, 'WEBP', save_all=True, append_images=[other], lossless=True),
            pixels,
            0,
        ),
        # as it is in the file
        'turned': (saved(rgb, 'JPEG', quality=98, exif=exif), pixels, 3),
        'transparent': (saved(rgb.convert('RGBA'), 'PNG'), pixels, 0),
        'progressive': (saved(rgb, 'JPEG', quality=98, progressive=True), pixels, 3),
        'one pixel': (saved(Image.new('RGB', (1, 1), (9, 9, 9)), 'JPEG'), np.full((1, 1, 3), 9), 2),
        'wide': (
            saved(Image.new('RGB', (20_000, 40), (7, 80, 160)), 'JPEG'),
            np.broadcast_to([7, 80, 160], (40, 20_000, 3)),
            2,
        ),
    }


ODD = odd_images()


@pytest.mark.parametrize('kind', list(ODD))
def test_odd_images_are_stored_with_the_pixels_that_pillow_reads(kind):
    data, pixels, tolerance = ODD[kind]
    image = Encoded(data, 3, kind)
    assert Form().store(image) == data
    found = image.decode().astype(int)
    if pixels is not None:
        assert found.shape == pixels.shape and np.abs(found - pixels).mean() <= tolerance
    small = Encoded(Form(16, 98).store(Encoded(data, 3, kind)), 3, kind).decode()
    h, w, _ = found.shape
    short = min(h, w)
    assert small.shape[:2] == (
        (h, w) if short <= 16 else (round(h * 16 / short), round(w * 16 / short))
    )
    if short > 16:
        wanted = cv2.resize(
            found.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_AREA
        )
        assert np.abs(small.astype(int) - wanted).mean() < 6


@pytest.mark.slow
def test_twenty_thousand_pixels_each_way_are_made_small():
    data = saved(Image.new('RGB', (20_000, 20_000), (200, 100, 50)), 'JPEG')
    small = Encoded(Form(256).store(Encoded(data, 3, 'huge')), 3, 'huge').decode()
    assert small.shape == (256, 256, 3) and np.abs(small.astype(int) - [200, 100, 50]).max() <= 3


def test_sides_that_a_jpeg_cannot_have_are_refused():
    data = cv2.imencode('.png', np.zeros((1, 70_000, 3), np.uint8))[1].tobytes()
    with pytest.raises(ValueError, match='65,535'):
        Form(1).store(Encoded(data, 3, 'long'))
    for wrong in ({'quality': 0}, {'short_side': -1}, {'encoding': 'gif'}, {'encoding': 'pixels'}):
        with pytest.raises(ValueError):
            Form(**wrong)


@pytest.mark.slow
def test_the_command_refuses_in_one_line_and_tells_what_it_did(source, tmp_path):
    places = [f'--source={source}', f'--data_dir={tmp_path}', '--name=small']
    bad = run_experiment('prepare_imagenet', *places, status=2)
    assert (
        bad.stderr.startswith('error: ')
        and bad.stderr.count('\n') == 1
        and 'not the 1,000' in bad.stderr
    )
    good = run_experiment(
        'prepare_imagenet', *places, '--expect=any', '--short_side=8', '--processes=1'
    )
    assert 'small train: 6 images of 3 classes' in good.stdout, good.stderr

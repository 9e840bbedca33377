"""MNIST and CIFAR-10 by TFDS, from small archives of the published form, served on loopback."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading

import numpy as np
import pytest

from cnnlab.data import download, sources
from cnnlab.data.prepare import with_tfds

RNG = np.random.default_rng(0)
COUNTS = {'train': 30, 'test': 10}
LABELS = {split: np.arange(n) % 10 for split, n in COUNTS.items()}


def mnist():
    """{file name: bytes}, {split: images}."""
    files, images = {}, {}
    for split, start in (('train', 'train'), ('test', 't10k')):
        n = COUNTS[split]
        images[split] = RNG.integers(0, 256, (n, 28, 28, 1), np.uint8)
        pixels = struct.pack('>4i', 2051, n, 28, 28) + images[split].tobytes()
        labels = struct.pack('>2i', 2049, n) + LABELS[split].astype(np.uint8).tobytes()
        files[f'{start}-images-idx3-ubyte.gz'] = gzip.compress(pixels)
        files[f'{start}-labels-idx1-ubyte.gz'] = gzip.compress(labels)
    return files, images


def cifar10():
    """{file name: bytes}, {split: images}."""
    images = {split: RNG.integers(0, 256, (n, 32, 32, 3), np.uint8) for split, n in COUNTS.items()}
    parts = {f'data_batch_{i}': ('train', slice(6 * i - 6, 6 * i)) for i in range(1, 6)}
    parts['test_batch'] = ('test', slice(None))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w:gz') as tar:
        for name, (split, rows) in parts.items():
            planes = images[split][rows].transpose(0, 3, 1, 2).reshape(-1, 3 * 32 * 32)
            labels = LABELS[split][rows, None].astype(np.uint8)
            data = np.concatenate([labels, planes], 1).tobytes()
            member = tarfile.TarInfo(f'cifar-10-batches-bin/{name}.bin')
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return {'cifar-10-binary.tar.gz': out.getvalue()}, images


class Handler(http.server.SimpleHTTPRequestHandler):
    """A folder of files; what was asked for is noted."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """(folder that is served as the mirror's files of TFDS, what it was asked for)."""
    folder = tmp_path / 'mirror'
    (folder / 'tfds').mkdir(parents=True)
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        monkeypatch.setenv(download.MIRROR, f'http://127.0.0.1:{running.server_port}')
        yield folder / 'tfds', running.asked
        running.shutdown()
        thread.join()


@pytest.fixture(params=['mnist', 'cifar10'])
def served(request, mirror, monkeypatch):
    """(name, {split: images}, what the mirror was asked for), with the hashes of these archives."""
    files, images = {'mnist': mnist, 'cifar10': cifar10}[request.param]()
    published = with_tfds.PUBLISHED[request.param]
    names = [download.file_name(archive.url) for archive in published.archives]
    assert sorted(names) == sorted(files)
    for name, data in files.items():
        (mirror[0] / name).write_bytes(data)
    archives = tuple(
        dataclasses.replace(a, sha256=hashlib.sha256(files[name]).hexdigest())
        for a, name in zip(published.archives, names, strict=True)
    )
    monkeypatch.setitem(
        with_tfds.PUBLISHED, request.param, dataclasses.replace(published, archives=archives)
    )
    return request.param, images, mirror[1]


def test_every_image_is_there_once_in_the_order_of_tfds(served, tmp_path):
    name, images, _ = served
    with_tfds.prepare(name, tmp_path / 'tfds', tmp_path / 'downloads')
    for split, n in COUNTS.items():
        found = sources.load(name, split, data_dir=tmp_path / 'tfds')
        seen = {found[i]['image'].tobytes(): int(found[i]['label']) for i in range(len(found))}
        assert len(found) == len(seen) == n
        assert seen == {
            image.tobytes(): label
            for image, label in zip(images[split], LABELS[split], strict=True)
        }
        # by hashes of the indices, never as they came
        assert sorted(found.labels()) == sorted(LABELS[split])
        assert found.labels().tolist() != LABELS[split].tolist()
    names = {'mnist': '7', 'cifar10': 'horse'}
    assert found.class_names[7] == names[name]


def test_what_is_prepared_is_kept_and_what_is_downloaded_is_not_asked_for_again(served, tmp_path):
    name, _, asked = served
    folder, downloads = tmp_path / 'tfds', tmp_path / 'downloads'
    # as a killed one leaves it
    rest = folder / name / 'incomplete.ABC_1.0.0'
    rest.mkdir(parents=True)
    with_tfds.prepare(name, folder, downloads)
    once = list(asked)
    assert len(once) == len(with_tfds.PUBLISHED[name].archives)
    assert with_tfds.is_prepared(name, folder) and not rest.exists()
    [version] = (folder / name).iterdir()
    before = {p: p.stat().st_mtime_ns for p in version.iterdir()}
    with_tfds.prepare(name, folder, downloads)
    assert {p: p.stat().st_mtime_ns for p in version.iterdir()} == before
    # another folder of sets, from the same archives
    with_tfds.prepare(name, tmp_path / 'again', downloads)
    assert asked == once
    assert {p.name: p.read_bytes() for p in version.glob('*array_record*')} == {
        p.name: p.read_bytes() for p in (tmp_path / 'again' / name).glob('*/*array_record*')
    }


def test_a_preparation_that_fails_leaves_no_set_behind(served, tmp_path, monkeypatch):
    name, _, asked = served
    published = with_tfds.PUBLISHED[name]

    def broken(folder, split):
        yield from list(published.examples(folder, split))[:5]
        raise OSError('no space left')

    with monkeypatch.context() as patch, pytest.raises(OSError, match='no space left'):
        patch.setitem(with_tfds.PUBLISHED, name, dataclasses.replace(published, examples=broken))
        with_tfds.prepare(name, tmp_path / 'tfds', tmp_path / 'downloads')
    assert not with_tfds.is_prepared(name, tmp_path / 'tfds')
    once = list(asked)
    with_tfds.prepare(name, tmp_path / 'tfds', tmp_path / 'downloads')
    assert with_tfds.is_prepared(name, tmp_path / 'tfds') and asked == once


def test_a_wrong_archive_is_named_and_removed(served, mirror, tmp_path):
    name, _, _ = served
    damaged = download.file_name(with_tfds.PUBLISHED[name].archives[-1].url)
    whole = (mirror[0] / damaged).read_bytes()
    (mirror[0] / damaged).write_bytes(whole[:-1] + b'x')
    downloads = tmp_path / 'downloads'
    with pytest.raises(ValueError, match=f'{damaged} has the sha256 .* it is damaged'):
        with_tfds.prepare(name, tmp_path / 'tfds', downloads)
    assert not (downloads / damaged).exists()
    (mirror[0] / damaged).unlink()
    with pytest.raises(FileNotFoundError, match=rf'{damaged} does not exist \(404\)'):
        with_tfds.prepare(name, tmp_path / 'tfds', downloads)


def test_a_set_that_is_not_known_is_told_from_its_nearest(tmp_path):
    with pytest.raises(KeyError, match='did you mean cifar10'):
        with_tfds.prepare('cifar', tmp_path, tmp_path)

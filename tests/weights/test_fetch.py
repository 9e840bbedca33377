"""Downloads from a server on this machine's loopback: once, verified, resumed, offline, and every
way in which one can fail.
"""

import dataclasses
import hashlib
import http.server
import sys
import threading

import pytest

from cnnlab.data import download
from cnnlab.weights import fetch
from cnnlab.weights.entries import PublishedWeights

# 1 MiB
BODY = bytes(range(256)) * 4096
SHA = hashlib.sha256(BODY).hexdigest()
ENTRY = PublishedWeights(
    'torchvision/net.V1', 'net', {}, None, None, '', None, f'sha256-prefix:{SHA[:8]}', None, None
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves BODY; the path says how: /whole, /broken (ends half-way), /noranges, /absent."""

    def do_GET(self):
        assert self.headers['Accept-Encoding'] == 'identity'
        self.server.asked.append((self.path, self.headers.get('Range')))
        if 'absent' in self.path:
            return self.send_error(404)
        start = 0
        if self.headers.get('Range') and 'noranges' not in self.path:
            start = int(self.headers['Range'].removeprefix('bytes=').removesuffix('-'))
            if start >= len(BODY):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(BODY) - start))
        self.end_headers()
        broken = 'broken' in self.path and not start
        return self.wfile.write(BODY[start : len(BODY) // 2] if broken else BODY[start:])

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv(fetch.CACHE, str(tmp_path / 'cache'))
    monkeypatch.delenv(download.MIRROR, raising=False)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def entry(server, name, **facts):
    return dataclasses.replace(ENTRY, url=f'http://127.0.0.1:{server.server_port}/{name}', **facts)


@pytest.mark.parametrize(
    'hash', [f'sha256-prefix:{SHA[:8]}', f'sha256:{SHA}', f'md5:{hashlib.md5(BODY).hexdigest()}']
)
def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(server, hash):
    path = fetch.fetch(entry(server, 'whole.pth', hash=hash))
    assert path.read_bytes() == BODY
    assert path.parent.name == 'torchvision'
    assert fetch.fetch(entry(server, 'whole.pth', hash=hash)) == path
    assert server.asked == [('/whole.pth', None)]


def test_the_cache_serves_without_a_network(server):
    path = fetch.fetch(entry(server, 'whole.pth'))
    assert fetch.fetch(dataclasses.replace(ENTRY, url='http://127.0.0.1:9/whole.pth')) == path


def test_a_wrong_hash_is_refused_and_the_file_removed(server, tmp_path):
    with pytest.raises(ValueError, match=rf'has the sha256 {SHA}, not 00000000 as stated'):
        fetch.fetch(entry(server, 'whole.pth', hash='sha256-prefix:00000000'))
    assert list((tmp_path / 'cache').rglob('*.pth*')) == []


def test_a_broken_download_is_taken_up_where_it_broke(server):
    with pytest.raises(
        ConnectionError, match=r'torchvision/net\.V1: .*broken\.pth cannot be downloaded'
    ):
        fetch.fetch(entry(server, 'broken.pth'))
    assert fetch.fetch(entry(server, 'broken.pth')).read_bytes() == BODY
    assert server.asked == [('/broken.pth', None), ('/broken.pth', f'bytes={len(BODY) // 2}-')]


@pytest.mark.parametrize('kept', [BODY[:100], b'x' * len(BODY)])
def test_a_server_that_cannot_resume_is_asked_for_the_whole(server, kept):
    name = 'noranges.pth' if len(kept) < len(BODY) else 'whole.pth'
    part = fetch.cache_folder() / 'torchvision' / f'{name}.part'
    part.parent.mkdir(parents=True)
    part.write_bytes(kept)
    assert fetch.fetch(entry(server, name)).read_bytes() == BODY


def test_a_missing_address_is_told(server):
    with pytest.raises(FileNotFoundError, match=r'absent\.pth does not exist \(404\)'):
        fetch.fetch(entry(server, 'absent.pth'))


def test_no_network_is_told_in_one_sentence(server):
    with pytest.raises(
        ConnectionError,
        match=r'torchvision/net\.V1: http://127.0.0.1:9/a\.pth cannot be downloaded',
    ) as error:
        fetch.fetch(dataclasses.replace(ENTRY, url='http://127.0.0.1:9/a.pth'))
    assert '\n' not in str(error.value)


def test_without_a_stated_hash_the_first_download_is_noted_and_held_later(server):
    one = entry(server, 'whole.pth', hash=None)
    path = fetch.fetch(one)
    assert path.with_name('whole.pth.sha256').read_text() == SHA
    path.write_bytes(BODY[:-1])
    with pytest.raises(ValueError, match='damaged or another file'):
        fetch.fetch(one)


def test_a_mirror_is_asked_in_place_of_the_address(server, monkeypatch):
    monkeypatch.setenv(download.MIRROR, f'http://127.0.0.1:{server.server_port}/mirror/')
    fetch.fetch(dataclasses.replace(ENTRY, url='http://127.0.0.1:9/folder/whole.pth'))
    assert server.asked == [('/mirror/torchvision/whole.pth', None)]


def test_weights_without_a_file_say_so(server):
    with pytest.raises(ValueError, match='publishes no file that is known here'):
        fetch.fetch(dataclasses.replace(ENTRY, url=None))


class Hub(http.server.BaseHTTPRequestHandler):
    """The two answers of the Hugging Face hub that a download of one large file needs."""

    def do_HEAD(self):
        self.send_response(200)
        self.send_header('ETag', f'"{SHA}"')
        self.send_header('X-Repo-Commit', '0' * 40)
        self.send_header('Content-Length', str(len(BODY)))
        self.end_headers()

    def do_GET(self):
        # the library asks about itself as well
        if '/resolve/' not in self.path:
            return self.send_error(404)
        self.server.asked.append(self.path)
        self.do_HEAD()
        return self.wfile.write(self.server.body)

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A mirror of the hub that serves `body`."""
    pytest.importorskip('huggingface_hub')
    monkeypatch.setenv(fetch.CACHE, str(tmp_path / 'cache'))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub) as running:
        running.asked, running.body = [], BODY
        thread = threading.Thread(
            target=running.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True
        )
        thread.start()
        monkeypatch.setenv(fetch.HUB_MIRROR, f'http://127.0.0.1:{running.server_port}')
        yield running
        running.shutdown()
        thread.join()


IN_HUB = dataclasses.replace(ENTRY, id='timm/net.in1k', url=None, hub='timm/net.in1k', hash=None)


def test_a_file_of_the_hub_is_downloaded_once_and_then_comes_from_the_cache(hub, monkeypatch):
    path = fetch.fetch(IN_HUB)
    assert path.read_bytes() == BODY
    assert fetch.fetch(IN_HUB) == path
    assert hub.asked == ['/timm/net.in1k/resolve/main/model.safetensors']
    # nobody listens there
    monkeypatch.setenv(fetch.HUB_MIRROR, 'http://127.0.0.1:9')
    assert fetch.fetch(IN_HUB) == path
    # the hub's package tries again for twenty seconds
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    with pytest.raises(
        ConnectionError, match='timm/other of the Hugging Face hub cannot be downloaded'
    ):
        fetch.fetch(dataclasses.replace(IN_HUB, hub='timm/other'))


def test_a_file_of_the_hub_is_held_to_the_hubs_own_hash(hub):
    hub.body = BODY[:-1] + b'x'
    with pytest.raises(ValueError, match='damaged or another file'):
        fetch.fetch(IN_HUB)
    hub.body = BODY
    # the damaged one was removed
    assert fetch.fetch(IN_HUB).read_bytes() == BODY


def test_a_file_of_the_hub_without_its_package_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(ImportError, match=r'install cnnlab\[hub\]'):
        fetch.fetch(dataclasses.replace(ENTRY, url=None, hub='timm/net.in1k'))

"""One file from the network: its hash verified, a broken download taken up where it broke."""

import hashlib
import os
import pathlib
import urllib.parse

import pooch
import requests
import rich
from absl import logging
from rich import progress

# the address under which <source>/<file name> is asked for, in place of a file's own
MIRROR = 'CNNLAB_MIRROR'
# bytes read at a time; as much is lost where a connection breaks
_BLOCK = 1 << 16
# seconds without an answer
_PATIENCE = 30


def file_name(url: str) -> str:
    """The last part of an address."""
    return pathlib.PurePosixPath(urllib.parse.urlparse(url).path).name


def mirrored(source: str, url: str) -> str:
    """$CNNLAB_MIRROR/<source>/<file name>, or the address itself where there is no mirror."""
    mirror = os.environ.get(MIRROR)
    return f'{mirror.rstrip("/")}/{source}/{file_name(url)}' if mirror else url


class _Resumed:
    """A downloader of pooch's kind that keeps what came of a broken download beside the file, and
    asks for the rest the next time.
    """

    def __init__(self, part: pathlib.Path):
        self.part = part

    def __call__(self, url, output_file, pooch_):
        have = self.part.stat().st_size if self.part.exists() else 0
        # a server that compressed the answer would count other bytes than the file's
        headers = {'Accept-Encoding': 'identity'}
        if have:
            headers['Range'] = f'bytes={have}-'
        with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as answer:
            # what is kept is no beginning of this file
            if answer.status_code == 416:
                self.part.unlink()
                return self(url, output_file, pooch_)
            if answer.status_code == 404:
                raise FileNotFoundError(f'{url} does not exist (404)')
            answer.raise_for_status()
            resumed = answer.status_code == 206
            total = int(answer.headers.get('Content-Length', 0)) + (have if resumed else 0)
            with (
                self.part.open('ab' if resumed else 'wb') as file,
                progress.Progress(
                    transient=True, disable=not rich.get_console().is_terminal
                ) as bar,
            ):
                task = bar.add_task(
                    self.part.stem, total=total or None, completed=have if resumed else 0
                )
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
                    bar.advance(task, len(block))
        if total and self.part.stat().st_size != total:
            raise requests.ConnectionError(
                f'the connection ended after {self.part.stat().st_size} of {total} bytes'
            )
        self.part.replace(output_file)
        return None


def _digest(path: pathlib.Path, kind: str) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, kind).hexdigest()


def verify(path: pathlib.Path, stated: str | None) -> None:
    """Holds a file against the hash that its source states, or, where it states none, against the
    one noted at the first download.

    Raises:
      ValueError: it is another; the sentence has both.
    """
    note = path.with_name(path.name + '.sha256')
    if stated is None and not note.exists():
        note.write_text(_digest(path, 'sha256'))
        logging.warning(
            '%s is unverified: its source states no hash; its sha256 is noted beside it for the '
            'next time',
            path.name,
        )
        return
    kind, _, wanted = (stated or f'sha256:{note.read_text()}').partition(':')
    kind, _, part = kind.partition('-')
    found = _digest(path, kind)
    if not (found.startswith(wanted) if part else found == wanted):
        raise ValueError(
            f'{path} has the {kind} {found}, and {wanted} was stated: it is damaged or another file'
        )


def download(url: str, path: pathlib.Path, *, hash: str | None, what: str) -> pathlib.Path:
    """Downloads a file that is not there yet; verifies it each time.

    Args:
      url: the address.
      path: of the file; what a broken download left is kept beside it, with the suffix .part.
      hash: 'sha256:...', 'md5:...' or 'sha256-prefix:...'; None holds the file against the hash
        that it had at the first download.
      what: begins the sentence where the file cannot be had.

    Returns:
      `path`.

    Raises:
      ValueError: the file has another hash (a downloaded one is removed).
      FileNotFoundError: the address does not exist.
      ConnectionError: the address cannot be reached, or the connection broke.
    """
    if path.exists():
        verify(path, hash)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # pooch would repeat what is said here of hashes
    pooch.get_logger().setLevel('WARNING')
    try:
        pooch.retrieve(
            url,
            known_hash=None,
            fname=path.name,
            path=path.parent,
            downloader=_Resumed(path.with_name(f'{path.name}.part')),
        )
    except requests.RequestException as error:
        raise ConnectionError(
            f'{what}: {url} cannot be had, and {path} is not there: {" ".join(str(error).split())}'
        ) from error
    try:
        verify(path, hash)
    except ValueError:
        path.unlink()
        raise
    return path

"""Downloads that are verified by hash and resumed where they broke off."""

import hashlib
import os
import pathlib
import urllib.parse

import pooch
import requests
import rich
from absl import logging
from rich import progress

# environment variable: a mirror's address, below which <source>/<file name> is downloaded
MIRROR = 'CNNLAB_MIRROR'
# bytes written at a time; a connection that breaks loses at most these
_BLOCK = 1 << 16
# seconds to wait for an answer
_PATIENCE = 30


def file_name(url: str) -> str:
    """The file name at the end of an address."""
    return pathlib.PurePosixPath(urllib.parse.urlparse(url).path).name


def mirrored(source: str, url: str) -> str:
    """The address of a file on the mirror that CNNLAB_MIRROR names, or `url` without a mirror.

    Args:
      source: the folder on the mirror, such as 'tfds' or 'torchvision'.
      url: the file's own address.
    """
    mirror = os.environ.get(MIRROR)
    return f'{mirror.rstrip("/")}/{source}/{file_name(url)}' if mirror else url


class _Resumed:
    """A downloader for pooch that resumes.

    The bytes of a broken download stay in `part`; the next call requests only the rest.
    """

    def __init__(self, part: pathlib.Path):
        self.part = part

    def __call__(self, url, output_file, pooch_):
        have = self.part.stat().st_size if self.part.exists() else 0
        # The byte range would count compressed bytes if the server compressed its answer.
        headers = {'Accept-Encoding': 'identity'}
        if have:
            headers['Range'] = f'bytes={have}-'
        with requests.get(url, headers=headers, stream=True, timeout=_PATIENCE) as answer:
            # The server has fewer bytes than `part`, so `part` is not the start of this file.
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
    """Checks a file against the hash that its source states.

    Where the source states none, the first call notes the file's sha256 beside it and later calls
    check against that.

    Args:
      path: the file.
      stated: 'sha256:...', 'md5:...' or 'sha256-prefix:...'; or None.

    Raises:
      ValueError: the file has another hash.
    """
    note = path.with_name(path.name + '.sha256')
    if stated is None and not note.exists():
        note.write_text(_digest(path, 'sha256'))
        logging.warning(
            '%s is not verified, since its source states no hash; its sha256 is noted beside it '
            'for the next time',
            path.name,
        )
        return
    kind, _, wanted = (stated or f'sha256:{note.read_text()}').partition(':')
    kind, _, part = kind.partition('-')
    found = _digest(path, kind)
    if not (found.startswith(wanted) if part else found == wanted):
        raise ValueError(
            f'{path} has the {kind} {found}, not {wanted} as stated: it is damaged or another file'
        )


def download(url: str, path: pathlib.Path, *, hash: str | None, what: str) -> pathlib.Path:
    """Downloads a file, if it is not there yet, and verifies it.

    Args:
      url: the address.
      path: where the file goes. A broken download is kept beside it with the suffix .part, and is
        resumed by the next call.
      hash: 'sha256:...', 'md5:...' or 'sha256-prefix:...'; None compares with the hash that the
        file had at its first download.
      what: what the error message calls the file.

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
    # pooch logs about hashes, too
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
            f'{what}: {url} cannot be downloaded, and {path} is not there: '
            f'{" ".join(str(error).split())}'
        ) from error
    try:
        verify(path, hash)
    except ValueError:
        path.unlink()
        raise
    return path

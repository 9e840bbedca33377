"""Published files: downloaded once into a cache, their hashes verified, a broken download taken up
where it broke.
"""

import hashlib
import os
import pathlib
import re

import pooch
import requests
from absl import logging
from rich import progress

from cnnlab.weights.entries import PublishedWeights

# the environment variable that names the folder of downloaded files
CACHE = 'CNNLAB_CACHE'
# the address under which <source>/<file name> is asked for, in place of the entry's own
MIRROR = 'CNNLAB_MIRROR'
# huggingface_hub's own variable for the address of a mirror of the hub
HUB_MIRROR = 'HF_ENDPOINT'
_HUB_FILE = 'model.safetensors'
# bytes read at a time; as much is lost where a connection breaks
_BLOCK = 1 << 16
# seconds without an answer
_PATIENCE = 30


def cache_folder() -> pathlib.Path:
    """$CNNLAB_CACHE, or the system's folder for caches."""
    return pathlib.Path(os.environ.get(CACHE) or pooch.os_cache('cnnlab'))


def address(entry: PublishedWeights) -> str:
    """The address of the file: $CNNLAB_MIRROR/<source>/<file name>, or the entry's own."""
    mirror = os.environ.get(MIRROR)
    return (
        f'{mirror.rstrip("/")}/{entry.id.partition("/")[0]}/{entry.file_name}'
        if mirror
        else entry.url or ''
    )


class _Resumed:
    """A downloader of pooch's kind that keeps what came of a broken download beside the file, and
    asks for the rest the next time.
    """

    def __init__(self, part: pathlib.Path):
        self.part = part

    def __call__(self, url, output_file, pooch_):
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {'Range': f'bytes={have}-'} if have else {}
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
                progress.Progress(transient=True) as bar,
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


def fetch(entry: PublishedWeights) -> pathlib.Path:
    """The path of an entry's file in the cache, downloaded if it is not there; verified each time.

    Raises:
      ValueError: the source publishes no file under this id, or the file has not the stated hash (a
        downloaded one is removed).
      FileNotFoundError: the address does not exist.
      ConnectionError: the address cannot be reached, or the connection broke (what came is kept for
        the next try).
    """
    if entry.url is None:
        return _from_hub(entry)
    folder = cache_folder() / entry.id.partition('/')[0]
    path, url = folder / entry.file_name, address(entry)
    if path.exists():
        verify(path, entry.hash)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    # what it says of hashes is said here
    pooch.get_logger().setLevel('WARNING')
    try:
        pooch.retrieve(
            url,
            known_hash=None,
            fname=entry.file_name,
            path=folder,
            downloader=_Resumed(folder / f'{entry.file_name}.part'),
        )
    except requests.RequestException as error:
        raise ConnectionError(
            f'{entry.id}: {url} cannot be had, and {path} is not there: '
            f'{" ".join(str(error).split())}'
        ) from error
    try:
        verify(path, entry.hash)
    except ValueError:
        path.unlink()
        raise
    return path


def _from_hub(entry: PublishedWeights) -> pathlib.Path:
    if entry.hub is None:
        raise ValueError(
            f'{entry.id}: its source publishes no file that is known here; give a file to from_file'
        )
    try:
        import huggingface_hub
    except ImportError:
        raise ImportError(
            f'{entry.id} lies on the Hugging Face hub alone ({entry.hub}): install cnnlab[hub]'
        ) from None
    folder = cache_folder() / 'hub'
    try:
        path = pathlib.Path(
            huggingface_hub.hf_hub_download(
                entry.hub, _HUB_FILE, cache_dir=folder, endpoint=os.environ.get(HUB_MIRROR)
            )
        )
    except huggingface_hub.errors.LocalEntryNotFoundError as error:
        raise ConnectionError(
            f'{entry.id}: {entry.hub} of the Hugging Face hub cannot be had, and is not in {folder}'
        ) from error
    except (
        huggingface_hub.errors.RepositoryNotFoundError,
        huggingface_hub.errors.EntryNotFoundError,
    ) as error:
        raise FileNotFoundError(
            f'{entry.id}: the Hugging Face hub has no {_HUB_FILE} in {entry.hub}'
        ) from error
    # the hub's cache names a large file by its sha256, and links to it
    blob = path.resolve()
    try:
        verify(
            path,
            entry.hash
            or (f'sha256:{blob.name}' if re.fullmatch('[0-9a-f]{64}', blob.name) else None),
        )
    except ValueError:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise
    return path

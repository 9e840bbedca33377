"""Downloads published files once into a cache and verifies their hashes."""

import os
import pathlib
import re

import pooch

from cnnlab.data.download import download, mirrored, verify
from cnnlab.weights.entries import PublishedWeights

# the environment variable that names the folder of downloaded files
CACHE = 'CNNLAB_CACHE'
# huggingface_hub's own variable for the address of a mirror of the hub
HUB_MIRROR = 'HF_ENDPOINT'
_HUB_FILE = 'model.safetensors'


def cache_folder() -> pathlib.Path:
    """$CNNLAB_CACHE, or the system's folder for caches."""
    return pathlib.Path(os.environ.get(CACHE) or pooch.os_cache('cnnlab'))


def address(entry: PublishedWeights) -> str:
    """The address of the file: $CNNLAB_MIRROR/<source>/<file name>, or the entry's own."""
    return mirrored(entry.id.partition('/')[0], entry.url or '')


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
    path = cache_folder() / entry.id.partition('/')[0] / entry.file_name
    return download(address(entry), path, hash=entry.hash, what=entry.id)


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
            f'{entry.id}: {entry.hub} of the Hugging Face hub cannot be downloaded, and is not in '
            f'{folder}'
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

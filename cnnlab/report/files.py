"""Writes files atomically: a file appears complete or not at all."""

import os
import pathlib


def write_bytes(path: str | os.PathLike, content: bytes) -> pathlib.Path:
    """Writes a file under a temporary name beside `path`, then renames it.

    No reader ever sees half a file, even if the process is killed. Missing parent folders are made.

    Returns:
      The path.

    Raises:
      OSError: the folder cannot be written, or the disk is full; the error names the file.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        # the error of a full disk does not name the file
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def write_text(path: str | os.PathLike, content: str) -> pathlib.Path:
    """Writes UTF-8 text as `write_bytes` does."""
    return write_bytes(path, content.encode())

"""Files that appear whole or not at all."""

import os
import pathlib


def write_bytes(path: str | os.PathLike, content: bytes) -> pathlib.Path:
    """Writes `content` beside `path` and renames it into place, so that a reader or a kill never
    meets half a file.

    Missing parent folders are made. Returns the path; raises OSError where the folder cannot be
    written.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        # the reason with the file, which a full disk does not tell
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def write_text(path: str | os.PathLike, content: str) -> pathlib.Path:
    """`write_bytes` of UTF-8 text."""
    return write_bytes(path, content.encode())

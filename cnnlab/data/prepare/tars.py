"""Reading of tar files without unpacking them: names, offsets and sizes of their members."""

import dataclasses
import io
import pathlib
import tarfile
from collections.abc import Iterator

# A tar consists of blocks of this many bytes; a block of zeros ends it.
_BLOCK = 512


@dataclasses.dataclass(frozen=True)
class Member:
    """A file in a tar.

    Attributes:
      name: without its folders.
      offset: of its first byte, from the start of the outermost tar.
      size: in bytes.
    """

    name: str
    offset: int
    size: int


class _Window(io.RawIOBase):
    """Bytes start .. end - 1 of an open file, as a file."""

    def __init__(self, file: io.BufferedReader, start: int, end: int):
        self._file, self._start, self._end, self._at = file, start, end, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (
            offset
            + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end - self._start}[whence]
        )
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._start - self._at)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


def members(path: pathlib.Path, within: Member | None = None) -> Iterator[Member]:
    """Yields the files in a tar, in their order.

    Args:
      path: the tar.
      within: a member of it that is a tar itself; its files are then yielded.

    Raises:
      ValueError: it is not a tar, or ends early.
      OSError: it cannot be read.
    """
    what = str(path) if within is None else f'{within.name} in {path}'
    with path.open('rb') as file:
        end = file.seek(0, io.SEEK_END)
        start, end = (0, end) if within is None else (within.offset, within.offset + within.size)
        if end <= start:
            raise ValueError(f'{what} is empty')
        window, last = _Window(file, start, end), 0
        try:
            with tarfile.open(fileobj=window, mode='r:') as tar:
                while (entry := tar.next()) is not None:
                    # tarfile remembers every member, which would fill the memory.
                    tar.members.clear()  # type: ignore[attr-defined]
                    last = entry.offset_data + -(-entry.size // _BLOCK) * _BLOCK
                    if start + last > end:
                        raise ValueError(f'{what} is truncated: it ends inside {entry.name}')
                    if entry.isfile():
                        yield Member(
                            pathlib.PurePosixPath(entry.name).name,
                            start + entry.offset_data,
                            entry.size,
                        )
        except tarfile.TarError as error:
            if last:
                raise ValueError(
                    f'{what} is damaged or truncated after its first {last:,} bytes: {error}'
                ) from error
            raise ValueError(f'{what} is not a plain tar file: {error}') from error
        window.seek(last)
        if window.read(_BLOCK) != bytes(_BLOCK):
            raise ValueError(
                f'{what} is truncated: it ends after {last:,} bytes without an end mark'
            )


def read(file: io.BufferedReader, member: Member) -> bytes:
    """Reads the content of a member.

    Args:
      file: the open outermost tar.
      member: from `members`.

    Raises:
      ValueError: the tar ends early.
    """
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) < member.size:
        raise ValueError(f'{file.name} is truncated: it ends inside {member.name}')
    return data

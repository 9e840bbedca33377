"""Tar files read where they lie: names, places and sizes of their members; nothing is unpacked."""

import dataclasses
import io
import pathlib
import tarfile
from collections.abc import Iterator

# a tar is made of blocks of so many bytes; one of zeros ends it
_BLOCK = 512


@dataclasses.dataclass(frozen=True)
class Member:
    """A file in a tar."""

    # without its folders
    name: str
    # of its first byte, from the start of the outermost tar
    offset: int
    # bytes
    size: int


class _Window(io.RawIOBase):
    """Bytes start .. end - 1 of an open file as a file."""

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
    """The files in the tar at `path`, or in the tar that is its member `within`, in their order.

    Raises:
      ValueError: it is no tar, or ends early.
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
                    # tarfile keeps every member that it has met
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
                f'{what} is truncated: it ends after {last:,} bytes without the mark of its end'
            )


def read(file: io.BufferedReader, member: Member) -> bytes:
    """The content of a member; `file` is the open outermost tar. ValueError where it ends early."""
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) < member.size:
        raise ValueError(f'{file.name} is truncated: it ends inside {member.name}')
    return data

"""The progress of a preparation, in a file that survives a kill at any moment.

It has one line of JSON for the parameters, then one for each finished shard.
"""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from cnnlab.data.prepare import record


class Manifest:
    """The progress of the preparation in a folder; made by `opened`.

    Attributes:
      folder: where the shards are.
      done: file name -> report, of the finished shards.
    """

    def __init__(self, folder: pathlib.Path, file, done: dict[str, dict[str, Any]]):
        self.folder, self.done, self._file = folder, done, file

    def add(self, report: dict[str, Any]) -> None:
        """Records a finished shard; call it after the file has been renamed into place."""
        _append(self._file, report)
        self.done[report['shard']] = report

    def forget(self, which: Callable[[dict[str, Any]], Any]) -> None:
        """Drops the shards for whose report `which` is true, so that they are made again."""
        self.done = {name: report for name, report in self.done.items() if not which(report)}

    def remove(self) -> None:
        """Removes the file, once the set and its record are complete."""
        (self.folder / record.PROGRESS).unlink()


@contextlib.contextmanager
def opened(folder: pathlib.Path, parameters: dict[str, Any]) -> Iterator[Manifest]:
    """Opens the manifest of a preparation, new or resumed, for this process alone.

    Args:
      folder: where the shards go.
      parameters: everything that decides the bytes of the shards.

    Raises:
      ValueError: the preparation was started with other parameters, or another process is working
        on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / record.PROGRESS
    with path.open('a+b') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f'another process is preparing {folder} at this moment') from None
        lines = _whole_lines(file)
        if lines:
            refuse_other(folder, lines[0], parameters)
        else:
            _append(file, parameters)
        done = {
            line['shard']: line
            for line in lines[1:]
            if _there(folder / line['shard'], line['size'])
        }
        yield Manifest(folder, file, done)


def refuse_other(folder: pathlib.Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Raises ValueError, naming the parameters that differ from the existing preparation's."""
    differing = [
        f'{k} is {there.get(k)!r} there and {here.get(k)!r} here'
        for k in sorted({*there, *here})
        if there.get(k) != here.get(k)
    ]
    if differing:
        raise ValueError(
            f'{folder} was started with other parameters: {"; ".join(differing)}; give another '
            f'--name, or remove that folder'
        )


def _append(file, line: dict[str, Any]) -> None:
    file.write(json.dumps(line).encode() + b'\n')
    file.flush()
    os.fsync(file.fileno())


def _whole_lines(file) -> list[dict[str, Any]]:
    """Reads the lines of a file; cuts off a last line that a kill has left incomplete."""
    file.seek(0)
    whole, _, _ = file.read().rpartition(b'\n')
    file.truncate(len(whole) + 1 if whole else 0)
    file.seek(0, os.SEEK_END)
    return [json.loads(line) for line in whole.splitlines()]


def _there(path: pathlib.Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size

"""The log of a run: JSON lines, mirrored to TensorBoard. Each (split, step) appears once, however
often the run was stopped.
"""

import contextlib
import json
import pathlib
import shutil
import time
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

from cnnlab.report.files import write_text
from cnnlab.train.distributed import hosts

# fields that differ between two runs of one recipe
TIMES = ('seconds', 'images_per_second', 'data_ms', 'device_ms', 'host_ms')
# {'step': int, 'split': 'train' | 'validation' | 'test', 'loss': float, ...}
Record = dict[str, Any]


def read(path: pathlib.Path) -> list[Record]:
    """Reads the records of a log; [] if the file is missing.

    Leaves out a last line that a kill cut off.
    """
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(_renamed(json.loads(line)))
        except json.JSONDecodeError:
            break
    return records


def _renamed(record: Record) -> Record:
    """Renames 'rate', as old logs have it, to 'learning_rate'."""
    return {'learning_rate' if key == 'rate' else key: value for key, value in record.items()}


class Log:
    """Appends records to `directory`/metrics.jsonl and `directory`/tensorboard.

    With several hosts every process holds the records; process 0 alone writes the files.

    Args:
      directory: of the run.
      step: where the run resumes; later records, which a killed process wrote, are dropped.
    """

    def __init__(self, directory: pathlib.Path, step: int):
        self.path = directory / 'metrics.jsonl'
        self._file: TextIO | None = None
        self._events: EventsWriter | None = None
        self.records: list[Record] = hosts.broadcast(lambda: read(self.path))
        self.cut(step)

    def cut(self, step: int) -> None:
        """Drops the records after a step, in memory and in both files."""
        self.close()
        self.records = [r for r in self.records if r['step'] <= step]
        if not hosts.is_primary():
            return
        write_text(self.path, ''.join(map(_line, self.records)))
        self._file = self.path.open('a')
        events = self.path.parent / 'tensorboard'
        # an event file cannot be truncated, so it is written anew
        shutil.rmtree(events, ignore_errors=True)
        events.mkdir()
        # SummaryWriter's thread would hang where the disk is full
        self._events = EventsWriter(str(events / 'events'))
        for record in self.records:
            _mirror(self._events, record)

    def append(self, record: Record) -> None:
        """Writes one record and flushes it, so that a killed process does not lose it.

        Raises:
          OSError: the write failed.
        """
        self.records.append(record)
        if self._file is None or self._events is None:
            return
        try:
            self._file.write(_line(record))
            self._file.flush()
            _mirror(self._events, record)
            self._events.flush()
        except OSError as error:
            raise OSError(
                error.errno,
                f'the log cannot be written ({error.strerror}); start the run again to resume from '
                f'its last checkpoint',
                str(self.path),
            ) from error

    def last(self, key: str, default: float) -> float:
        """Returns the newest value of a field, or `default`."""
        return next((r[key] for r in reversed(self.records) if key in r), default)

    def close(self) -> None:
        """Closes both files; `append` has already reported one that cannot be written."""
        for file in (self._file, self._events):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        self._file = self._events = None


def _line(record: Record) -> str:
    return json.dumps(record) + '\n'


def series(records: list[Record], split: str, key: str) -> tuple[list[int], list[float]]:
    """Returns (steps, values) of one field of one split."""
    chosen = [r for r in records if r['split'] == split and key in r]
    return [r['step'] for r in chosen], [r[key] for r in chosen]


def curve(runs: Sequence[list[Record]], key: str) -> dict[str, np.ndarray]:
    """Arranges the logs of several seeds for `report.plots.learning_curves`.

    Args:
      runs: the records of each seed.
      key: the field to draw.

    Returns:
      {'step': (t,), split: (seeds, t)}, NaN at steps that a split has no record of.
    """
    splits = [s for s in ('train', 'validation') if any(series(r, s, key)[0] for r in runs)]
    steps = sorted({step for r in runs for s in splits for step in series(r, s, key)[0]})
    column = {step: i for i, step in enumerate(steps)}
    out = {'step': np.asarray(steps, float)}
    for split in splits:
        out[split] = np.full((len(runs), len(steps)), np.nan)
        for row, records in zip(out[split], runs, strict=True):
            for step, value in zip(*series(records, split, key), strict=True):
                row[column[step]] = value
    return out


def _mirror(events: EventsWriter, record: Record) -> None:
    for key, value in record.items():
        if isinstance(value, int | float) and key != 'step':
            scalar = summary.scalar(f'{record["split"]}/{key}', value)
            events.write_event(Event(wall_time=time.time(), step=record['step'], summary=scalar))

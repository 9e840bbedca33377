"""The log of a run: JSON lines, mirrored to TensorBoard, each (split, step) once however often the
run was stopped.
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

# fields that two runs of one recipe differ in
TIMES = ('seconds', 'images_per_second', 'data_ms', 'device_ms', 'host_ms')
# {'step': int, 'split': 'train' | 'validation' | 'test', 'loss': float, ...}
Record = dict[str, Any]


def read(path: pathlib.Path) -> list[Record]:
    """The records of a log; [] where there is none. A last line cut off by a kill is left out."""
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
    """The record with the names of today: logs once called the learning rate 'rate'."""
    return {'learning_rate' if key == 'rate' else key: value for key, value in record.items()}


class Log:
    """Appends records to `directory`/metrics.jsonl and `directory`/tensorboard.

    On several hosts every process has the records, and process 0 alone the files.

    Args:
      directory: of the run.
      step: where the run goes on; later records, written before it was killed, are cut off.
    """

    def __init__(self, directory: pathlib.Path, step: int):
        self.path = directory / 'metrics.jsonl'
        self._file: TextIO | None = None
        self._events: EventsWriter | None = None
        self.records: list[Record] = hosts.broadcast(lambda: read(self.path))
        self.cut(step)

    def cut(self, step: int) -> None:
        """Forgets the records after a step."""
        self.close()
        self.records = [r for r in self.records if r['step'] <= step]
        if not hosts.is_primary():
            return
        write_text(self.path, ''.join(map(_line, self.records)))
        self._file = self.path.open('a')
        events = self.path.parent / 'tensorboard'
        # an event file cannot be cut, but it can be told again
        shutil.rmtree(events, ignore_errors=True)
        events.mkdir()
        # SummaryWriter's thread would hang where the disk is full
        self._events = EventsWriter(str(events / 'events'))
        for record in self.records:
            _mirror(self._events, record)

    def append(self, record: Record) -> None:
        """Writes one record; it is with the operating system when this returns, so a killed process
        does not lose it.

        Raises:
          OSError: it cannot be written.
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
                f'the log cannot be written ({error.strerror}); the run goes on from its last '
                f'checkpoint when '
                'started again',
                str(self.path),
            ) from error

    def last(self, key: str, default: float) -> float:
        """The newest value of a field."""
        return next((r[key] for r in reversed(self.records) if key in r), default)

    def close(self) -> None:
        """Flushes both files; one that cannot be written has been told by `append`."""
        for file in (self._file, self._events):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        self._file = self._events = None


def _line(record: Record) -> str:
    return json.dumps(record) + '\n'


def series(records: list[Record], split: str, key: str) -> tuple[list[int], list[float]]:
    """(steps, values) of one quantity of one split."""
    found = [(r['step'], r[key]) for r in records if r['split'] == split and key in r]
    return [s for s, _ in found], [v for _, v in found]


def curve(runs: Sequence[list[Record]], key: str) -> dict[str, np.ndarray]:
    """What `report.plots.learning_curves` takes for the logs of several seeds: {'step': (t,),
    split: (seeds, t)}, NaN between records.
    """
    splits = [s for s in ('train', 'validation') if any(series(r, s, key)[0] for r in runs)]
    steps = sorted({step for r in runs for s in splits for step in series(r, s, key)[0]})
    place = {step: i for i, step in enumerate(steps)}
    out = {'step': np.asarray(steps, float)}
    for split in splits:
        out[split] = np.full((len(runs), len(steps)), np.nan)
        for row, records in zip(out[split], runs, strict=True):
            for step, value in zip(*series(records, split, key), strict=True):
                row[place[step]] = value
    return out


def _mirror(events: EventsWriter, record: Record) -> None:
    for key, value in record.items():
        if isinstance(value, int | float) and key != 'step':
            scalar = summary.scalar(f'{record["split"]}/{key}', value)
            events.write_event(Event(wall_time=time.time(), step=record['step'], summary=scalar))

"""The log of a run: JSON lines, mirrored to TensorBoard, each (split, step) once however often the run was stopped."""
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

Record = dict[str, Any]  # {'step': int, 'split': 'train' | 'validation' | 'test', 'loss': float, ...}


def read(path: pathlib.Path) -> list[Record]:
    """The records of a log; [] where there is none. A last line cut off by a kill is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


class Log:
    """Appends records to `directory`/metrics.jsonl and `directory`/tensorboard.

    Args:
      directory: of the run.
      step: where the run goes on; later records, written before it was killed, are cut off.
    """

    def __init__(self, directory: pathlib.Path, step: int):
        self.path = directory / 'metrics.jsonl'
        self.records = [r for r in read(self.path) if r['step'] <= step]
        cut = self.path.with_suffix('.cut')
        cut.write_text(''.join(map(_line, self.records)))
        cut.replace(self.path)
        self._file = self.path.open('a')
        events = directory / 'tensorboard'
        shutil.rmtree(events, ignore_errors=True)  # an event file cannot be cut, but it can be told again
        self._events = SummaryWriter(str(events))
        for record in self.records:
            self._mirror(record)

    def append(self, record: Record) -> None:
        """Writes one record; it is with the operating system when this returns, so a killed process does not lose it."""
        self.records.append(record)
        self._file.write(_line(record))
        self._file.flush()
        self._mirror(record)

    def _mirror(self, record):
        for key, value in record.items():
            if isinstance(value, int | float) and key != 'step':
                self._events.add_scalar(f'{record["split"]}/{key}', value, record['step'])

    def last(self, key: str, default: float) -> float:
        """The newest value of a field."""
        return next((r[key] for r in reversed(self.records) if key in r), default)

    def close(self) -> None:
        """Flushes both files."""
        self._file.close()
        self._events.close()


def _line(record: Record) -> str:
    return json.dumps(record) + '\n'


def series(records: list[Record], split: str, key: str) -> tuple[list[int], list[float]]:
    """(steps, values) of one quantity of one split."""
    found = [(r['step'], r[key]) for r in records if r['split'] == split and key in r]
    return [s for s, _ in found], [v for _, v in found]


def curve(runs: Sequence[list[Record]], key: str) -> dict[str, np.ndarray]:
    """What `report.plots.learning_curves` takes for the logs of several seeds: {'step': (t,), split: (seeds, t)}, NaN between records."""
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

"""What a finished run leaves: its figures in result.json, and the curves of its log."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from cnnlab.report import plots
from cnnlab.report.files import write_text
from cnnlab.train.monitor import run_log

# of a split
FIGURES = ('n', 'top1', 'top5', 'loss')


@dataclasses.dataclass(frozen=True)
class Result:
    """What a finished run leaves: also in its `result.json`."""

    steps: int
    # of training, evaluation and compilation not counted
    seconds: float
    images_per_second: float
    # split -> FIGURES of the last state; of the best where it may stop early
    final: dict[str, dict[str, float]]
    # of the highest validation top-1; 0 where there was no validation
    best_step: int
    directory: pathlib.Path


def figures(found: dict[str, Any]) -> dict[str, Any]:
    """FIGURES of a record of the log, or of what `evaluate` gives."""
    return {k: found[k] for k in FIGURES}


def speed(records: list[run_log.Record]) -> float:
    """Images a second, the median over the log; 0 where none was timed."""
    speeds = run_log.series(records, 'train', 'images_per_second')[1]
    return float(np.median(speeds)) if speeds else 0.0


def draw(path: pathlib.Path, records: list[run_log.Record]) -> None:
    """loss.png and top1.png of a run."""
    for key in ('loss', 'top1'):
        plots.save(
            plots.learning_curves({path.name: run_log.curve([records], key)}, key),
            path / f'{key}.png',
        )


def write(result: Result) -> None:
    """result.json."""
    written = {**dataclasses.asdict(result), 'directory': result.directory.name}
    write_text(result.directory / 'result.json', json.dumps(written, indent=1) + '\n')

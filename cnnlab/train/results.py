"""The results of a finished run: metrics in result.json, and figures of its log."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from cnnlab.report import plots
from cnnlab.report.files import write_text
from cnnlab.train.monitor import run_log

# the metrics of a split
FIGURES = ('n', 'top1', 'top5', 'loss')


@dataclasses.dataclass(frozen=True)
class Result:
    """The results of a finished run, also in its `result.json`.

    Attributes:
      steps: made.
      seconds: of training, without evaluation and compilation.
      images_per_second: of training, the median over the log.
      final: {split: FIGURES} of the last state, or of the best one in a run with early stopping.
      best_step: with the highest validation top-1; 0 without validation.
      directory: of the run.
    """

    steps: int
    seconds: float
    images_per_second: float
    final: dict[str, dict[str, float]]
    best_step: int
    directory: pathlib.Path


def figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """Picks FIGURES from a log record or from the result of `evaluate`."""
    return {key: metrics[key] for key in FIGURES}


def speed(records: list[run_log.Record]) -> float:
    """Returns the median images per second over the log; 0 if no step was timed."""
    speeds = run_log.series(records, 'train', 'images_per_second')[1]
    return float(np.median(speeds)) if speeds else 0.0


def draw(path: pathlib.Path, records: list[run_log.Record]) -> None:
    """Draws loss.png and top1.png into the directory of a run."""
    for key in ('loss', 'top1'):
        plots.save(
            plots.learning_curves({path.name: run_log.curve([records], key)}, key),
            path / f'{key}.png',
        )


def write(result: Result) -> None:
    """Writes result.json into the directory of a run."""
    written = {**dataclasses.asdict(result), 'directory': result.directory.name}
    write_text(result.directory / 'result.json', json.dumps(written, indent=1) + '\n')

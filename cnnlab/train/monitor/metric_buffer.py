"""Metrics of the steps since the last log record, left on the devices until they are needed."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from cnnlab.train import nan_policy

KEYS = ('loss', 'top1', 'grad_norm')


class MetricBuffer:
    """The (step, metrics) pairs that the next log record averages.

    Args:
      pending: the pairs that an earlier process saved by `pending`. With them the record is the
        same as if the run had not been interrupted.
    """

    def __init__(self, pending: Iterable[tuple[int, Mapping[str, float]]] = ()):
        self.steps: list[tuple[int, dict[str, Any]]] = [
            (step, dict(metrics)) for step, metrics in pending
        ]
        # steps that this process did not time
        self.untimed = len(self.steps)

    def add(self, step: int, metrics: dict[str, jax.Array]) -> None:
        """Adds the metrics of one step."""
        self.steps.append((step, metrics))

    def last(self) -> dict[str, Any]:
        """Returns the metrics of the last step."""
        return self.steps[-1][1]

    def second_last(self) -> dict[str, Any]:
        """Returns the metrics of the step before the last, or of the only one."""
        return self.steps[-2:][0][1]

    def fetch(self) -> None:
        """Waits for all metrics and copies them to the host."""
        values = jax.device_get([metrics for _, metrics in self.steps])
        self.steps = [
            (step, metrics) for (step, _), metrics in zip(self.steps, values, strict=True)
        ]

    def finite(self) -> list[dict[str, Any]]:
        """Returns the metrics of the steps whose loss and gradient are finite."""
        return [metrics for _, metrics in self.steps if nan_policy.finite(metrics)]

    def mean(self) -> dict[str, float]:
        """Averages KEYS over the finite steps; {} where there is none."""
        finite = self.finite()
        if not finite:
            return {}
        return {
            key: float(np.mean([metrics[key] for metrics in finite], dtype=np.float64))
            for key in KEYS
        }

    def pending(self) -> list[tuple[int, dict[str, float]]]:
        """Returns the steps as values that JSON holds exactly, for a checkpoint."""
        self.fetch()
        return [
            (step, {key: float(value) for key, value in metrics.items()})
            for step, metrics in self.steps
        ]

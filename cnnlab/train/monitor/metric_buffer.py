"""The metrics of the steps since the last record of the log: on the devices until they are asked
for.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from cnnlab.train import nan_policy

KEYS = ('loss', 'top1', 'grad_norm')


class MetricBuffer:
    """Steps with their metrics.

    Args:
      note: what `note` of an earlier process gave, so that a record is the same whether the run was
        stopped within it or not.
    """

    def __init__(self, note: Iterable[tuple[int, Mapping[str, float]]] = ()):
        self.steps: list[tuple[int, dict[str, Any]]] = [(step, dict(found)) for step, found in note]
        # how many of them this process's clock left out
        self.untimed = len(self.steps)

    def add(self, step: int, found: dict[str, jax.Array]) -> None:
        """One more step."""
        self.steps.append((step, found))

    def last(self) -> dict[str, Any]:
        """The metrics of the last step."""
        return self.steps[-1][1]

    def behind(self) -> dict[str, Any]:
        """The metrics of the step before the last, or of the last where it is alone."""
        return self.steps[-2:][0][1]

    def fetch(self) -> None:
        """Waits for all of them and brings them to the host."""
        values = jax.device_get([found for _, found in self.steps])
        self.steps = [(step, found) for (step, _), found in zip(self.steps, values, strict=True)]

    def good(self) -> list[dict[str, Any]]:
        """The metrics of the steps whose loss and gradient are finite."""
        return [found for _, found in self.steps if nan_policy.finite(found)]

    def mean(self) -> dict[str, float]:
        """Means of KEYS over the good steps; {} where there is none."""
        good = self.good()
        return (
            {k: float(np.mean([found[k] for found in good], dtype=np.float64)) for k in KEYS}
            if good
            else {}
        )

    def note(self) -> list[tuple[int, dict[str, float]]]:
        """The steps as JSON has them, exactly."""
        self.fetch()
        return [(step, {k: float(v) for k, v in found.items()}) for step, found in self.steps]

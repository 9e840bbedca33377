"""Trains several seeds of one recipe, each in a directory of its own. Finished runs are not trained
again.
"""

import dataclasses
import json
import pathlib
from typing import Any

from cnnlab.recipes import paths
from cnnlab.recipes.recipe import Recipe
from cnnlab.train import loop, workdir
from cnnlab.train.monitor import run_log
from cnnlab.train.options import Options
from cnnlab.train.setup import Setup, build_setup

# the fields that decide which images a recipe uses
_DATA = ('dataset', 'data.holdout', 'data.fold', 'data.classes', 'data.limit')


@dataclasses.dataclass(frozen=True)
class Runs:
    """The finished runs of one recipe, in the order of the seeds.

    Attributes:
      setup: that the runs share.
      results: the content of each result.json.
      logs: the records of each log.
      diverged: the error message of each run that diverged.
    """

    setup: Setup
    results: tuple[dict[str, Any], ...]
    logs: tuple[list[run_log.Record], ...]
    diverged: tuple[str, ...] = ()

    def scores(self, key: str, split: str = 'test') -> list[float]:
        """Returns a metric of a split for every seed."""
        return [r['final'][split][key] for r in self.results]


def train(
    recipe: Recipe,
    seeds: int,
    root: pathlib.Path,
    data_dir: str | None,
    *,
    shard: str = 'none',
    options: Options = Options(),  # noqa: B008 (frozen)
    tolerant: bool = False,
    like: Setup | None = None,
) -> Runs:
    """Trains seeds 0, 1, ... in root/seed0, root/seed1, ...; the steps compile once.

    Args:
      recipe: to train.
      seeds: the number of seeds.
      root: directory of the runs.
      data_dir: where prepared data sets are.
      shard: see `sharding.state_sharding`.
      options: of each run.
      tolerant: record a diverged run in `diverged` instead of raising.
      like: a setup whose opened data are reused if the recipe uses the same images.

    Raises:
      ValueError: a directory holds a run of another recipe.
      loop.NotFinite: a run diverged, unless `tolerant`.
    """
    data = None
    if like and all(paths.get(recipe, path) == paths.get(like.recipe, path) for path in _DATA):
        data = like.data
    setup = build_setup(recipe, data_dir, data=data, shard=shard)
    results, logs, diverged = [], [], []
    for seed in range(seeds):
        directory = root / f'seed{seed}'
        if (directory / 'result.json').exists():
            workdir.claim(
                directory,
                setup.recipe.replace(seed=seed),
                {s: d.fingerprint() for s, d in setup.data.items()},
            )
        else:
            try:
                loop.run_setup(
                    setup, seed, directory, options.within(f'{root.name}/{directory.name}')
                )
            except loop.NotFinite as error:
                if not tolerant:
                    raise
                diverged.append(str(error))
                continue
        results.append(json.loads((directory / 'result.json').read_text()))
        logs.append(run_log.read(directory / 'metrics.jsonl'))
    return Runs(setup, tuple(results), tuple(logs), tuple(diverged))

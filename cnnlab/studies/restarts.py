"""Random restarts: trains a recipe from several seeds and picks the best on validation images."""

import json
import pathlib

from cnnlab.recipes.recipe import Recipe
from cnnlab.report.files import write_text
from cnnlab.train import loop, workdir
from cnnlab.train.distributed import hosts
from cnnlab.train.options import Options
from cnnlab.train.results import Result
from cnnlab.train.setup import build_setup


def best_of(
    recipe: Recipe,
    restarts: int,
    directory: str,
    data_dir: str | None = None,
    options: Options = Options(),  # noqa: B008 (frozen)
    shard: str = 'none',
) -> Result:
    """Trains several seeds and returns the result with the highest validation top-1.

    The seeds are `recipe.run.seed` and those after it, each in directory/seed<n>. The scores and
    the best seed, the first of equals, are written to directory/restarts.json. Started again, it
    reads finished runs and resumes the others.

    Args:
      recipe: to train.
      restarts: the number of seeds.
      directory: of the runs.
      data_dir, options, shard: see `loop.run`.

    Raises:
      ValueError: fewer than one restart, no validation images, or see `loop.run`.
    """
    if restarts < 1:
        raise ValueError(f'restarts must be at least 1, got {restarts}')
    path = pathlib.Path(hosts.broadcast(lambda: str(workdir.writable(directory))))
    setup = build_setup(recipe, data_dir, shard=shard)
    if 'validation' not in setup.data:
        raise ValueError(
            'restarts are compared on validation images and there are none; set some aside with '
            'data.holdout or data.fold'
        )
    results = [
        loop.run_setup(setup, seed, path / f'seed{seed}', options.within(f'seed{seed}'))
        for seed in range(recipe.run.seed, recipe.run.seed + restarts)
    ]
    best = max(results, key=lambda r: r.final['validation']['top1'])
    if hosts.is_primary():
        scores = {r.directory.name: r.final['validation']['top1'] for r in results}
        write_text(
            path / 'restarts.json',
            json.dumps({'validation top1': scores, 'best': best.directory.name}, indent=1) + '\n',
        )
    return best

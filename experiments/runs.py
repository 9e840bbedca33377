"""A run directory and the checkpoint of it that flags mean."""

import pathlib

from jax import eval_shape
from numpy import uint32

from cnnlab import names
from cnnlab.recipes import recipe as recipes
from cnnlab.train import workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log
from cnnlab.train.setup import Setup, build_setup
from cnnlab.train.state import TrainState


def find(path: str, step: str) -> tuple[pathlib.Path, int]:
    """(run directory, step) of `path`, a run or one of its checkpoints, and of `step`: 'last',
    'best' or a number.

    Raises:
      FileNotFoundError: it is no run, or has no checkpoint. ValueError: no such checkpoint, or none
        was validated.
    """
    run = pathlib.Path(path).expanduser()
    if run.parent.name == 'checkpoints' and run.name.isdigit():
        run, step = run.parent.parent, run.name
    if not (run / 'recipe.json').exists():
        raise FileNotFoundError(f'{run} is no run directory: it has no recipe.json')
    there = Checkpoints.steps_in(workdir.checkpoints(run))
    if not there:
        raise FileNotFoundError(f'{run} has no complete checkpoint yet')
    if step == 'last':
        return run, there[-1]
    if step == 'best':
        scored = dict(
            zip(
                *run_log.series(run_log.read(run / 'metrics.jsonl'), 'validation', 'top1'),
                strict=True,
            )
        )
        if not any(s in scored for s in there):
            raise ValueError(
                f'{run} was not validated at any checkpoint, so none is the best; use --step=last '
                f'or one of {there}'
            )
        return run, max((s for s in there if s in scored), key=scored.get)
    names.among('checkpoint', step, map(str, there))
    return run, int(step)


def restored(
    run: pathlib.Path, step: int, data_dir: str | None, tta: str | None = None
) -> tuple[Setup, TrainState]:
    """The setup of a run, its data opened, and the state of a checkpoint as numpy arrays; `tta` is
    in place of the recipe's.
    """
    recipe = recipes.from_json((run / 'recipe.json').read_text())
    recipe = recipe if tta is None else recipe.replace(tta=tta)
    with workdir.naming_imports(run):
        setup = build_setup(recipe, data_dir)
    checkpoints = Checkpoints(workdir.checkpoints(run), read_only=True)
    try:
        return setup, checkpoints.restore(eval_shape(setup.init, uint32(0)), step)
    finally:
        checkpoints.close()

"""A run directory as what it trained: its checkpoints, its state, and its Classifier.

A run writes its network without the weights beside its recipe, so that a checkpoint becomes a
Classifier without the data that it was trained on.
"""

import os
import pathlib
from typing import Any

from jax import eval_shape
from numpy import uint32

from cnnlab import names
from cnnlab.classifier import Classifier
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.synsets import synsets
from cnnlab.recipes import recipe as recipes
from cnnlab.train import workdir
from cnnlab.train.checkpoint.checkpoints import Checkpoints
from cnnlab.train.monitor import run_log
from cnnlab.train.setup import Setup, build_setup, open_data
from cnnlab.train.state import TrainState

# of a run directory
_NETWORK = 'network.safetensors'


def find(path: str | os.PathLike, step: str | int = 'last') -> tuple[pathlib.Path, int]:
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
    step = str(step)
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
        return run, max((s for s in there if s in scored), key=scored.__getitem__)
    names.among('checkpoint', step, map(str, there))
    return run, int(step)


def restored(
    run: pathlib.Path, step: int, data_dir: str | None, tta: str | None = None
) -> tuple[Setup, TrainState]:
    """The setup of a run, its data opened, and the state of a checkpoint as numpy arrays; `tta` is
    in place of the recipe's.
    """
    with workdir.naming_imports(run):
        recipe = recipes.from_json((run / 'recipe.json').read_text())
        setup = build_setup(recipe if tta is None else recipe.replace(tta=tta), data_dir)
    checkpoints = Checkpoints(workdir.checkpoints(run), read_only=True)
    try:
        return setup, checkpoints.restore(eval_shape(setup.init, uint32(0)), step)
    finally:
        checkpoints.close()


def data_of(run: pathlib.Path, data_dir: str | None) -> dict[str, ImageSource]:
    """{split: the images} of the set that a run was trained on, split as it split them."""
    recipe = recipes.from_json((run / 'recipe.json').read_text())
    with workdir.naming_imports(run):
        return open_data(recipe, data_dir)


def classifier(setup: Setup, variables: dict[str, Any], name: str = '') -> Classifier:
    """The network of a setup with these variables."""
    recipe, class_names = setup.recipe, setup.data['train'].class_names
    order = recipe.dataset
    if class_names == tuple(synset.id for synset in synsets()):
        order, class_names = 'imagenet', tuple(synset.name for synset in synsets())
    return Classifier(
        model=setup.model,
        variables=variables,
        preprocess=setup.preprocess,
        class_names=class_names,
        architecture=recipe.model,
        input_shape=setup.image.shape[1:],
        name=name,
        class_order=order,
        provenance={'dataset': recipe.dataset},
    )


def write_network(directory: pathlib.Path, setup: Setup) -> None:
    """Writes the network of a run, without weights, into its directory, unless it is there."""
    path = directory / _NETWORK
    if not path.exists():
        classifier(setup, {}).save(path)


def load(path: str | os.PathLike, step: str | int = 'last') -> Classifier:
    """The Classifier of a checkpoint, with the variables that evaluation uses: the average where
    there is one. Needs no data.

    Args:
      path: a run directory, or one of its checkpoints (RUN/checkpoints/STEP).
      step: of a run: 'last', 'best' (highest validation top-1) or a step.

    Raises:
      FileNotFoundError: it is no run, or has no complete checkpoint. ValueError: no such
        checkpoint, a damaged one, or a run of a version that did not write its network. KeyError:
        its network is not registered.
    """
    run, at = find(path, step)
    if not (run / _NETWORK).exists():
        raise ValueError(
            f'{run} has no {_NETWORK}: an older version of cnnlab began it; started again with the '
            f'same command the run writes it'
        )
    with workdir.naming_imports(run):
        network = Classifier.read(run / _NETWORK)
    checkpoints = Checkpoints(workdir.checkpoints(run), read_only=True)
    try:
        variables = checkpoints.evaluation_variables(at)
    finally:
        checkpoints.close()
    return network.replace(
        variables={'params': {}, 'batch_stats': {}, **variables},
        name=f'{run.name}/{at}',
        provenance={**network.provenance, 'run': run.name, 'step': at},
    )

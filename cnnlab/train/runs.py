"""Loads what a run directory holds: its checkpoints, its state and its Classifier.

A run writes its network, without weights, beside its recipe. So a checkpoint can be loaded as a
Classifier without the training data.
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

# the file in a run directory that holds the network without weights
_NETWORK = 'network.safetensors'


def find(path: str | os.PathLike, step: str | int = 'last') -> tuple[pathlib.Path, int]:
    """Finds a checkpoint of a run.

    Args:
      path: a run directory, or one of its checkpoints (RUN/checkpoints/STEP).
      step: of a run: 'last', 'best' (highest validation top-1) or a step.

    Returns:
      (run directory, step).

    Raises:
      FileNotFoundError: the path is not a run, or the run has no complete checkpoint.
      ValueError: there is no such checkpoint, or none was validated.
    """
    run = pathlib.Path(path).expanduser()
    if run.parent.name == 'checkpoints' and run.name.isdigit():
        run, step = run.parent.parent, run.name
    if not (run / 'recipe.json').exists():
        raise FileNotFoundError(f'{run} is not a run directory: it has no recipe.json')
    steps = Checkpoints.steps_in(workdir.checkpoints(run))
    if not steps:
        raise FileNotFoundError(f'{run} has no complete checkpoint yet')
    step = str(step)
    if step == 'last':
        return run, steps[-1]
    if step == 'best':
        records = run_log.read(run / 'metrics.jsonl')
        top1 = dict(zip(*run_log.series(records, 'validation', 'top1'), strict=True))
        validated = [s for s in steps if s in top1]
        if not validated:
            raise ValueError(
                f'{run} was not validated at any checkpoint, so none is the best; use --step=last '
                f'or one of {steps}'
            )
        return run, max(validated, key=top1.__getitem__)
    names.among('checkpoint', step, map(str, steps))
    return run, int(step)


def restored(
    run: pathlib.Path, step: int, data_dir: str | None, tta: str | None = None
) -> tuple[Setup, TrainState]:
    """Restores the setup and the state of a checkpoint.

    Args:
      run: a run directory.
      step: of the checkpoint.
      data_dir: where prepared data sets are.
      tta: test-time augmentation, in place of the recipe's.

    Returns:
      The setup, with its data opened, and the state, as numpy arrays.
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
    """Opens the data of a run as {split: images}, split as the run split it."""
    recipe = recipes.from_json((run / 'recipe.json').read_text())
    with workdir.naming_imports(run):
        return open_data(recipe, data_dir)


def classifier(setup: Setup, variables: dict[str, Any], name: str = '') -> Classifier:
    """Builds a Classifier from the network of a setup.

    Args:
      setup: with its data opened.
      variables: {'params', 'batch_stats'}; {} for a network without weights.
      name: of the Classifier.
    """
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
    """Writes the network of a run, without weights, into its directory if it is not there yet."""
    path = directory / _NETWORK
    if not path.exists():
        classifier(setup, {}).save(path)


def load(path: str | os.PathLike, step: str | int = 'last') -> Classifier:
    """Loads a checkpoint as a Classifier; the training data is not needed.

    Its variables are those that evaluation uses: the moving average if the run keeps one.

    Args:
      path: a run directory, or one of its checkpoints (RUN/checkpoints/STEP).
      step: of a run: 'last', 'best' (highest validation top-1) or a step.

    Raises:
      FileNotFoundError: the path is not a run, or the run has no complete checkpoint.
      ValueError: there is no such checkpoint, it is damaged, or an older version of cnnlab wrote
        the run without its network.
      KeyError: its network is not registered.

    Example:
      >>> net = load('runs/r56', step='best')
      >>> net.predict('cat.jpg', top=5)
    """
    run, step = find(path, step)
    if not (run / _NETWORK).exists():
        raise ValueError(
            f'{run} has no {_NETWORK}, since an older version of cnnlab began it; start the run '
            f'again with the same command to write the file'
        )
    with workdir.naming_imports(run):
        network = Classifier.read(run / _NETWORK)
    checkpoints = Checkpoints(workdir.checkpoints(run), read_only=True)
    try:
        variables = checkpoints.evaluation_variables(step)
    finally:
        checkpoints.close()
    return network.replace(
        variables={'params': {}, 'batch_stats': {}, **variables},
        name=f'{run.name}/{step}',
        provenance={**network.provenance, 'run': run.name, 'step': step},
    )

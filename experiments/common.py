"""What every experiment shares: four flags, one way to start, one way to fail."""
import os
import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags, logging

from cnnlab.recipes.override import override as _override
from cnnlab.recipes.recipe import Recipe

WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Directory of the run: recipe, log, checkpoints, plots. A run that is there goes on.')
DATA_DIR = flags.DEFINE_string(
    'data_dir', os.environ.get('TFDS_DATA_DIR'), 'Directory of the data sets that TFDS has prepared, or of an image folder '
    '(root/train/<class>/*.jpg). The default is the environment variable TFDS_DATA_DIR.')
WORKERS = flags.DEFINE_integer(
    'workers', 0, 'Processes that decode and augment; 0 uses threads, enough for small images in memory. The batches are the same.',
    lower_bound=0)
SET = flags.DEFINE_multi_string(
    'set', [], 'Replaces a field of the recipe: --set rate=0.05 --set "duration=5 epochs" --set fields.shortcut=B. May be repeated.')

_USER_ERRORS = (ValueError, KeyError, OSError, FloatingPointError)


def override(recipe: Recipe) -> Recipe:
    """The recipe with every --set made."""
    return _override(recipe, SET.value)


def workdir() -> str:
    """--workdir; ValueError where it was not given."""
    if not WORKDIR.value:
        raise ValueError('--workdir is needed: the directory that the run writes to, and goes on from when started again')
    return WORKDIR.value


def arguments() -> dict[str, Any]:
    """What the flags say to `loop.run`: where to write, where the data is, how many processes prepare it."""
    return {'directory': workdir(), 'data_dir': DATA_DIR.value, 'workers': WORKERS.value}


def start(main: Callable[[list[str]], None]) -> None:
    """Parses the flags and calls `main(arguments)`; a user's mistake becomes one sentence and exit status 2.

    --verbosity=1 shows the traceback besides.
    """
    def guarded(arguments: list[str]) -> None:
        if logging.get_verbosity() <= 0:
            logging.set_verbosity(logging.ERROR)  # jax and orbax tell much that is no concern of a user
        try:
            main(arguments)
        except _USER_ERRORS as error:
            if logging.get_verbosity() > 0:
                raise
            print(f'error: {sentence(error)}', file=sys.stderr)
            sys.exit(2)
    app.run(guarded)


def sentence(error: BaseException) -> str:
    """The message of an error; a KeyError's without its quotes."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)

"""What every experiment shares: its flags, one way to start, one way to fail."""

import importlib
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
from absl import app, flags, logging

from cnnlab.nn import deterministic
from cnnlab.recipes.override import override as _override
from cnnlab.recipes.recipe import Recipe
from cnnlab.studies import seed_study
from cnnlab.train.distributed import hosts
from cnnlab.train.distributed.sharding import SHARD_MODES
from cnnlab.train.exit_codes import AGAIN, MISTAKE, StartAgain
from cnnlab.train.options import Options

WORKDIR = flags.DEFINE_string(
    'workdir',
    None,
    'Directory of the run: recipe, log, checkpoints, plots. A run that is there goes on.',
)
# the environment variable that names the folder which `experiments.prepare_data` fills
DATA = 'CNNLAB_DATA'


def _prepared_sets() -> str | None:
    folder = os.environ.get(DATA)
    return f'{folder}/tfds' if folder else os.environ.get('TFDS_DATA_DIR')


DATA_DIR = flags.DEFINE_string(
    'data_dir',
    _prepared_sets(),
    'Directory of the data sets that TFDS has prepared, or of an image folder '
    f'(root/train/<class>/*.jpg). The default is ${DATA}/tfds, which `make data` fills, else '
    '$TFDS_DATA_DIR.',
)
WORKERS = flags.DEFINE_integer(
    'workers',
    0,
    'Processes that decode and augment; 0 uses threads, enough for small images in memory. The '
    'batches are the same.',
    lower_bound=0,
)
SET = flags.DEFINE_multi_string(
    'set',
    [],
    'Replaces a field of the recipe: --set learning_rate=0.05 --set "duration=5 epochs" '
    '--set schedule=cosine --set model_fields.shortcut=B. May be repeated.',
)
_IMPORT = flags.DEFINE_multi_string(
    'import',
    [],
    'A package of your own that registers networks, recipes, data sets, transforms, ...: it is '
    'imported first, so that their names are known. May be repeated.',
)
SHARD = flags.DEFINE_enum(
    'shard',
    'none',
    SHARD_MODES,
    'What of the state is spread over the devices instead of kept whole on each, for networks '
    'that are large '
    'for them: what the optimizer remembers, or parameters too (docs/scaling.md).',
)
_DISTRIBUTED = flags.DEFINE_bool(
    'distributed',
    False,
    'This process is one of several of the run, and the cluster says which (Slurm, Cloud TPU, '
    'Open MPI). Not needed '
    f'where {hosts.COORDINATOR}, {hosts.PROCESSES} and {hosts.PROCESS} say so; see launch/.',
)
_DETERMINISTIC = flags.DEFINE_bool(
    'deterministic',
    False,
    'On a GPU: only operations that give the same bits each time (docs/resume.md). CPU and TPU do '
    'so always.',
)
_PROFILE = flags.DEFINE_string(
    'profile_steps',
    '',
    'FIRST:LAST: traces these steps into the profile folder of the run, for TensorBoard and '
    'Perfetto.',
)
_STALL = flags.DEFINE_float(
    'stall_minutes',
    30,
    f'Ends the run with status {AGAIN} when nothing moved for so long; 0 is never. Compiling must '
    f'take less.',
    lower_bound=0,
)
_CHECKPOINT_DIR = flags.DEFINE_string(
    'checkpoint_dir',
    '',
    'Where checkpoints go, in place of the checkpoints folder of --workdir; gs://bucket/path too, '
    'with cnnlab[gcs]. '
    'The run remembers it. Of several runs each has a folder there.',
)


def import_packages(packages: Sequence[str]) -> None:
    """Imports each of these packages or modules; those in the folder where the command was given
    are found too.

    Raises:
      ValueError: there is no such package, or it needs one that is not installed.
    """
    # as `python -m` has it, but last: nothing that is installed is hidden
    here = str(pathlib.Path.cwd())
    if packages and here not in sys.path:
        sys.path.append(here)
    for package in packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if f'{package}.'.startswith(f'{error.name}.'):
                problem = 'is not installed, and not in the folder where the command was given'
            else:
                problem = f'imports {error.name}, which is not installed'
            raise ValueError(f'--import={package}: {package} {problem}') from error


_USER_ERRORS = (ValueError, KeyError, OSError, FloatingPointError)


def override(recipe: Recipe) -> Recipe:
    """The recipe with every --set made."""
    return _override(recipe, SET.value)


def workdir() -> str:
    """--workdir; ValueError where it was not given."""
    if not WORKDIR.value:
        raise ValueError(
            '--workdir is needed: the directory that the run writes to, and goes on from when '
            'started again'
        )
    return WORKDIR.value


def options() -> Options:
    """What the flags say about how a run is carried out."""
    return Options(
        workers=WORKERS.value,
        profile_steps=_PROFILE.value,
        stall_minutes=_STALL.value,
        checkpoint_dir=_CHECKPOINT_DIR.value,
    )


def arguments() -> dict[str, Any]:
    """What the flags say to `loop.run`: where to write, where the data is, how to carry it out."""
    return {
        'directory': workdir(),
        'data_dir': DATA_DIR.value,
        'shard': SHARD.value,
        'options': options(),
    }


def study_flags() -> None:
    """Defines the flags of a study over seeds: --seeds, --results and --note; see `study`."""
    flags.DEFINE_integer('seeds', 1, 'Runs of each variant, with seeds 0, 1, ...', lower_bound=1)
    flags.DEFINE_string(
        'results',
        None,
        'Directory that gets <study>.md and <study>.png besides, such as docs/results.',
    )
    flags.DEFINE_string(
        'note',
        '',
        'A sentence on the circumstances for that note, such as the load of the machine.',
    )


def study() -> seed_study.Settings:
    """How the flags say to carry out a study; the module must have called `study_flags`."""
    return seed_study.Settings(
        seeds=flags.FLAGS.seeds,
        workdir=workdir(),
        data_dir=DATA_DIR.value,
        shard=SHARD.value,
        options=options(),
        override=override,
        results=flags.FLAGS.results,
        command=command_line(),
        note=flags.FLAGS.note,
    )


# flags whose values are places on one machine, or are stated elsewhere in a note
_PRIVATE = ('data_dir', 'workdir', 'results', 'note')


def command_line() -> str:
    """The command line, as another machine would repeat it."""
    name = sys.modules['__main__'].__spec__.name.rpartition('.')[2]
    kept = [a for a in sys.argv[1:] if not a.lstrip('-').startswith(_PRIVATE)]
    return ' '.join(
        [
            as_started(f'python -m experiments.{name}'),
            *(f'"{a}"' if ' ' in a else a for a in kept),
            '--data_dir=DATA',
            '--workdir=OUT',
        ]
    )


def start(main: Callable[[list[str]], None]) -> None:
    """Parses the flags and calls `main(arguments)`; a user's mistake becomes one sentence and exit
    status 2.

    A run that ended through no fault of its own, and goes on when started again, becomes one
    sentence and status 75. --verbosity=1 shows the traceback besides.
    """

    def guarded(arguments: list[str]) -> None:
        if logging.get_verbosity() <= 0:
            # jax and orbax tell much that is no concern of a user
            logging.set_verbosity(logging.ERROR)
        try:
            if _DETERMINISTIC.value:
                deterministic.require()
            import_packages(_IMPORT.value)
            hosts.join(_DISTRIBUTED.value)
            main(arguments)
        except StartAgain as error:
            print(f'stopped: {as_started(str(error))}', file=sys.stderr)
            sys.exit(AGAIN)
        except _USER_ERRORS as error:
            if logging.get_verbosity() > 0:
                raise
            if jax.distributed.is_initialized():
                # the others would wait for this one
                hosts.leave(MISTAKE, sentence(error))
            print(f'error: {as_started(sentence(error))}', file=sys.stderr)
            sys.exit(MISTAKE)
        except BaseException as error:
            if jax.distributed.is_initialized() and not isinstance(error, SystemExit):
                if gone := hosts.lost(error):
                    hosts.leave(AGAIN, gone)
                sys.excepthook(type(error), error, error.__traceback__)
                hosts.leave(1)
            raise

    program = sys.modules['__main__']
    # absl prints it for --help
    program.__doc__ = as_started(program.__doc__)
    app.run(guarded)


def as_started(text: str) -> str:
    """The text with its commands as they are started here: `cnnlab train` where `experiments` is
    installed within cnnlab.
    """
    if __package__ == 'experiments':
        return text
    return text.replace('python -m experiments.', 'cnnlab ')


def sentence(error: BaseException) -> str:
    """The message of an error; a KeyError's without its quotes."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)

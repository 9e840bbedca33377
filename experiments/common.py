"""Flags that the experiments share, and `start`, which runs a main and reports errors."""

import importlib
import os
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from absl import app, flags, logging

from cnnlab import front, names
from cnnlab.classifier import Classifier
from cnnlab.data import preprocessing, sources
from cnnlab.data.sources import imagenet_images
from cnnlab.data.sources.base import ImageSource
from cnnlab.data.sources.files import SUFFIXES
from cnnlab.data.sources.pictures import Pictures, from_files, from_source
from cnnlab.nn import deterministic
from cnnlab.recipes.override import override as _override
from cnnlab.recipes.recipe import Recipe
from cnnlab.studies import seed_study
from cnnlab.train import runs
from cnnlab.train.distributed import hosts
from cnnlab.train.distributed.sharding import SHARD_MODES
from cnnlab.train.exit_codes import AGAIN, MISTAKE, StartAgain
from cnnlab.train.options import Options

WORKDIR = flags.DEFINE_string(
    'workdir',
    None,
    'Folder of the run: recipe, log, checkpoints, plots. A run that is already there resumes.',
)
# environment variable that names the folder which `experiments.prepare_data` fills
DATA = 'CNNLAB_DATA'


def _prepared_sets() -> str | None:
    folder = os.environ.get(DATA)
    return f'{folder}/tfds' if folder else os.environ.get('TFDS_DATA_DIR')


DATA_DIR = flags.DEFINE_string(
    'data_dir',
    _prepared_sets(),
    'Folder of the data sets that TFDS has prepared, or an image folder '
    f'(root/train/<class>/*.jpg). Default: ${DATA}/tfds, which `make data` fills, else '
    '$TFDS_DATA_DIR.',
)
WORKERS = flags.DEFINE_integer(
    'workers',
    0,
    'Number of processes that decode and augment. 0 uses threads, which are enough for small '
    'images in memory. The batches are the same.',
    lower_bound=0,
)
SET = flags.DEFINE_multi_string(
    'set',
    [],
    'Field of the recipe to replace: --set learning_rate=0.05 --set "duration=5 epochs" '
    '--set schedule=cosine --set model_fields.shortcut=B. May be repeated.',
)
_IMPORT = flags.DEFINE_multi_string(
    'import',
    [],
    'Package of your own that registers networks, recipes, data sets or transforms. It is '
    'imported first, so that their names are known. May be repeated.',
)
SHARD = flags.DEFINE_enum(
    'shard',
    'none',
    SHARD_MODES,
    'Part of the state that is sharded over the devices instead of replicated: none, the state of '
    'the optimizer, or (full) the parameters as well. For networks that are large for one device '
    '(docs/scaling.md).',
)
_DISTRIBUTED = flags.DEFINE_bool(
    'distributed',
    False,
    'This process is one of several of the run, and the cluster says which (Slurm, Cloud TPU, '
    f'Open MPI). Not needed where {hosts.COORDINATOR}, {hosts.PROCESSES} and {hosts.PROCESS} are '
    'set; see launch/.',
)
_DETERMINISTIC = flags.DEFINE_bool(
    'deterministic',
    False,
    'On a GPU, use only operations that give the same bits every time (docs/resume.md). A CPU and '
    'a TPU always do.',
)
_PROFILE = flags.DEFINE_string(
    'profile_steps',
    '',
    'Steps to trace, as FIRST:LAST, into the profile folder of the run, for TensorBoard and '
    'Perfetto.',
)
_STALL = flags.DEFINE_float(
    'stall_minutes',
    30,
    'Number of minutes without progress after which the run ends with exit status '
    f'{AGAIN}; 0 is never. Must be longer than compilation.',
    lower_bound=0,
)
_CHECKPOINT_DIR = flags.DEFINE_string(
    'checkpoint_dir',
    '',
    'Folder of the checkpoints, instead of the checkpoints folder of --workdir; gs://bucket/path '
    'as well, with cnnlab[gcs]. The run remembers it. If the command trains several runs, each '
    'has a folder there.',
)

# The functions below define flags for the command that calls them: its --help lists them.
flags.disclaim_key_flags()


def import_packages(packages: Sequence[str]) -> None:
    """Imports these packages or modules, installed or in the current folder.

    Raises:
      ValueError: there is no such package, or it needs one that is not installed.
    """
    # as `python -m` does, but last, so that the folder hides no installed package
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
    """Returns the recipe with the changes of --set."""
    return _override(recipe, SET.value)


def workdir() -> str:
    """Returns --workdir.

    Raises:
      ValueError: it was not given.
    """
    if not WORKDIR.value:
        raise ValueError(
            '--workdir is needed: the folder that the run writes to, and resumes from when started '
            'again'
        )
    return WORKDIR.value


def options() -> Options:
    """Returns the flags that concern how a run is carried out."""
    return Options(
        workers=WORKERS.value,
        profile_steps=_PROFILE.value,
        stall_minutes=_STALL.value,
        checkpoint_dir=_CHECKPOINT_DIR.value,
    )


def arguments() -> dict[str, Any]:
    """Returns the arguments of `loop.run` that the flags give."""
    return {
        'directory': workdir(),
        'data_dir': DATA_DIR.value,
        'shard': SHARD.value,
        'options': options(),
    }


class Network(NamedTuple):
    """A network that the flags of `network_flags` name.

    Attributes:
      net: the network.
      data: opens the splits of the data set that a run was trained on; None if the network is not
        a run.
    """

    net: Classifier
    data: Callable[[], Mapping[str, ImageSource]] | None


def network_flags() -> None:
    """Defines the flags that name networks; see `networks`."""
    flags.declare_key_flag('data_dir')
    flags.DEFINE_multi_string(
        'weights',
        [],
        'Network: the id of published weights (torchvision/resnet50), an id with a file '
        '(torchvision/resnet50@net.pth), a run directory, or a file that experiments.export wrote. '
        'May be repeated if the command takes several networks.',
    )
    flags.DEFINE_multi_string(
        'file',
        [],
        'File of each --weights, in the same order. Default: downloaded, or from the cache.',
    )
    flags.DEFINE_multi_string(
        'run', [], 'Run directory, or one of its checkpoints (RUN/checkpoints/STEP).'
    )
    flags.DEFINE_string(
        'step',
        'last',
        "Checkpoint of runs: 'last', 'best' (highest validation top-1) or a step.",
    )
    flags.DEFINE_multi_string(
        'preprocess',
        [],
        'Field of the preprocessing of published weights to replace: resize=256, crop=227, '
        'interpolation=bicubic, mode=squash, channels=bgr, or mean=123,117,104 and std=58,57,57 in '
        'units of pixels (0 to 255). May be repeated.',
    )


def networks() -> list[Network]:
    """Returns the networks of --run and --weights; needs `network_flags`.

    Raises:
      ValueError: no network is given, or the numbers of --file and --weights differ. `cnnlab.load`
        raises others.
    """
    given = flags.FLAGS
    ids, files, runs_ = given.weights, given.file, given.run
    if not ids and not runs_:
        raise ValueError('give a network: --weights=torchvision/squeezenet1_0 or --run=runs/...')
    if files and len(files) != len(ids):
        raise ValueError(
            f'there are {len(ids)} --weights but {len(files)} --file; give one for each, or none'
        )
    if files:
        ids = [f'{id}@{file}' for id, file in zip(ids, files, strict=True)]
    trained = [_run(path) for path in runs_]
    return [*trained, *(_network(id) for id in ids)]


def network() -> Network:
    """Returns the one network of --run or --weights.

    Raises:
      ValueError: several networks are given. `networks` raises others.
    """
    if len(flags.FLAGS.weights) + len(flags.FLAGS.run) > 1:
        raise ValueError('this takes one network: give one --weights or one --run')
    [found] = networks()
    return found


def _run(path: str) -> Network:
    # found first, so that the log is searched for the best step once
    directory, step = runs.find(path, flags.FLAGS.step)
    net = runs.load(directory, step)
    return Network(net, lambda: runs.data_of(directory, DATA_DIR.value))


def _network(weights: str) -> Network:
    # an id comes first, as in `cnnlab.load`
    if not front.is_id(weights) and pathlib.Path(weights).expanduser().is_dir():
        return _run(weights)
    net, changes = front.load(weights), flags.FLAGS.preprocess
    if 'id' in net.provenance or changes:
        preprocess = preprocessing.changed(net.name, net.preprocess, changes)
        net = net.replace(preprocess=preprocess)
    return Network(net, None)


def briefly(found: Sequence[Network]) -> list[Network]:
    """Returns the networks under short names: the folder of a run, an id without its tag.

    Networks keep their full names if two short names are equal.

    Raises:
      ValueError: two full names are equal as well.
    """
    for shorten in (_short_name, lambda net: net.name):
        names_ = [shorten(network.net) for network in found]
        if len(set(names_)) == len(names_):
            return [
                network._replace(net=network.net.replace(name=name))
                for network, name in zip(found, names_, strict=True)
            ]
    twice = next(name for i, name in enumerate(names_) if name in names_[:i])
    raise ValueError(
        f'two networks are called {twice}; rename a run directory, or give each of the weights once'
    )


def _short_name(net: Classifier) -> str:
    stated = net.provenance
    return str(stated.get('run') or stated.get('id', net.name)).partition('.')[0]


def image_flags(split: str) -> None:
    """Defines the flags that name images; see `images`."""
    flags.DEFINE_string(
        'images',
        None,
        'ImageNet images: a tar, or a folder with one folder per class; where no labels are '
        "needed, also files separated by commas. Default: the run's own split.",
    )
    flags.DEFINE_string(
        'labels',
        None,
        'File with the labels of --images: lines of "name label" or "label", where a label is a '
        'synset id or a number 0..999.',
    )
    flags.DEFINE_string(
        'dataset', None, 'Data set by name, instead of --images, with --split and --data_dir.'
    )
    flags.DEFINE_string(
        'split', split, 'Split of --dataset, or of the data of the run: train, validation or test.'
    )


def images(found: Network) -> ImageSource:
    """Returns the images of the flags of `image_flags`, labeled in the order of the logits.

    Raises:
      ValueError: no images are given, or their classes are not those of the network.
      FileNotFoundError: the images do not exist.
    """
    given, net = flags.FLAGS, found.net
    if given.images and given.dataset:
        raise ValueError('give --images or --dataset, not both')
    if given.images:
        source = imagenet_images.open_images(given.images, given.labels)
    elif given.dataset:
        source = sources.load(given.dataset, given.split, data_dir=DATA_DIR.value)
    elif found.data:
        source = names.lookup('split of this run', given.split, found.data())
    else:
        raise ValueError(
            'give the images: --images=ILSVRC2012_img_val.tar or --images=a.jpg,b.jpg, or '
            '--dataset and --data_dir'
        )
    if net.class_order is None:
        raise ValueError(
            f'the order of the classes of {net.name} is not known, so labels cannot be compared'
        )
    if net.class_order == 'imagenet':
        return imagenet_images.with_imagenet_labels(source)
    own = given.images is None and given.dataset is None
    if not own and net.class_order.partition(':')[0] != source.name.partition(':')[0]:
        raise ValueError(
            f'{net.name} has the classes of {net.class_order}, the images are those of '
            f'{source.name}'
        )
    return source


def pictures(found: Network, count: int) -> Pictures:
    """Returns the first `count` of `images`, or of files separated by commas, without labels.

    Raises:
      ValueError: as `images`.
      FileNotFoundError: as `images`, or a file does not exist.
    """
    listed = [name for name in (flags.FLAGS.images or '').split(',') if name]
    if listed and all(pathlib.Path(name).suffix.lower() in SUFFIXES for name in listed):
        return from_files(listed[:count])
    return from_source(images(found), count)


def study_flags() -> None:
    """Defines the flags of a study over seeds: --seeds, --results and --note; see `study`."""
    flags.adopt_module_key_flags(sys.modules[__name__])
    flags.DEFINE_integer(
        'seeds', 1, 'Number of runs of each variant, with seeds 0, 1, ...', lower_bound=1
    )
    flags.DEFINE_string(
        'results',
        None,
        'Folder for <study>.md and <study>.png, in addition to --workdir; such as docs/results.',
    )
    flags.DEFINE_string(
        'note',
        '',
        'Sentence on the circumstances for <study>.md, such as the load of the machine.',
    )


def study() -> seed_study.Settings:
    """Returns the settings of a study that the flags give; needs `study_flags`."""
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


# flags whose values are paths of one machine, or are stated elsewhere in the note
_PRIVATE = ('data_dir', 'workdir', 'results', 'note')


def command_line() -> str:
    """Returns the command line without the paths of this machine, for others to repeat."""
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
    """Parses the flags and calls `main(arguments)`.

    A mistake of the user prints one sentence and exits with status 2. A run that was interrupted
    and can resume prints one sentence and exits with status 75. --verbosity=1 shows the traceback
    as well.
    """

    def guarded(arguments: list[str]) -> None:
        if logging.get_verbosity() <= 0:
            # jax and orbax log much that does not concern a user
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
                # the other processes would wait for this one
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

    flags.declare_key_flag('import')
    program = sys.modules['__main__']
    # absl prints this docstring for --help
    program.__doc__ = as_started(program.__doc__)
    app.run(guarded)


def as_started(text: str) -> str:
    """Returns the text with its commands in the form of this installation.

    `python -m experiments.train` becomes `cnnlab train` if cnnlab was installed from a wheel.
    """
    if __package__ == 'experiments':
        return text
    return text.replace('python -m experiments.', 'cnnlab ')


def sentence(error: BaseException) -> str:
    """Returns the message of an error, without the quotes that KeyError adds."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)

"""The working directory of a run: its recipe and its manifest, so that it can be resumed or
repeated.
"""

import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import jax
from etils import epath

from cnnlab import names
from cnnlab.recipes import recipe as recipes
from cnnlab.recipes.recipe import Recipe
from cnnlab.report.files import write_text
from cnnlab.train.checkpoint.checkpoints import located

_PACKAGES = (
    'cnnlab',
    'jax',
    'jaxlib',
    'flax',
    'optax',
    'orbax-checkpoint',
    'grain',
    'numpy',
    'tensorflow-datasets',
    'opencv-python-headless',
)
_FLAGS = (
    'XLA_FLAGS',
    'LIBTPU_INIT_ARGS',
    'JAX_PLATFORMS',
    'JAX_NUM_CPU_DEVICES',
    'CUDA_VISIBLE_DEVICES',
    'NCCL_ALGO',
    'NCCL_PROTO',
)
_CONFIG = (
    'jax_enable_x64',
    'jax_default_matmul_precision',
    'jax_threefry_partitionable',
    'jax_default_prng_impl',
)


def writable(directory: str | os.PathLike) -> pathlib.Path:
    """Returns the absolute path of a directory, created if missing and writable.

    Raises:
      PermissionError, NotADirectoryError: it cannot be created or written to.
      ValueError: it is an address such as gs://bucket/run.
    """
    # pathlib would create a folder named 'gs:' here
    if '://' in str(directory):
        raise ValueError(
            f'{directory} is an address, and results are written to a directory of this machine, '
            f'which may be mounted; only --checkpoint_dir takes addresses'
        )
    path = pathlib.Path(directory).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f'the workdir {path} cannot be created: {error.filename or path} is a file'
        ) from error
    except OSError as error:
        raise PermissionError(
            f'the workdir {path} cannot be written to: {error.strerror}'
        ) from error
    return path


def checkpoints(directory: pathlib.Path) -> epath.Path:
    """Returns where a run keeps its checkpoints: the --checkpoint_dir of its first start, else
    'checkpoints' in its directory.
    """
    manifest = directory / 'manifest.json'
    how = json.loads(manifest.read_text()).get('how', {}) if manifest.exists() else {}
    return located(how.get('checkpoint_dir') or directory / 'checkpoints')


@contextlib.contextmanager
def naming_imports(directory: pathlib.Path) -> Iterator[None]:
    """A context that explains unknown names: it adds to the error which packages the run in
    `directory` had imported and this process has not.

    It never imports a package because a file names it.

    Raises:
      KeyError, ValueError: those of the body, with the packages added.
    """
    try:
        yield
    except (KeyError, ValueError) as error:
        manifest = directory / 'manifest.json'
        imports = json.loads(manifest.read_text()).get('imports', []) if manifest.exists() else []
        message = str(error.args[0]) if error.args else ''
        missing = [m for m in imports if m not in sys.modules and m not in message]
        if not missing:
            raise
        sentence = (
            f'{message}; the run in {directory} has names that {" and ".join(missing)} '
            f'registered: give {" ".join(f"--import={module}" for module in missing)}'
        )
        raise (KeyError if isinstance(error, KeyError) else ValueError)(sentence) from error


def claim(
    directory: pathlib.Path, recipe: Recipe, data: dict[str, str], how: dict[str, Any] | None = None
) -> None:
    """Writes recipe.json and manifest.json into a new directory, or checks those that are there.

    Args:
      directory: of the run.
      recipe: of the run, with its seed.
      data: {split: fingerprint} of the images; a resumed run must have the same images.
      how: further settings to repeat or resume the run: 'shard', 'workers', and 'checkpoint_dir'
        ('' keeps checkpoints in the directory).

    Raises:
      ValueError: the directory holds a run of another recipe or other data, or one with its
        checkpoints elsewhere; the message names the differences.
    """
    path, manifest = directory / 'recipe.json', directory / 'manifest.json'
    if path.exists():
        with naming_imports(directory):
            existing = recipes.from_json(path.read_text())
        different = recipes.differences(existing, recipe)
        existing_data = json.loads(manifest.read_text())['data'] if manifest.exists() else data
        different += [
            f'the {split} images differ'
            for split in data
            if existing_data.get(split, data[split]) != data[split]
        ]
        if different:
            raise ValueError(
                f'{directory} holds a run of another recipe ({"; ".join(different)}); choose '
                f'another --workdir'
            )
    else:
        write_text(path, recipe.to_json() + '\n')
    asked = (how or {}).get('checkpoint_dir')
    if asked and manifest.exists() and located(asked) != checkpoints(directory):
        raise ValueError(
            f'{directory} has its checkpoints in {checkpoints(directory)}, not in {asked}; leave '
            f'--checkpoint_dir out, or choose another --workdir'
        )
    if not manifest.exists():
        write_text(
            manifest, json.dumps({**describe(), 'how': how or {}, 'data': data}, indent=1) + '\n'
        )


def describe() -> dict[str, Any]:
    """Returns the environment of this process for a manifest: command, time, versions, the packages
    that registered names, devices, flags and git commit.
    """
    return {
        'command': [pathlib.Path(sys.executable).name, *sys.orig_argv[1:]],
        'started': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
        'python': platform.python_version(),
        'versions': {p: _version(p) for p in _PACKAGES},
        'imports': list(names.registrants()),
        'devices': [str(d) for d in jax.devices()],
        'processes': jax.process_count(),
        'flags': {name: os.environ[name] for name in sorted(os.environ) if name in _FLAGS},
        'jax_config': {name: getattr(jax.config, name) for name in _CONFIG},
        'platform': f'{platform.system()} {platform.machine()}, {os.cpu_count()} cores',
        'git': _git(),
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Returns the commit of the library and whether files differ from it; None outside a clone."""
    here = pathlib.Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ['git', *arguments], cwd=here, capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    try:
        return {'commit': git('rev-parse', 'HEAD'), 'changed': bool(git('status', '--porcelain'))}
    except (OSError, subprocess.SubprocessError):
        return None

"""Checkpoints, by orbax: written in the background and atomically. Kept are the newest few, the
best, and those at multiples of a number of steps.

A checkpoint stores whole host arrays without a sharding, so that a run can resume on another number
of devices, and a hash of each array. If a hash shows damage, the previous checkpoint is used. Only
process 0 of a run creates a `Checkpoints`.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import checkpoint_managers as policies

from cnnlab import tree
from cnnlab.train.checkpoint import integrity, versions
from cnnlab.train.checkpoint.integrity import Damaged
from cnnlab.train.state import TrainState

# the file that orbax writes into every finished checkpoint
_COMPLETE = '_CHECKPOINT_METADATA'


@contextlib.contextmanager
def _without_notes_of_reading() -> Iterator[None]:
    """Drops orbax's warning that a directory is read only: whoever loads a run asked for that."""
    logger = logging.getLogger('absl')

    def wanted(record: logging.LogRecord) -> bool:
        return 'directory is read only' not in record.getMessage()

    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


class Saved(NamedTuple):
    """The content of a checkpoint.

    Attributes:
      state: with numpy arrays.
      note: the note given to `save`; {} if there was none.
    """

    state: TrainState
    note: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in `directory`/<step>.

    Args:
      directory: created if missing; may be an address that etils.epath can open, such as
        gs://bucket/path.
      keep: how many of the newest to keep, besides the one with the highest validation top-1.
      keep_every: keep those at multiples of this many steps for good; 0 keeps none of them.
      read_only: write, move and delete nothing.

    Raises:
      ValueError: etils.epath does not know the address, or lacks a package for it.
      OSError: the directory cannot be reached, created or written to.
    """

    def __init__(
        self, directory: epath.PathLike, keep: int = 2, keep_every: int = 0, read_only: bool = False
    ):
        self.directory = _reachable(directory) if read_only else writable(directory)
        if not read_only:
            _put_aside_unreadable(self.directory)
        best = policies.BestN(
            get_metric_fn=lambda m: m['top1'], n=1, keep_checkpoints_without_metrics=False
        )
        kept = [
            policies.LatestN(max(keep, 1)),
            best,
            *([policies.EveryNSteps(keep_every)] if keep_every else []),
        ]
        alone = (
            ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
            if jax.process_count() > 1
            else (ocp.options.MultiprocessingOptions())
        )
        options = ocp.CheckpointManagerOptions(
            create=False,
            preservation_policy=policies.AnyPreservationPolicy(kept),
            enable_async_checkpointing=not read_only,
            cleanup_tmp_directories=not read_only,
            # orbax warns about any other interval of a directory that is only read
            save_interval_steps=0 if read_only else 1,
            read_only=read_only,
            lightweight_initialize=read_only,
            multiprocessing_options=alone,
        )
        with _without_notes_of_reading() if read_only else contextlib.nullcontext():
            self._manager = ocp.CheckpointManager(self.directory, options=options)

    @staticmethod
    def steps_in(directory: epath.PathLike) -> list[int]:
        """Returns the steps with a complete checkpoint in a directory, in ascending order.

        Does not open the directory for writing; [] if it is missing.

        Raises:
          ValueError: etils.epath does not know the address, or lacks a package for it.
          OSError: the directory cannot be reached.
        """
        path = _reachable(directory)
        if not path.exists():
            return []
        return sorted(
            int(p.name) for p in path.iterdir() if _finished(p) and (p / _COMPLETE).exists()
        )

    def steps(self) -> list[int]:
        """Returns the steps with a complete checkpoint, in ascending order."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """Returns the newest step, or None."""
        return max(self.steps(), default=None)

    def save(
        self,
        state: TrainState,
        validation: dict[str, float] | None = None,
        note: dict[str, Any] | None = None,
    ) -> None:
        """Saves the state under its step and returns at once; replaces a checkpoint of that step.

        Args:
          state: of arrays that this process holds whole.
          validation: {'top1', ...} makes the checkpoint a candidate for the best.
          note: JSON values, which `resume` returns.

        Raises:
          OSError: this checkpoint or the previous one cannot be written; the message names the last
            good one.
        """
        state, step = jax.device_get(state), int(state.step)
        seal = integrity.sealed(
            {
                'format': versions.FORMAT,
                'digests': integrity.digests(tree.named_leaves(state)),
                'note': note or {},
            }
        )
        try:
            if step in self.steps():
                self._manager.wait_until_finished()
                self._manager.delete(step)
            self._manager.save(
                step, args=ocp.args.StandardSave(state), metrics=validation, custom_metadata=seal
            )
        except Exception as error:
            # orbax, tensorstore and the file system raise different classes
            raise self._unwritten(error) from error

    def wait(self) -> None:
        """Waits until every saved checkpoint is written. Raises OSError as `save` does."""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: Exception) -> OSError:
        try:
            good = self.steps_in(self.directory)
        except OSError:
            left = 'the earlier ones cannot be listed; mend that and start the run again'
        else:
            left = (
                f'the last good one is of step {good[-1]}; start the run again to resume from it'
                if good
                else 'there is no earlier one'
            )
        return OSError(
            f'a checkpoint cannot be written to {self.directory} ({_reason(error)}); {left}'
        )

    def restore(self, like: TrainState, step: int | None = None) -> TrainState:
        """Reads the state of a checkpoint, as numpy arrays.

        Args:
          like: a state of arrays or shapes, which gives the structure.
          step: which checkpoint (default: the newest).

        Raises:
          FileNotFoundError: there is no checkpoint of that step.
          ValueError: it is damaged, or of another network or optimizer.
        """
        steps = self.steps()
        if step is None:
            step = self.latest()
        if step not in steps:
            raise FileNotFoundError(
                f'no checkpoint of step {step} in {self.directory}; there are '
                f'{", ".join(map(str, steps)) or "none"}'
            )
        return self._read(like, step).state

    def resume(self, like: TrainState) -> Saved | None:
        """Reads the newest undamaged checkpoint; None if there are no checkpoints.

        Moves damaged checkpoints to a folder beside the directory.

        Args:
          like: a state of arrays or shapes, which gives the structure.

        Warns:
          RuntimeWarning: for each damaged checkpoint.

        Raises:
          ValueError: all are damaged, or the newest undamaged one is of another network or
            optimizer.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self._read(like, step)
            except Damaged as error:
                warnings.warn(
                    f'{error}; the previous one is used instead', RuntimeWarning, stacklevel=2
                )
                _move_aside(self.directory / str(step))
                self._manager.reload()
        aside = _aside(self.directory)
        if steps or list(aside.glob('[0-9]*')):
            raise ValueError(
                f'no checkpoint in {self.directory} can be read; the damaged ones are in {aside}; '
                f'remove both folders to start from step 0'
            )
        return None

    def arrays(self, step: int | None = None) -> versions.Arrays:
        """Reads {path: array} of a checkpoint, for tools that do not know the network.

        Args:
          step: which checkpoint (default: the newest).

        Raises:
          FileNotFoundError: there is no checkpoint.
          Damaged: the checkpoint is not as it was written.
        """
        newest = self.latest() if step is None else step
        if newest is None:
            raise FileNotFoundError(f'there is no checkpoint in {self.directory}')
        return self._stored(newest)[0]

    def _read(self, like: TrainState, step: int) -> Saved:
        arrays, note = self._stored(step)
        try:
            return Saved(_fit(arrays, like), note)
        except ValueError as error:
            raise ValueError(
                f'the checkpoint {self.directory / str(step)} cannot be used: {error}'
            ) from error

    def _stored(self, step: int) -> tuple[versions.Arrays, dict[str, Any]]:
        """Reads and verifies the arrays of a step, in the current format, and its note."""
        where = self.directory / str(step)
        try:
            seal = json.loads((where / _COMPLETE).read_text()).get('custom_metadata')
            note: dict[str, Any] = integrity.opened(seal) if seal else {'format': 1}
            stored = self._manager.restore(step, args=ocp.args.StandardRestore())
            arrays = {name: np.asarray(a) for name, a in tree.named_leaves(stored).items()}
            if 'digests' in note:
                integrity.verify(arrays, note['digests'])
        except Exception as error:
            # orbax, tensorstore and json raise different classes
            raise Damaged(f'the checkpoint {where} is damaged: {_reason(error)}') from error
        try:
            return versions.migrated(arrays, note['format']), note.get('note', {})
        except ValueError as error:
            raise ValueError(f'the checkpoint {where} cannot be used: {error}') from error

    def variables(self, step: int) -> dict[str, Any]:
        """Reads {'params', 'batch_stats'} of a checkpoint of any network, as nested dicts of numpy
        arrays.

        Raises:
          ValueError: the checkpoint is damaged.
        """
        return tree.nested(
            {
                name: array
                for name, array in self.arrays(step).items()
                if name.split('/')[0] in ('params', 'batch_stats')
            }
        )

    def evaluation_variables(self, step: int) -> dict[str, Any]:
        """Reads the variables that evaluation uses: the moving average if the run keeps one, else
        `variables`.

        Raises:
          ValueError: the checkpoint is damaged.
        """
        average = {
            name.removeprefix('ema/'): array
            for name, array in self.arrays(step).items()
            if name.startswith('ema/')
        }
        return tree.nested(average) if average else self.variables(step)

    def close(self) -> None:
        """Waits for writes and closes the directory. A failed write is only a warning here, since
        `save` or `wait` has raised it.
        """
        try:
            self._manager.close()
        except Exception as error:
            warnings.warn(str(self._unwritten(error)), RuntimeWarning, stacklevel=2)


def located(directory: epath.PathLike) -> epath.Path:
    """Makes a path absolute; keeps an address with a scheme, such as gs://bucket/run."""
    path = epath.Path(directory)
    return path if '://' in str(directory) else epath.Path(path.expanduser().absolute())


def _reachable(directory: epath.PathLike) -> epath.Path:
    """Returns `located(directory)` after a first access.

    Raises:
      ValueError: epath does not know the address, or lacks a package for it.
      OSError: the access failed.
    """
    try:
        path = located(directory)
        path.exists()
    except (KeyError, ImportError) as error:
        reason = 'no such scheme' if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f'checkpoints cannot be kept in {directory} ({reason}); use a directory of this '
            f'machine, or gs://bucket/path with gcsfs or s3://bucket/path with s3fs installed'
        ) from error
    except Exception as error:
        # gcsfs, s3fs and their clients raise different classes
        raise OSError(f'{directory} cannot be reached: {_reason(error)}') from error
    return path


def writable(directory: epath.PathLike) -> epath.Path:
    """Returns `located(directory)`, created if missing, after writing a file to it as a test.

    Only a write shows that a bucket is missing or that access is denied.

    Raises:
      ValueError: epath does not know the address, or lacks a package for it.
      OSError: the directory cannot be reached, created or written to.
    """
    path = _reachable(directory)
    probe = path / '.writable'
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_text('Tests whether this directory is writable.')
        probe.unlink()
    except Exception as error:
        # gcsfs, s3fs and their clients raise different classes
        raise OSError(f'checkpoints cannot be kept in {directory}: {_reason(error)}') from error
    return path


def _fit(arrays: versions.Arrays, like: TrainState) -> TrainState:
    """Puts the arrays into the structure of `like`.

    Raises:
      ValueError: arrays are missing, left over, or of another shape or dtype; the message names
        them.
    """
    wanted = tree.named_leaves(like)
    wrong = [f'{name} is missing' for name in wanted if name not in arrays]
    wrong += [f'{name} is not part of the state' for name in arrays if name not in wanted]
    for name, leaf in wanted.items():
        array = arrays.get(name)
        if array is not None and (array.shape, array.dtype) != (leaf.shape, leaf.dtype):
            wrong.append(f'{name} is {array.dtype} {array.shape}, not {leaf.dtype} {leaf.shape}')
    if wrong:
        more = f'; {len(wrong) - 3} more' if len(wrong) > 3 else ''
        raise ValueError(f'it is of another network or optimizer: {"; ".join(wrong[:3])}{more}')
    return tree.map_with_name(lambda name, _: arrays[name], like)


def _finished(path: epath.Path) -> bool:
    """Whether a checkpoint is complete.

    An object store cannot rename a finished folder into place, so there orbax writes a marker.
    """
    return path.name.isdigit() and ocp.utils.is_checkpoint_finalized(path)


def _put_aside_unreadable(directory: epath.Path) -> None:
    """Moves aside the checkpoints whose metadata would make orbax fail to open the directory."""
    for path in directory.iterdir() if directory.exists() else ():
        if not _finished(path):
            continue
        try:
            for file in (path / _COMPLETE, path / 'metrics' / 'metrics'):
                if file.exists() or file.name == _COMPLETE:
                    json.loads(file.read_text())
        except (OSError, ValueError) as error:
            warnings.warn(
                f'the checkpoint {path} is damaged: {_reason(error)}; it is moved aside',
                RuntimeWarning,
                stacklevel=4,
            )
            _move_aside(path)


def _aside(directory: epath.Path) -> epath.Path:
    """Returns the folder for the damaged checkpoints of a directory: beside it, and named after it,
    since other runs may keep theirs beside it too.
    """
    return directory.parent / f'damaged_{directory.name}'


def _move_aside(path: epath.Path) -> None:
    target = _aside(path.parent) / path.name
    if target.exists():
        target.rmtree()
    target.parent.mkdir(exist_ok=True)
    # in an object store a folder exists only while it holds a file
    if not target.parent.exists():
        (target.parent / 'README.txt').write_text(
            'Damaged checkpoints, moved here for inspection; they may be deleted.\n'
        )
    path.rename(target)


def _reason(error: BaseException) -> str:
    """Returns the first line of the deepest cause, which usually holds the system's reason."""
    while error.__cause__ is not None and not isinstance(error, OSError | Damaged):
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

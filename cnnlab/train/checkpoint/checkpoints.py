"""Checkpoints by orbax: written in the background, whole or not at all; the newest few are kept,
the best, and every n-th.

What is stored are host arrays without a sharding, so that a run can go on with another number of
devices, and a hash of each, so that damage is noticed: then the one before is taken. Only process 0
of a run makes an object of this.
"""

import json
import warnings
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

# orbax's file that a finished checkpoint has
_COMPLETE = '_CHECKPOINT_METADATA'


class Saved(NamedTuple):
    """What a checkpoint holds."""

    # of numpy arrays
    state: TrainState
    # what `save` was given, {} where nothing
    note: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, in `directory`/<step>.

    Args:
      directory: made where it is missing; also gs://bucket/path and whatever else etils.epath can
        reach.
      keep: how many of the newest to keep; the one with the highest validation top-1 is kept
        besides.
      keep_every: those at multiples of so many steps are kept for good; 0 is none.
      read_only: nothing is written, moved or deleted.

    Raises:
      ValueError: the directory is an address that etils.epath does not know, or lacks a package
        for. OSError: it cannot be reached, made or written to.
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
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                create=False,
                preservation_policy=policies.AnyPreservationPolicy(kept),
                enable_async_checkpointing=not read_only,
                cleanup_tmp_directories=not read_only,
                read_only=read_only,
                lightweight_initialize=read_only,
                multiprocessing_options=alone,
            ),
        )

    @staticmethod
    def steps_in(directory: epath.PathLike) -> list[int]:
        """The steps that have a complete checkpoint in a directory, rising, without opening it for
        writing; [] where there is none.

        Raises:
          ValueError: it is an address that etils.epath does not know, or lacks a package for.
            OSError: it cannot be reached.
        """
        path = _reachable(directory)
        return (
            sorted(int(p.name) for p in path.iterdir() if _finished(p) and (p / _COMPLETE).exists())
            if path.exists()
            else []
        )

    def steps(self) -> list[int]:
        """The steps that have a complete checkpoint, rising."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The newest step, or None."""
        return max(self.steps(), default=None)

    def save(
        self,
        state: TrainState,
        validation: dict[str, float] | None = None,
        note: dict[str, Any] | None = None,
    ) -> None:
        """Stores the state under its step and returns at once; a checkpoint that is there of this
        step is replaced.

        Args:
          state: of arrays that this process has whole.
          validation: {'top1', ...} makes it a candidate for the best.
          note: of JSON values, given back by `resume`.

        Raises:
          OSError: this or the one before cannot be written; the last good one stands in the
            sentence.
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
            # orbax, tensorstore and the file system each raise their own
            raise self._unwritten(error) from error

    def wait(self) -> None:
        """Until all that was saved is on disk. Raises OSError as `save` does."""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: Exception) -> OSError:
        try:
            good = self.steps_in(self.directory)
        except OSError:
            left = 'those before cannot be listed'
        else:
            left = f'the last good one is of step {good[-1]}' if good else 'there is none before'
        return OSError(
            f'a checkpoint cannot be written to {self.directory} ({_reason(error)}); {left}, from '
            f'which the run goes on when '
            'started again'
        )

    def restore(self, like: TrainState, step: int | None = None) -> TrainState:
        """The state of `step` (default: the newest) as numpy arrays in the structure of `like`
        (arrays or shapes).

        Raises:
          FileNotFoundError: there is no such checkpoint. ValueError: it is damaged, or of another
            network or optimizer.
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
        """The newest checkpoint that is whole; None where there is none at all.

        Damaged ones are put aside.

        Warns:
          RuntimeWarning: for each that is put aside.

        Raises:
          ValueError: all are damaged, or the newest whole one is of another network or optimizer.
        """
        found = self.steps()
        for step in reversed(found):
            try:
                return self._read(like, step)
            except Damaged as error:
                warnings.warn(f'{error}; the one before is taken', RuntimeWarning, stacklevel=2)
                _put_aside(self.directory / str(step))
                self._manager.reload()
        aside = _aside(self.directory)
        if found or list(aside.glob('[0-9]*')):
            raise ValueError(
                f'no checkpoint in {self.directory} can be read; those that were there are in '
                f'{aside}, and with both folders '
                'removed the run starts from step 0'
            )
        return None

    def arrays(self, step: int | None = None) -> versions.Arrays:
        """{path: array} of a step (default: the newest) in the present format; for tools that do
        not know the network.

        Raises:
          FileNotFoundError: there is no checkpoint. Damaged: it is not what was written.
        """
        newest = self.latest() if step is None else step
        if newest is None:
            raise FileNotFoundError(f'there is no checkpoint in {self.directory}')
        return self._stored(newest)[0]

    def _read(self, like: TrainState, step: int) -> Saved:
        found, note = self._stored(step)
        try:
            return Saved(_fitted(found, like), note)
        except ValueError as error:
            raise ValueError(
                f'the checkpoint {self.directory / str(step)} cannot be used: {error}'
            ) from error

    def _stored(self, step: int) -> tuple[versions.Arrays, dict[str, Any]]:
        """The verified arrays of a step in the present format, and the note given to `save`."""
        where = self.directory / str(step)
        try:
            seal = json.loads((where / _COMPLETE).read_text()).get('custom_metadata')
            note: dict[str, Any] = integrity.opened(seal) if seal else {'format': 1}
            stored = self._manager.restore(step, args=ocp.args.StandardRestore())
            found = {name: np.asarray(a) for name, a in tree.named_leaves(stored).items()}
            if 'digests' in note:
                integrity.verify(found, note['digests'])
        except Exception as error:
            # orbax, tensorstore and json each raise their own
            raise Damaged(f'the checkpoint {where} is damaged: {_reason(error)}') from error
        try:
            return versions.migrated(found, note['format']), note.get('note', {})
        except ValueError as error:
            raise ValueError(f'the checkpoint {where} cannot be used: {error}') from error

    def variables(self, step: int) -> dict[str, Any]:
        """{'params', 'batch_stats', ...} of a checkpoint of any network as nested dicts of numpy
        arrays, without a structure to compare to.

        Raises:
          ValueError: it is damaged.
        """
        return tree.nested(
            {
                n: a
                for n, a in self.arrays(step).items()
                if n.split('/')[0] in ('params', 'batch_stats')
            }
        )

    def evaluation_variables(self, step: int) -> dict[str, Any]:
        """`variables`, but of the average where the run keeps one: what evaluation uses.

        Raises:
          ValueError: it is damaged.
        """
        average = {
            n.removeprefix('ema/'): a for n, a in self.arrays(step).items() if n.startswith('ema/')
        }
        return tree.nested(average) if average else self.variables(step)

    def close(self) -> None:
        """Waits, and lets go of the directory; what could not be written has been told by `save` or
        `wait`.
        """
        try:
            self._manager.close()
        except Exception as error:
            warnings.warn(str(self._unwritten(error)), RuntimeWarning, stacklevel=2)


def located(directory: epath.PathLike) -> epath.Path:
    """An absolute path; an address with a scheme, as gs://bucket/run, stays as it is."""
    path = epath.Path(directory)
    return path if '://' in str(directory) else epath.Path(path.expanduser().absolute())


def _reachable(directory: epath.PathLike) -> epath.Path:
    """`located`; ValueError where it is an address that epath does not know or has no package for,
    OSError where nothing answers.
    """
    try:
        path = located(directory)
        path.exists()
    except (KeyError, ImportError) as error:
        reason = 'no such scheme' if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f'checkpoints cannot be kept in {directory} ({reason}); a directory of this machine '
            f'always can, '
            'and gs://bucket/path and s3://bucket/path where gcsfs and s3fs are installed'
        ) from error
    except Exception as error:
        # gcsfs, s3fs and what they call each raise their own
        raise OSError(f'{directory} cannot be reached: {_reason(error)}') from error
    return path


def writable(directory: epath.PathLike) -> epath.Path:
    """`located`; made where it is missing, and written to: an object store says only then that
    there is no such bucket, or no right to it.

    Raises:
      ValueError: it is an address that epath does not know or has no package for. OSError: it
        cannot be reached, made or written to.
    """
    path = _reachable(directory)
    probe = path / '.writable'
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_text('written to learn whether it can be')
        probe.unlink()
    except Exception as error:
        # as above
        raise OSError(f'checkpoints cannot be kept in {directory}: {_reason(error)}') from error
    return path


def _fitted(found: versions.Arrays, like: TrainState) -> TrainState:
    """The arrays in the structure of `like`; ValueError names what is missing, left over or of
    another shape.
    """
    wanted = tree.named_leaves(like)
    wrong = [f'{n} is missing' for n in wanted if n not in found] + [
        f'{n} is not asked for' for n in found if n not in wanted
    ]
    wrong += [
        f'{n} is {found[n].dtype} {found[n].shape}, not {a.dtype} {a.shape}'
        for n, a in wanted.items()
        if n in found and (found[n].shape, found[n].dtype) != (a.shape, a.dtype)
    ]
    if wrong:
        raise ValueError(
            f'it is of another network or optimizer: '
            f'{"; ".join(wrong[:3])}{f"; {len(wrong) - 3} more" * (len(wrong) > 3)}'
        )
    return tree.map_with_name(lambda name, _: found[name], like)


def _finished(path: epath.Path) -> bool:
    """Whether a checkpoint was written to its end; in an object store it has its own name before
    that, and orbax marks the end.
    """
    return path.name.isdigit() and ocp.utils.is_checkpoint_finalized(path)


def _put_aside_unreadable(directory: epath.Path) -> None:
    """Moves away the checkpoints whose descriptions orbax would stumble over when it opens the
    directory.
    """
    for path in directory.iterdir() if directory.exists() else ():
        if not _finished(path):
            continue
        try:
            for file in (path / _COMPLETE, path / 'metrics' / 'metrics'):
                if file.exists() or file.name == _COMPLETE:
                    json.loads(file.read_text())
        except (OSError, ValueError) as error:
            warnings.warn(
                f'the checkpoint {path} is damaged: {_reason(error)}; it is put aside',
                RuntimeWarning,
                stacklevel=4,
            )
            _put_aside(path)


def _aside(directory: epath.Path) -> epath.Path:
    """Where damaged ones of a directory go: beside it, named after it, as other runs may have
    theirs beside it too.
    """
    return directory.parent / f'damaged_{directory.name}'


def _put_aside(path: epath.Path) -> None:
    target = _aside(path.parent) / path.name
    if target.exists():
        target.rmtree()
    target.parent.mkdir(exist_ok=True)
    # an object store has no folder without a file
    if not target.parent.exists():
        (target.parent / 'README.txt').write_text(
            'Checkpoints that were damaged, moved here to be looked at; they may be deleted.\n'
        )
    path.rename(target)


def _reason(error: BaseException) -> str:
    """The first line of an error, or of the one that caused it where it has the reason of the
    system.
    """
    while error.__cause__ is not None and not isinstance(error, OSError | Damaged):
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

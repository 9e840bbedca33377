"""Heartbeat of a run: heartbeat.json for monitors outside the process, and an exit for runs that
hang.
"""

import contextlib
import datetime
import faulthandler
import json
import pathlib
import sys
import threading
import time

from cnnlab.report.files import write_text
from cnnlab.train.distributed import hosts
from cnnlab.train.exit_codes import AGAIN

# seconds between heartbeats
PERIOD = 10.0


class Heartbeat:
    """A context manager whose thread writes `heartbeat.json` and ends a run that makes no progress.

    The file holds {'step', 'doing', 'seconds_since_progress', 'time'}. While the process lives,
    `time` advances; while it makes no progress, `seconds_since_progress` grows. At `limit` seconds
    the thread prints the stacks of all threads and ends the process with status AGAIN.

    Args:
      path: where to write the file; None writes none.
      limit: seconds without progress, 0 for no limit. It must exceed the time that compiling, one
        step, one evaluation batch and waiting for other hosts take.
      period: seconds between heartbeats.
    """

    def __init__(self, path: pathlib.Path | None, limit: float, period: float = PERIOD):
        self._path, self._limit, self._period = path, limit, period
        self._step, self._doing, self._last = 0, 'starting', time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name='heartbeat', daemon=True)

    def __enter__(self) -> 'Heartbeat':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def beat(self, step: int, doing: str) -> None:
        """Reports progress.

        Args:
          step: of the run.
          doing: the current activity, such as 'training'.
        """
        self._step, self._doing, self._last = step, doing, time.monotonic()

    def _run(self) -> None:
        period = min(self._period, self._limit / 4) if self._limit else self._period
        while True:
            since = time.monotonic() - self._last
            self._write(since)
            if self._limit and since > self._limit:
                faulthandler.dump_traceback(sys.stderr)
                hosts.leave(
                    AGAIN,
                    f'no progress for {since:.0f} s while {self._doing} at step {self._step} '
                    f'(limit {self._limit:.0f} s, --stall_minutes); the stacks of all threads are '
                    f'above; start again',
                )
            if self._end.wait(period):
                self._doing = 'ended'
                self._write(0.0)
                return

    def _write(self, since: float) -> None:
        if self._path is None:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
        beat = {
            'step': self._step,
            'doing': self._doing,
            'seconds_since_progress': round(since, 1),
            'time': now,
        }
        # the log and the checkpoints report a full disk; the heartbeat need not end the run
        with contextlib.suppress(OSError):
            write_text(self._path, json.dumps(beat) + '\n')

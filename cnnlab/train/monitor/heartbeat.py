"""A sign of life: heartbeat.json for those who watch a run from outside, and an end for a run that
hangs.
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
    """A thread that writes `heartbeat.json` and watches that the run gets on; a context.

    The file is {'step', 'doing', 'seconds_since_progress', 'time'}: `time` grows while the process
    lives, and the seconds where it lives but does not get on. After `limit` of these seconds the
    stacks of all threads are printed and the process ends with status AGAIN.

    Args:
      path: of the file; None writes none.
      limit: seconds without progress; 0 is no limit. Compiling, a step, a batch of evaluation,
        waiting for other hosts must take less.
      period: seconds between heartbeats.
    """

    def __init__(self, path: pathlib.Path | None, limit: float, period: float = PERIOD):
        self._path, self._limit, self._period = path, limit, period
        self._step, self._doing, self._last = 0, 'starting', time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='heartbeat', daemon=True)

    def __enter__(self) -> 'Heartbeat':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def beat(self, step: int, doing: str) -> None:
        """The run got on: it is at this step."""
        self._step, self._doing, self._last = step, doing, time.monotonic()

    def _watch(self) -> None:
        period = min(self._period, self._limit / 4) if self._limit else self._period
        while True:
            since = time.monotonic() - self._last
            self._write(since)
            if self._limit and since > self._limit:
                faulthandler.dump_traceback(sys.stderr)
                hosts.leave(
                    AGAIN,
                    f'nothing moved for {since:.0f} s while {self._doing} at step {self._step} '
                    f'(limit {self._limit:.0f} s, '
                    '--stall_minutes); what every thread was at stands above; start again',
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
        # a full disk is told by what must be written
        with contextlib.suppress(OSError):
            write_text(self._path, json.dumps(beat) + '\n')

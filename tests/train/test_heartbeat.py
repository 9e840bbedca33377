"""The heartbeat, and the end of a run that hangs."""

import json
import subprocess
import sys
import time

import pytest

from cnnlab.train.distributed import hosts
from cnnlab.train.exit_codes import AGAIN
from cnnlab.train.monitor.heartbeat import Heartbeat


def until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_heartbeat_tells_where_the_run_is(tmp_path):
    path = tmp_path / 'heartbeat.json'
    with Heartbeat(path, 0, period=0.01) as heartbeat:
        heartbeat.beat(7, 'evaluating test')
        until(lambda: path.exists() and json.loads(path.read_text())['step'] == 7)
        beat = json.loads(path.read_text())
        assert beat['doing'] == 'evaluating test' and set(beat) == {
            'step',
            'doing',
            'seconds_since_progress',
            'time',
        }
        until(lambda: json.loads(path.read_text())['seconds_since_progress'] >= 0.1)
    assert json.loads(path.read_text())['doing'] == 'ended'


def test_a_stall_leaves_with_the_step_and_progress_does_not(tmp_path, monkeypatch, capfd):
    left = []

    def leave(*said):
        left.append(said)
        # a thread that could not leave the process would come here again
        heartbeat._end.set()

    monkeypatch.setattr(hosts, 'leave', leave)
    with Heartbeat(None, 0.2) as heartbeat:
        for step in range(20):
            heartbeat.beat(step, 'training')
            time.sleep(0.02)
        assert not left
        until(lambda: left)
    status, sentence = left[0]
    assert status == AGAIN and 'no progress for 0 s while training at step 19' in sentence
    # the stacks
    assert 'test_heartbeat.py' in capfd.readouterr().err


HANGS = """
import threading
from cnnlab.train.monitor.heartbeat import Heartbeat
with Heartbeat(None, 0.5) as heartbeat:
    heartbeat.beat(3, 'training')
    threading.Event().wait()
"""


@pytest.mark.slow
def test_a_hanging_process_ends_with_the_status_for_starting_again():
    done = subprocess.run(
        [sys.executable, '-c', HANGS], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == AGAIN and 'error: process 0: no progress for' in done.stderr

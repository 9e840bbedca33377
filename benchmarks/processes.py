"""Processor time and memory of a process tree, from /proc; the same measurement for every peer."""

import os
import pathlib
import time


def tree(pid: int) -> list[int]:
    """Returns the ids of a process and its running descendants."""
    pids = [pid]
    for one in pids:
        for children in pathlib.Path(f'/proc/{one}/task').glob('*/children'):
            try:
                pids += map(int, children.read_text().split())
            except OSError:
                # the process has ended
                continue
    return pids


def processor_seconds(pid: int) -> float:
    """Returns the user and system time of the tree, with processes that have been waited for."""
    total = 0
    for one in tree(pid):
        try:
            fields = pathlib.Path(f'/proc/{one}/stat').read_text().rpartition(')')[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf('SC_CLK_TCK')


def settled(pid: int) -> float:
    """Waits until the tree is idle, with full batch buffers; returns `processor_seconds`."""
    before = processor_seconds(pid)
    while True:
        time.sleep(0.3)
        now = processor_seconds(pid)
        if now - before <= 0.01:
            return now
        before = now


def resident_mib(pid: int) -> float:
    """Returns the memory of a process in MiB, with its share of shared pages (PSS)."""
    for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) / 1024
    return 0.0

"""Processor seconds and memory of a process and of all that it has started, from /proc: they are
measured alike for every peer.
"""

import os
import pathlib
import time


def tree(pid: int) -> list[int]:
    """The process and its descendants that are there now."""
    found = [pid]
    for one in found:
        for children in pathlib.Path(f'/proc/{one}/task').glob('*/children'):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                # it has ended
                continue
    return found


def processor_seconds(pid: int) -> float:
    """User and system time of the tree, its ended and waited-for processes included."""
    total = 0
    for one in tree(pid):
        try:
            fields = pathlib.Path(f'/proc/{one}/stat').read_text().rpartition(')')[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf('SC_CLK_TCK')


def settled(pid: int) -> float:
    """`processor_seconds` when they no longer grow: all buffers of batches are full."""
    before = processor_seconds(pid)
    while True:
        time.sleep(0.3)
        now = processor_seconds(pid)
        if now - before <= 0.01:
            return now
        before = now


def resident_mib(pid: int) -> float:
    """Memory of one process in MiB, what it shares with others counted in part."""
    for line in pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) / 1024
    return 0.0

"""Processor time that processes have used, by Linux's own account of them."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pids: Iterable[int]) -> float:
    """User and system time of processes, of their children that are alive and of those that have ended."""
    return sum(_seconds(pid) for pid in pids)


def _seconds(pid: int) -> float:
    # Fields 14 to 17 (proc_pid_stat(5)); the second, the name, may have spaces and ends with the last bracket.
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(int, told[11:15])) / _TICKS + sum(_seconds(int(child)) for child in children)

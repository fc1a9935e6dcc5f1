"""Processor time that processes have used, by Linux's own account of them."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pids: Iterable[int]) -> float:
    """User and system time of processes, of their children that are alive and of those that have ended."""
    return sum(_seconds(pid) for pid in pids)


def _seconds(pid: int) -> float:
    process, found = Path(f"/proc/{pid}"), 0.0
    for child in (process / "task" / str(pid) / "children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile: its parent, read last, has its time
            found += _seconds(int(child))
    # Fields 14 to 17 (proc_pid_stat(5)); the second, the name, may have spaces and ends with the last bracket.
    told = (process / "stat").read_text().rpartition(")")[2].split()
    return found + sum(map(int, told[11:15])) / _TICKS

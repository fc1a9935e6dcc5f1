"""Ends every process of the copy when the supervisor is gone, however it went.

It holds the read end of a pipe whose write end only the supervisor has: end of file means that it died, a byte that it
has cleared up itself.
"""

import os
import signal
import subprocess
import sys

from plyo import processes
from plyo.home import Home
from plyo.services import STACK_MARK


def start(home: Home) -> tuple[subprocess.Popen[bytes], int]:
    """Start the warden; returns it and the pipe end to keep open as long as the supervisor lives."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    with (home.logs / "warden.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "plyo.warden", str(reading)],
            pass_fds=(reading,),
            env=os.environ | {"PLYO_HOME": str(home.path), STACK_MARK: home.stack_id},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(reading)
    return process, writing


def dismiss(guard: subprocess.Popen[bytes], pipe: int) -> None:
    """Let the warden go after an orderly end: nothing is left for it to do."""
    os.write(pipe, b".")
    os.close(pipe)
    guard.wait(10)


def main() -> None:
    """Wait for the end of the pipe, then clear up. Signals meant for the supervisor's group do not reach us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not os.read(int(sys.argv[1]), 1):
        processes.end_all(Home.find())


if __name__ == "__main__":
    main()

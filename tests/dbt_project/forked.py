"""dbt's commands in processes that are forked from one which has dbt imported and the project read.

A command on its own keeps a processor for seven seconds before it does anything: dbt reads the project anew whenever
`now` is another, and here it always is. What is asked for and in which environment is as ever, and so is all that dbt
makes of it; only what was read is given to it, by dbt's own `dbtRunner`. Which lake, and what for, do not belong here.
"""

import atexit
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.forks import Fork, Forks

_FORKS = Forks("tests.dbt_project.reading")


def run(
    arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, timeout_seconds: float, is_read: bool
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it writes to its second output is among what it says.

    Args:
        is_read: Whether it is the project that was read, for the lake. Another one dbt reads itself.

    Raises:
        TimeoutExpired: It took too long, and was killed.
    """
    with TemporaryDirectory() as scratch:
        said = Path(scratch) / "said"
        process = started(arguments, environment=environment, folder=folder, said=said, is_read=is_read)
        process.join(timeout_seconds)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired([*arguments], timeout_seconds)
        return subprocess.CompletedProcess([*arguments], process.exitcode, said.read_text(), "")


def started(
    arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, said: Path, is_read: bool = True
) -> Fork:
    """Begin a command, which writes what it says to a file or a named pipe."""
    process = _FORKS.process(_dbt, [list(arguments), dict(environment), folder, said, is_read])
    process.start()
    return process


def _dbt(arguments: list[str], environment: dict[str, str], folder: Path, said: Path, is_read: bool) -> None:
    """In the process that was forked for it. Ends it as dbt's command does: 0 done, 1 something failed, 2 could not."""
    with said.open("w") as written:
        for number in (1, 2):
            os.dup2(written.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from dbt.cli.main import dbtRunner

    from tests.dbt_project.reading import MANIFEST

    done = dbtRunner(MANIFEST if is_read else None).invoke(arguments)
    atexit._run_exitfuncs()  # as at the end of any process: dbt closes DuckDB there
    if done.exception:
        sys.stderr.write(f"{done.exception}\n")
    sys.exit(0 if done.success else 2 if done.exception else 1)

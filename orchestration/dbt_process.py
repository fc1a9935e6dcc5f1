"""dbt's own command in a process that loses no time at its start: `python -m orchestration.dbt_process build ...`.

Where a builder stands by (`dbt_builder.py`), it runs dbt for us: it has dbt imported and the project read. Otherwise we
do it here, and start a builder for the next one. Importing dbt and reading the project take one processor for seconds.
The collector rests: a build ends soon, and leaves some 20 MB that it would find. DuckDB's extensions are looked at on
the other processor; and what the build has to look at may still be planned by whoever started the process
(`build.awaited`), which is waited for only when dbt has to know it. Everything else is dbt's own. What a build looks at
does not belong here.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration import dbt_builder


def main() -> None:
    """Run dbt's command with the arguments given, and with those of the plan where one is on its way.

    Raises:
        SystemExit: as dbt does: 0 when all was done, 1 when something failed, 2 when dbt could not run. 3 when the plan
            that was promised never came, 4 when the builder's process died.
    """
    arguments = sys.argv[1:]
    place = os.environ.get(dbt_builder.PLACE)
    if not place:
        run(arguments)
        return
    status = dbt_builder.asked(Path(place), arguments)
    if status is not None:
        sys.exit(status)
    try:
        run(arguments)
    finally:
        dbt_builder.start(Path(place))


def run(arguments: Sequence[str]) -> None:
    """Run dbt in this process. Raises as `main`."""
    gc.disable()
    from threading import Thread

    from contracts import warehouse
    from orchestration import build, dbt_shortcuts

    # A daemon: where dbt ends before, because it was asked for nothing, nobody waits for it.
    Thread(target=warehouse.check_extensions, daemon=True).start()
    from dbt.cli.main import cli

    dbt_shortcuts.take()
    if build.PLAN in os.environ:
        told = build.told()
        if told is None:
            sys.exit(3)
        os.environ.update(told["environment"])
        arguments = [*arguments, *told["options"]]
    cli(list(arguments))


if __name__ == "__main__":
    main()

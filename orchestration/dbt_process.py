"""dbt's own command in a process that loses no time at its start: `python -m orchestration.dbt_process build ...`.

Where a builder stands by (`dbt_builder.py`), it runs dbt for us: it has dbt imported and the project read. Otherwise we
do it here, and start a builder for the next one. Importing dbt and reading the project take one processor for seconds.
Nothing is garbage meanwhile, so the collector rests until dbt connects (`lake_plugin.py`); DuckDB's extensions are
looked at on the other processor; and what the build has to look at may still be planned by whoever started the process
(`build.awaited`), which is waited for only when dbt has to know it. Everything else is dbt's own. What a build looks at
does not belong here.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    from orchestration import build

    # A daemon: where dbt ends before, because it was asked for nothing, nobody waits for it.
    Thread(target=warehouse.check_extensions, daemon=True).start()
    from dbt.cli.main import cli

    _say_only_what_is_heard()
    _draw_no_summary()
    if build.PLAN in os.environ:
        told = build.told()
        if told is None:
            sys.exit(3)
        os.environ.update(told["environment"])
        arguments = [*arguments, *told["options"]]
    cli(list(arguments))


def _say_only_what_is_heard() -> None:
    """Leave out dbt's lines of debugging where no logger writes them: dbt would word thousands, and throw them away."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    debugging = (EventLevel.DEBUG, EventLevel.TEST)

    class Heard(EventManager):
        def fire_event(self, e: Any, level: EventLevel | None = None, *given: Any, **named: Any) -> None:
            if (level or e.level_tag()) not in debugging or any(own.level in debugging for own in self.loggers):
                super().fire_event(e, level, *given, **named)

    ctx_set_event_manager(Heard())


def _draw_no_summary() -> None:
    """Leave out the picture of the graph that dbt draws of each run, twice, for those who look for faults in dbt."""
    from dbt.compilation import Linker

    Linker.get_graph_summary = lambda *_: {}  # type: ignore[method-assign]


if __name__ == "__main__":
    main()

"""Progress of a start: written by the supervisor as JSON lines, drawn by whoever watches. Knows no step by name."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


@dataclass
class Steps:
    """Writes what happens to a file of JSON lines.

    Args:
        file: Emptied when the first step begins.
    """

    file: Path
    taken: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("")

    def write(self, **event: object) -> None:
        with self.file.open("a") as stream:
            stream.write(json.dumps({"at": time.time()} | event) + "\n")

    @contextmanager
    def step(self, label: str) -> Iterator["Advance"]:
        """One step: begins, may advance, ends done or failed; its seconds are kept."""
        began = time.monotonic()
        self.write(kind="begin", label=label)
        try:
            yield Advance(self, label)
        except BaseException as error:
            self.write(kind="failed", label=label, error=f"{error}" or type(error).__name__)
            raise
        self.taken[label] = time.monotonic() - began
        self.write(kind="done", label=label, seconds=self.taken[label])


@dataclass
class Advance:
    """Handle of a running step: call it with how much is done."""

    steps: Steps
    label: str
    _last: float = 0.0

    def __call__(self, done: float, total: float, detail: str = "") -> None:
        now = time.monotonic()
        if now - self._last > 0.1 or done >= total:
            self._last = now
            self.steps.write(kind="advance", label=self.label, done=done, total=total, detail=detail)


def follow(file: Path, *, ended: Any, console: Console) -> dict[str, Any] | None:
    """Draw the steps of a file as they come until one says `ready` or `stopped`.

    Args:
        file: Where `Steps` writes.
        ended: Called without arguments: True once the writer is gone.
        console: Where to draw.

    Returns:
        The last event: kind ready or stopped; None when the writer vanished without a word.
    """
    bars = Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TextColumn("[dim]{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=console,
    )
    tasks: dict[str, TaskID] = {}
    with bars:
        for event in _lines(file, ended):
            label = event.get("label", "")
            if event["kind"] == "begin":
                tasks[label] = bars.add_task(label, total=None, detail="")
            elif event["kind"] == "advance" and label in tasks:
                bars.update(tasks[label], completed=event["done"], total=event["total"], detail=event["detail"])
            elif event["kind"] == "done" and label in tasks:
                bars.update(tasks[label], completed=1, total=1, detail=f"{event['seconds']:.1f} s")
                bars.stop_task(tasks[label])
            elif event["kind"] == "failed" and label in tasks:
                bars.update(tasks[label], description=f"[red]✗ {label}", detail="failed")
                bars.stop_task(tasks[label])
            elif event["kind"] in ("ready", "stopped"):
                return event
    return None


def _lines(file: Path, ended: Any) -> Iterator[dict[str, Any]]:
    rest = ""
    while not file.exists() and not ended():
        time.sleep(0.05)
    with file.open() as stream:
        while True:
            was_over = ended()
            rest += stream.read()
            *whole, rest = rest.split("\n")
            yield from (json.loads(line) for line in whole)
            if was_over:
                return
            time.sleep(0.1)

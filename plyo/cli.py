"""The command line: up, down, status, doctor, demo, reset. Says what happens; the work is in the modules beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import psutil
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.prompt import Confirm

from plyo import analyst, processes, progress, status, terminal
from plyo import doctor as examination
from plyo.demo import presence
from plyo.home import BrokenHome, Home, checkout
from plyo.logins import LOGINS, PASSWORD
from plyo.postgres import end_with_parent
from plyo.services import STACK_MARK

app = typer.Typer(
    help="Plyo on this machine: real PostgreSQL, lake, API, consoles and pipelines behind one address.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
Signed = TypeVar("Signed", str, bool)


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once all is ready; it goes on running.")
    ] = False,
    customers: Annotated[
        int, typer.Option(min=0, max=100_000, help="Demo customers for an empty database; 0: none.")
    ] = presence.DEFAULT_CUSTOMERS,
    months: Annotated[
        int, typer.Option(min=2, max=60, help="Months of history of the demo business.")
    ] = presence.DEFAULT_MONTHS,
    seed: Annotated[int, typer.Option(help="Same seed, same business.")] = 7,
) -> None:
    """Start everything; an empty database gets the demo business and its first pipeline run. Print what runs where."""
    if 0 < customers < presence.SMALLEST:
        raise typer.BadParameter(f"0, or at least {presence.SMALLEST}", param_hint="--customers")
    home = _home()
    if status.is_running(home):
        console.print("Plyo is already running here.")
        status.show(status.read(home), console)
        return
    fatal = [finding for finding in examination.examine(home) if not finding.is_fine and finding.is_fatal]
    if fatal:
        for finding in fatal:
            console.print(f"[red]✗ {finding.what}[/red]: {finding.advice}")
        raise typer.Exit(1)
    home.prepare()
    home.events.unlink(missing_ok=True)
    supervisor = _spawn_supervisor(home, [str(customers), str(months), str(seed)], outlives_us=detach)
    try:
        last = progress.follow(home.events, ended=lambda: supervisor.poll() is not None, console=console)
        if last is None or last["kind"] != "ready":
            _explain(last, home)
            raise typer.Exit(1)
        state = status.read(home)
        status.show_steps(state["steps"], state["seconds"], console)
        status.show(state, console)
        if detach:
            console.print("It goes on running. Stop it with [bold]plyo down[/bold].")
            return
        console.print("Press Ctrl-C to stop everything.")
        supervisor.wait()
    except KeyboardInterrupt:
        console.print("\nStopping every process ...")
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(90)
        console.print("Stopped. Your data stays: the next [bold]plyo up[/bold] continues from here.")


@app.command()
def down() -> None:
    """Stop every process of this copy; data stays."""
    home = _home()
    state = status.read(home)
    with console.status("Stopping every process ..."):
        if state["state"] != "stopped":
            supervisor = psutil.Process(state["pid"])
            processes.end([supervisor], patience_seconds=60)
        leftovers = processes.end_all(home)
        home.state.unlink(missing_ok=True)
    stopped = "Stopped." if state["state"] != "stopped" or leftovers else "Nothing was running."
    console.print(f"{stopped} Your data stays in {home.path}.")


@app.command(name="status")
def show_status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs where, memory, and the demo logins."""
    state = status.read(_home())
    if as_json:
        sys.stdout.write(json.dumps(state, indent=2) + "\n")
    else:
        status.show(state, console)
    raise typer.Exit(0 if state["state"] in ("ready", "starting") else 3)


@app.command()
def lake() -> None:
    """Print what SQL and notebooks need to read this copy's lake: eval "$(plyo lake)"."""
    home = _running()
    sys.stdout.write(analyst.exports(analyst.lake_environment(home)))


@app.command()
def token(
    who: Annotated[Literal["analyst", "admin"], typer.Argument(help="Of which demo login.")] = "analyst",
    at: Annotated[str, typer.Option(help="A deployment's address: of oneself there, by signing in.")] = "",
) -> None:
    """Print a token for the API of numbers: of a demo login, for an hour; or of oneself at a deployment, renewed."""
    if at:
        found = _signing_in(lambda: terminal.token(at))
    else:
        gateway = status.read(_running())["gateway"]
        found = analyst.token(gateway, email=LOGINS[who], password=PASSWORD)
    sys.stdout.write(found + "\n")


@app.command()
def sign_out(at: Annotated[str, typer.Option(help="The deployment's address.")]) -> None:
    """End the sign-in that `plyo token --at` made, there and here."""
    was_there = _signing_in(lambda: terminal.sign_out(at))
    console.print("Signed out." if was_there else "Nobody was signed in there.")


@app.command()
def doctor() -> None:
    """Look for what would keep Plyo from running, and say what to do."""
    findings = examination.examine(_home(check=False))
    for finding in findings:
        mark = "[green]✓[/green]" if finding.is_fine else "[red]✗[/red]" if finding.is_fatal else "[yellow]![/yellow]"
        console.print(f"{mark} {finding.what}" + ("" if finding.is_fine else f"\n    {finding.advice}"))
    raise typer.Exit(1 if any(finding.is_fatal and not finding.is_fine for finding in findings) else 0)


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=presence.SMALLEST, max=100_000)] = presence.DEFAULT_CUSTOMERS,
    months: Annotated[int, typer.Option(min=2, max=60)] = presence.DEFAULT_MONTHS,
    seed: Annotated[int, typer.Option()] = 7,
    url: Annotated[str | None, typer.Option(help="A migrated, empty PostgreSQL; default: this copy's own.")] = None,
) -> None:
    """Simulate a personal-training business and load it into an empty database."""
    # Polars, Arrow and pandas take seconds to import; only this command needs them.
    from plyo.demo import loading

    home = _home()
    if url is None:
        url = _own_database(home)
    bars = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console)
    with bars:
        task = bars.add_task("Simulate and load", total=None)

        def told(label: str, done: float, total: float) -> None:
            bars.update(task, completed=done, total=total, description=label)

        began = time.monotonic()
        try:
            loading.load(
                url, customers=customers, months=months, seed=seed, until=datetime.now(UTC), state_folder=home.path,
                progress=told,
            )  # fmt: skip
        except (presence.BusinessExists, presence.LoadRunning) as error:
            console.print(f"[red]✗[/red] {error}")
            raise typer.Exit(1) from error
    console.print(f"Loaded {customers} customers over {months} months in {time.monotonic() - began:.1f} s.")


@app.command()
def import_exercises(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON in the public catalogue's format.")],
    url: Annotated[str | None, typer.Option(help="A migrated PostgreSQL; default: this copy's own.")] = None,
    source: Annotated[str, typer.Option(help="Where the catalogue is from.")] = "free-exercise-db",
    licence: Annotated[str, typer.Option(help="What one may do with it.")] = "Unlicense (public domain)",
) -> None:
    """Import a public catalogue of movements; importing it again changes only what is new in it."""
    from operational_api.core.errors import DomainError
    from plyo import exercises

    try:
        done = exercises.import_file(url or _own_database(_home()), file, source=source, licence=licence)
    except (DomainError, OSError) as error:
        console.print(f"[red]✗[/red] {error.detail if isinstance(error, DomainError) else error}")
        raise typer.Exit(1) from error
    console.print(f"{done.added} movements added, {done.updated} updated, {done.unchanged} unchanged ({licence}).")


@app.command()
def replay_stages(
    url: Annotated[str | None, typer.Option(help="A migrated PostgreSQL; default: this copy's own.")] = None,
) -> None:
    """Make everybody's stage (lead, trial, active ...) anew from the record of events; nothing is announced."""
    from plyo import stages

    moved = stages.replay(url or _own_database(_home()))
    console.print(f"{moved} stages were others than the record makes; they are right now.")


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop everything and delete all data of this copy."""
    home = Home.find()
    if not home.path.exists():
        console.print(f"There is nothing at {home.path}.")
        return
    if not yes and not Confirm.ask(f"Delete everything in {home.path}?", default=False, console=console):
        raise typer.Exit(1)
    processes.end_all(home)
    home.remove()
    console.print(f"Deleted {home.path}.")


def _home(*, check: bool = True) -> Home:
    home = Home.find()
    try:
        status.is_running(home)
    except BrokenHome as error:
        if check:
            console.print(f"[red]✗[/red] {error}")
            raise typer.Exit(1) from error
    return home


def _signing_in(do: Callable[[], Signed]) -> Signed:
    try:
        return do()
    except terminal.NotSignedIn as error:
        Console(stderr=True).print(str(error))
        raise typer.Exit(1) from error


def _running() -> Home:
    home = _home()
    if status.read(home)["state"] == "stopped":
        Console(stderr=True).print("Plyo is not running here: start it with `plyo up`.")
        raise typer.Exit(3)
    return home


def _own_database(home: Home) -> str:
    state = status.read(home)
    if state["state"] == "stopped":
        console.print("Plyo is not running: start it with `plyo up --customers 0`, or name a database with --url.")
        raise typer.Exit(1)
    return f"postgresql://plyo_owner:{home.secrets()['plyo_owner']}@127.0.0.1:{home.ports_in_use()['postgres']}/plyo"


def _spawn_supervisor(home: Home, arguments: list[str], *, outlives_us: bool) -> subprocess.Popen[bytes]:
    with (home.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "plyo.supervisor", *arguments],
            cwd=checkout(),
            env=os.environ | {"PLYO_HOME": str(home.path), STACK_MARK: home.stack_id},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=None if outlives_us else end_with_parent,
        )


def _explain(last: dict[str, Any] | None, home: Home) -> None:
    if last is None:
        console.print(f"[red]The supervisor ended without a word.[/red] Its log: {home.logs / 'supervisor.log'}")
    else:
        console.print(f"[red]✗ Not started.[/red] {last.get('error') or 'It was stopped.'}")
    causes = [finding for finding in examination.examine(home) if not finding.is_fine]
    for cause in causes:
        console.print(f"[yellow]![/yellow] {cause.what}: {cause.advice}")
    console.print("Nothing that was saved is lost: when the cause is mended, run `plyo up` again.")


def main() -> None:
    """Entry point of the `plyo` command."""
    app()


if __name__ == "__main__":
    main()

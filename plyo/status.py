"""What runs now, where, and how much memory it takes: as data and as a table."""

from typing import Any

from rich.console import Console
from rich.table import Table

from plyo import processes
from plyo.home import Home, read_json
from plyo.logins import LOGINS, PASSWORD


def is_running(home: Home) -> bool:
    """Whether a supervisor of this copy lives."""
    state = read_json(home.state)
    return bool(state) and processes.is_ours(state["pid"], home)


def read(home: Home) -> dict[str, Any]:
    """The copy's state.

    Returns:
        state (stopped, starting, ready, stopping), gateway, services {name: {url, state, pid, rss_mib, restarts,
        what}}, rss_mib of the whole, logins, steps {label: seconds}, seconds from the start to ready (so far).
    """
    state = read_json(home.state)
    if not state or not processes.is_ours(state["pid"], home):
        return {
            "state": "stopped",
            "gateway": None,
            "services": {},
            "rss_mib": 0,
            "logins": {},
            "steps": {},
            "seconds": 0,
        }
    for service in state["services"].values():
        service["rss_mib"] = round(processes.resident_mib(service["pid"]), 1)
    own = round(processes.resident_mib_alone(state["pid"]), 1)
    state["services"]["supervisor"] = {
        "url": None, "state": state["state"], "pid": state["pid"], "restarts": 0, "what": "keeps the rest running",
        "rss_mib": own,
    }  # fmt: skip
    state["rss_mib"] = round(sum(service["rss_mib"] for service in state["services"].values()), 1)
    state["logins"] = {role: {"email": email, "password": PASSWORD} for role, email in LOGINS.items()}
    return dict(state)


def show(state: dict[str, Any], console: Console) -> None:
    """Print the state as tables a newcomer can act on."""
    if state["state"] == "stopped":
        console.print("Plyo is not running here. Start it with [bold]plyo up[/bold] (or [bold]make run[/bold]).")
        return
    table = Table(title=f"Plyo is {state['state']} at {state['gateway']}", title_style="bold", expand=False)
    for column, justify in (("what", "left"), ("where", "left"), ("state", "left"), ("memory", "right")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    colours = {"ready": "green", "starting": "yellow", "restarting": "red"}
    for name, service in state["services"].items():
        colour = colours.get(service["state"], "white")
        table.add_row(
            f"[bold]{name}[/bold]  [dim]{service['what']}[/dim]", service["url"] or "[dim]-[/dim]",
            f"[{colour}]{service['state']}[/{colour}]", f"{service['rss_mib']:.0f} MiB",
        )  # fmt: skip
    table.add_section()
    table.add_row("[bold]all together[/bold]", "", "", f"{state['rss_mib']:.0f} MiB")
    console.print(table)
    logins = Table(title="Sign in as", title_style="bold")
    for column in ("who", "e-mail", "password", "opens"):
        logins.add_column(column, overflow="fold")
    opens = {"customer": "/home", "coach": "/coach/", "admin": "/admin/", "analyst": "/admin/"}
    for role, login in state["logins"].items():
        logins.add_row(role, login["email"], login["password"], f"{state['gateway']}{opens[role]}")
    console.print(logins)


def show_steps(steps: dict[str, float], seconds: float, console: Console) -> None:
    """Print how long each step of the start took, and the whole: steps run beside each other, so that is no sum."""
    table = Table(title="How long it took", title_style="bold")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for label, taken in steps.items():
        table.add_row(label, f"{taken:.1f}")
    table.add_section()
    table.add_row("[bold]from start to ready[/bold]", f"[bold]{seconds:.1f}[/bold]")
    console.print(table)

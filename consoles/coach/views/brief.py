"""The client who comes next: what happened since the last session, what hurts, what waits for an answer.

A coach reads it in the minutes between two clients. It is asked for once for each session and anew when a message comes
in, never with each redrawing of the page: each look at a client's training is on record.
"""

import html
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Any

import streamlit as st

from consoles.client import Plyo, Refused, SignedOut, Unreachable
from consoles.coach.session import Person
from consoles.coach.views import sessions
from consoles.theme import ago, colour, when

LATELY = 20
"""Workouts, records and messages looked at, the latest first."""
Line = tuple[str, str]
"""The colour token of its mark, and what it says."""


def draw(plyo: Plyo, booking: dict[str, Any], person: Person, now: datetime, *, unread: int | None) -> None:
    """Draw what to know before a session.

    Args:
        plyo: Asks about the client.
        booking: Of the session, with `id`.
        person: The coach.
        now: Timezone-aware UTC.
        unread: The coach's unread messages; where they are others than before, it is asked anew.
    """
    of = (booking["id"], unread)
    known = st.session_state.get("brief")
    if known is None or known[0] != of:
        try:
            with st.spinner("Looking up who comes next …"):
                found = _ask(plyo, booking["customer_id"], now)
        except Unreachable:  # the rest of the day is still there, and this comes with the next redrawing
            st.caption("What changed for your next client is not available right now.")
            return
        known = st.session_state["brief"] = (of, lines(found, person, now))
    with st.container(border=True, key="next-client"):
        starts = sessions.starts(booking)
        st.header(f"Next: {booking.get('customer_name') or 'a client'}, {_until(starts, now)}")
        st.caption(f"{when(starts, person.time_zone)} · {booking.get('title') or 'Session'}")
        st.html(_listed(known[1]))
        if st.button("Open client", key="open-next", icon=":material/monitoring:"):
            st.session_state["customer_id"] = booking["customer_id"]
            st.switch_page(st.session_state["pages"]["client"])


def _ask(plyo: Plyo, customer_id: str, now: datetime) -> dict[str, Any]:
    """What is known of the client, by part; None for what may not be seen."""
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "sessions": (
            "/api/scheduling/bookings",
            {"customer_id": customer_id, "status": "attended", "to": now.isoformat(), "order": "desc", "limit": 1},
        ),
        "training": ("/api/training/workouts", {"customer_id": customer_id, "to": now.date(), "limit": LATELY}),
        "records": ("/api/training/records", {"customer_id": customer_id, "limit": LATELY}),
        "what hurts": (f"/api/training/clients/{customer_id}/injuries", {}),
        "messages": (f"/api/engagement/threads/{customer_id}/messages", {"limit": LATELY}),
    }
    with ThreadPoolExecutor(len(asked)) as asking:
        answers = {name: asking.submit(plyo.get, path, **told) for name, (path, told) in asked.items()}
    found: dict[str, Any] = {}
    for name, answer in answers.items():
        try:
            told = answer.result()
        except (SignedOut, Unreachable):
            raise
        except Refused:  # the client shows it to nobody
            told = None
        found[name] = told["items"] if isinstance(told, dict) else told
    return found


def lines(found: dict[str, Any], person: Person, now: datetime) -> list[Line]:
    """What to know, the most urgent first.

    Args:
        found: By part, as the API tells it; None for what may not be seen.
        person: The coach.
        now: Timezone-aware UTC.
    """
    last = next((datetime.fromisoformat(one["starts_at"]) for one in found["sessions"] or []), None)
    told: list[Line] = []
    waiting = [one for one in found["messages"] or [] if one["recipient_id"] == person.id and not one.get("read_at")]
    if waiting:
        newest = max(waiting, key=lambda one: str(one["sent_at"]))
        words = "1 message waits" if len(waiting) == 1 else f"{len(waiting)} messages wait"
        told.append(("info", f"{words} for your answer: “{newest['body'][:120]}”"))
    told += [
        ("bad", f"{one['body_part'].capitalize()} hurts since {date.fromisoformat(one['occurred_on']):%-d %b}, "
                    f"{SEVERITY.get(one['severity'], 'noted')}.")
        for one in found["what hurts"] or [] if one["resolved_on"] is None
    ]  # fmt: skip
    told.append(
        ("ink-soft", f"Last session {ago(last, now)}." if last else "The first session: none was attended yet.")
    )
    told += _trained(found["training"], last)
    told += [
        ("good", f"{one['exercise_name']}: {KINDS.get(one['kind'], one['kind'])} {one['value']:g}, "
                   f"before {one['previous']:g}.")
        for one in found["records"] or [] if last is not None and datetime.fromisoformat(one["achieved_at"]) >= last
    ][:3]  # fmt: skip
    if hidden := [name for name, part in found.items() if part is None]:
        told.append(("ink-soft", f"Not shown to you: {', '.join(hidden)}."))
    return told


SEVERITY = {1: "mild", 2: "moderate", 3: "severe"}
KINDS = {
    "e1rm": "estimated maximum, kg", "weight": "heaviest, kg", "volume": "volume, kg", "reps": "repetitions",
    "assistance": "least help, kg", "distance": "furthest, m", "time": "fastest, s", "hold": "longest, s",
}  # fmt: skip


def _trained(workouts: list[dict[str, Any]] | None, last: datetime | None) -> list[Line]:
    """Workouts done and missed since the last session; of the looked at ones where there was none."""
    if workouts is None:
        return []
    since = [one for one in workouts if last is None or one["scheduled_on"] > last.date().isoformat()]
    done = [one for one in since if one["status"] == "completed"]
    missed = [one for one in since if one["status"] in ("planned", "skipped")]
    if not since:
        return [("warn", "No workout since.")]
    efforts = [one["session_rpe"] for one in done if one["session_rpe"] is not None]
    effort = f", effort {sum(efforts) / len(efforts):.1f} of 10" if efforts else ""
    told = [("good" if not missed else "ink-soft", f"{len(done)} of {len(since)} workouts done since{effort}.")]
    if missed:
        told.append(("warn", "Not done: " + ", ".join(sorted({one["title"] for one in missed})) + "."))
    return told


def _listed(known: list[Line]) -> str:
    """Lines as HTML: a list, for whoever hears it. A client's words stay words."""
    items = "".join(
        f'<li><span aria-hidden="true" style="color:{colour(token)}">●</span> {html.escape(words)}</li>'
        for token, words in known
    )
    return f'<ul style="list-style:none;padding:0;margin:0;display:grid;gap:.35rem">{items}</ul>'


def _until(starts: datetime, now: datetime) -> str:
    minutes = int((starts - now).total_seconds() // 60)
    if minutes < 90:
        return f"in {max(minutes, 0)} min"
    return f"in {minutes // 60} h" if minutes < 24 * 60 else f"in {minutes // 1440} days"

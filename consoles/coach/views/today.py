"""Today: who comes next and what to know, who drifts away, what to say. A coach opens it between two sessions."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import streamlit as st

from consoles.client import Plyo, Refused
from consoles.coach import risk
from consoles.coach.session import Person, guarded
from consoles.coach.style import tiles
from consoles.coach.views import brief, sessions
from consoles.gaps import note
from consoles.theme import when

AT_ONCE = 8
"""Suggestions shown before the coach asks for more: about what fits between two sessions."""
REDRAWN_EVERY = timedelta(seconds=20)
"""The page stays open between two clients, while scores, bookings and messages come in."""
WORDS = {
    "sessions": "your sessions", "suggestions": "whom to write to", "unread": "unread messages",
    "clients": "how many clients you have", "person": "your name and time zone",
}  # fmt: skip
LEFT_OUT = "Not available right now."


def page(plyo: Plyo, person: Person) -> None:
    """Draw the page.

    Args:
        plyo: Asks for the first screen, in one call; sends nudges.
        person: The coach.
    """
    st.title(f"Hello, {person.first_name}")
    _day(plyo, person)


@st.fragment(run_every=REDRAWN_EVERY)
def _day(plyo: Plyo, person: Person) -> None:
    guarded(partial(_draw_day, plyo, person))


def _draw_day(plyo: Plyo, person: Person) -> None:
    now = datetime.now(UTC)
    # Only the first look is waited for: a spinner every few seconds would push the page about.
    is_first = not st.session_state.get("has_seen_day")
    with st.spinner("Looking up your day …") if is_first else nullcontext():
        first = st.session_state.pop("first_screen", None) or plyo.first_screen("coach")
    st.session_state["has_seen_day"] = True
    if gap := note(first, WORDS):
        st.warning(gap, icon=":material/cloud_off:")
    queue, told = first.get("suggestions"), first.get("sessions")
    bookings = [one | {"id": one["booking_id"]} for one in told] if told is not None else None
    ahead = sorted(
        (one for one in bookings or [] if sessions.starts(one) > now and one["status"] == "booked"), key=sessions.starts
    )
    _headline(queue, ahead if bookings is not None else None, first.get("unread"), person)
    if ahead:
        brief.draw(plyo, ahead[0], person, now, unread=first.get("unread"))
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.header("Reach out")
        if queue is None:
            st.caption(LEFT_OUT)
        elif not queue:
            st.info("Nobody is drifting away. Enjoy the coffee.", icon=":material/local_cafe:")
        queue = queue or []
        shown = len(queue) if st.session_state.get("shows_whole_queue") else AT_ONCE
        for item in queue[:shown]:
            _suggestion(plyo, item)
        if len(queue) > shown:
            st.caption(f"{len(queue) - shown} more wait after these.")
            # No number on the button: it would be another button when the number changes, and a click on it lost.
            if st.button("Show all", key="whole-queue", icon=":material/expand_more:"):
                st.session_state["shows_whole_queue"] = True
                st.rerun()
    with right:
        st.header("Next sessions")
        if bookings is None:
            st.caption(LEFT_OUT)
        else:
            sessions.agenda(plyo, bookings, person, now)


def _headline(
    queue: list[dict[str, Any]] | None, ahead: list[dict[str, Any]] | None, unread: int | None, person: Person
) -> None:
    """Numbers of the day; a dash for what is not known."""
    tiles(
        ("Next session", when(sessions.starts(ahead[0]), person.time_zone).split(", ")[-1] if ahead else "–"),
        ("Sessions in 48 h", len(ahead) if ahead is not None else "–"),
        ("To reach out to", len(queue) if queue is not None else "–"),
        ("Unread messages", unread if unread is not None else "–"),
    )


def _suggestion(plyo: Plyo, item: dict[str, Any]) -> None:
    run_id = item.get("run_id") or item["id"]
    with st.container(border=True):
        name, level = st.columns([3, 2], vertical_alignment="center")
        name.markdown(f"**{item['customer_name']}**")
        level.html(risk.pill(item.get("probability")))
        why = [reason["label"] for reason in item.get("reasons") or [] if reason.get("contribution", 1) > 0][:3]
        if why:
            st.html('<div class="plyo-why">' + " · ".join(_plain(label) for label in why) + "</div>")
        text = st.text_area(
            "Message",
            value=item.get("suggested_message") or "",
            key=f"text-{run_id}",
            height=96,
            label_visibility="collapsed",
        )
        if refusal := item.get("refusal"):
            st.caption(f":material/schedule: {refusal}")
        send, skip, look = st.columns([2, 2, 2])
        if send.button(
            "Send",
            key=f"send-{run_id}",
            type="primary",
            icon=":material/send:",
            use_container_width=True,
            disabled=bool(refusal),
        ):
            _act(plyo, f"/api/automation/runs/{run_id}/send", {"body": text}, f"Sent to {item['customer_name']}.")
        if skip.button("Not now", key=f"skip-{run_id}", use_container_width=True):
            _act(plyo, f"/api/automation/runs/{run_id}/dismiss", {"reason": "not_now"}, "Set aside.")
        if look.button("Look", key=f"look-{run_id}", icon=":material/monitoring:", use_container_width=True):
            st.session_state["customer_id"] = item["customer_id"]
            st.switch_page(st.session_state["pages"]["client"])


def _act(plyo: Plyo, path: str, body: dict[str, Any], done: str) -> None:
    try:
        plyo.post(path, body)
    except Refused as error:
        st.error(str(error), icon=":material/block:")
        return
    st.toast(done, icon=":material/check:")
    st.rerun()


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")

"""Bookings as a coach sees them, drawn the same on Today and in the calendar, with buttons for the outcome."""

from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from consoles.client import Plyo, Refused
from consoles.coach.session import Person
from consoles.coach.style import badge
from consoles.theme import when

WORDS = {
    "booked": ("booked", "info"),
    "attended": ("attended", "good"),
    "no_show": ("no-show", "bad"),
    "cancelled": ("cancelled", "ink-soft"),
    "late_cancelled": ("late cancel", "warn"),
}
CHECK_IN_OPENS = timedelta(minutes=30)
"""How long before the start the button is shown; whether it holds is the service's to say."""


def upcoming(plyo: Plyo, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """The coach's bookings between two instants, soonest first, all pages of them."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = plyo.get(
            "/api/scheduling/bookings",
            **{"from": since.isoformat(), "to": until.isoformat(), "limit": 200, "cursor": cursor},
        )
        found += answer["items"]
        cursor = answer.get("next_cursor")
        if cursor is None:
            return sorted(found, key=starts)


def starts(booking: dict[str, Any]) -> datetime:
    """When a booking's session starts."""
    return datetime.fromisoformat(booking["starts_at"])


def agenda(plyo: Plyo, bookings: list[dict[str, Any]], person: Person, now: datetime) -> None:
    """Sessions to mark first, then those to come; what is marked already waits folded below."""
    open_ones = [booking for booking in bookings if booking["status"] == "booked"]
    if not open_ones:
        st.info("No sessions in the next two days.", icon=":material/event_available:")
    _cards(plyo, open_ones[:14], person, now)
    if len(open_ones) > 14:
        st.caption(f"{len(open_ones) - 14} more in the calendar.")
    marked = [booking for booking in bookings if booking["status"] in ("attended", "no_show")]
    if marked:
        with st.expander(f"{len(marked)} marked already"):
            _cards(plyo, marked, person, now)


def _cards(plyo: Plyo, bookings: list[dict[str, Any]], person: Person, now: datetime) -> None:
    for booking in bookings:
        with st.container(border=True):
            what, state = st.columns([4, 2], vertical_alignment="center")
            who = f"{booking.get('customer_name') or 'Client'} · {booking.get('title') or 'Session'}"
            what.markdown(f"**{when(starts(booking), person.time_zone)}**  \n{who}")
            is_early = booking["status"] == "booked" and booking.get("outcome_at") is not None
            word, token = WORDS.get(booking["status"], (booking["status"], "ink-soft"))
            state.html(badge("checked in", "good") if is_early else badge(word, token))
            opens = starts(booking) - CHECK_IN_OPENS
            if booking["status"] == "booked" and opens <= now < starts(booking) and not is_early:
                if st.button("Check in", key=f"came-{booking['id']}", type="primary", use_container_width=True):
                    mark(plyo, booking["id"], "attended")
            elif booking["status"] == "booked" and starts(booking) <= now:
                came, missed = st.columns(2)
                if came.button("Attended", key=f"came-{booking['id']}", type="primary", use_container_width=True):
                    mark(plyo, booking["id"], "attended")
                if missed.button("No-show", key=f"missed-{booking['id']}", use_container_width=True):
                    mark(plyo, booking["id"], "no_show")


def mark(plyo: Plyo, booking_id: str, outcome: str) -> None:
    """Record whether the client came."""
    try:
        plyo.post(f"/api/scheduling/bookings/{booking_id}/outcome", {"outcome": outcome})
    except Refused as error:
        st.error(str(error), icon=":material/block:")
        return
    st.toast("Saved.", icon=":material/check:")
    st.rerun()

"""A week of the coach's sessions: a picture of it where there is room, one day of it as a list on a phone, and what is
to be marked."""

import html
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import streamlit as st

from consoles.client import Plyo
from consoles.coach.session import Person
from consoles.coach.style import badge, chart
from consoles.coach.views import sessions
from consoles.theme import colour

COLOURS = {"booked": "info", "attended": "good", "no_show": "bad", "late_cancelled": "warn", "cancelled": "line-strong"}
DAY = "calendar-day"
"""Key of the chosen day in the session's state."""


def page(plyo: Plyo, person: Person) -> None:
    """Draw the chosen day, and the week that holds it. Which of the two is seen is the style's, `coach/style.py`."""
    st.title("Calendar")
    zone = ZoneInfo(person.time_zone)
    now = datetime.now(UTC)
    day = _chosen(now.astimezone(zone).date())
    monday = day - timedelta(days=day.weekday())
    since, until = (datetime.combine(on, datetime.min.time(), zone) for on in (monday, monday + timedelta(days=7)))
    bookings = sessions.upcoming(plyo, since=since, until=until)
    with st.container(key="narrow-day"):
        _day(day, [one for one in bookings if sessions.starts(one).astimezone(zone).date() == day], zone)
    with st.container(key="wide-week"):
        if bookings:
            chart(_week(bookings, monday, zone))
        else:
            st.info("No sessions this week.", icon=":material/event_available:")
    unmarked = [one for one in bookings if one["status"] == "booked" and sessions.starts(one) <= now]
    if unmarked:
        st.header(f"{len(unmarked)} to mark this week")
        sessions.agenda(plyo, unmarked, person, now)
    elif bookings:
        st.caption("Every session of this week that has begun is marked.")


def _chosen(today: date) -> date:
    """The day that the person looks at, by buttons, by keys or by the calendar."""
    st.session_state.setdefault(DAY, today)

    def step(days: int) -> None:
        st.session_state[DAY] += timedelta(days=days)

    def back() -> None:
        st.session_state[DAY] = today

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.date_input("Day", key=DAY, format="YYYY-MM-DD", width=170)
        st.button("Day before", icon=":material/chevron_left:", shortcut="K", on_click=step, args=(-1,))
        st.button("Day after", icon=":material/chevron_right:", shortcut="J", on_click=step, args=(1,))
        st.button("Today", shortcut="T", on_click=back)
        with st.container(key="wide-steps", horizontal=True):
            st.button("Week before", shortcut="Shift+K", on_click=step, args=(-7,))
            st.button("Week after", shortcut="Shift+J", on_click=step, args=(7,))
    chosen: date = st.session_state[DAY]
    return chosen


def _day(day: date, bookings: list[dict[str, Any]], zone: ZoneInfo) -> None:
    st.header(f"{day:%A, %-d %B}")
    if not bookings:
        st.info("No sessions on this day.", icon=":material/event_available:")
        return
    st.html(f'<ul class="plyo-agenda">{"".join(_line(one, zone) for one in bookings)}</ul>')


def _line(booking: dict[str, Any], zone: ZoneInfo) -> str:
    begins, ends = (datetime.fromisoformat(booking[at]).astimezone(zone) for at in ("starts_at", "ends_at"))
    word, token = sessions.WORDS.get(booking["status"], (booking["status"], "ink-soft"))
    who = html.escape(booking.get("customer_name") or "Client")
    what = html.escape(booking.get("title") or "Session")
    return (
        f"<li><span>{begins:%H:%M}<br><small>{ends:%H:%M}</small></span>"
        f"<span><strong>{who}</strong><br><small>{what}</small></span>{badge(word, token)}</li>"
    )


def _week(bookings: list[dict[str, Any]], monday: date, zone: ZoneInfo) -> go.Figure:
    figure = go.Figure()
    for status, (word, _) in sessions.WORDS.items():
        shown = [one for one in bookings if one["status"] == status]
        if not shown:
            continue
        begins = [sessions.starts(one).astimezone(zone) for one in shown]
        hours = [
            (datetime.fromisoformat(one["ends_at"]) - sessions.starts(one)).total_seconds() / 3600 for one in shown
        ]
        figure.add_bar(
            x=[f"{at:%a %d %b}" for at in begins],
            y=hours,
            base=[at.hour + at.minute / 60 for at in begins],
            name=word,
            marker_color=colour(COLOURS[status]),
            marker_line_width=1,
            marker_line_color=colour("surface"),
            text=[one.get("customer_name") or "" for one in shown],
            textposition="inside",
            insidetextanchor="middle",
            hovertext=[f"{at:%H:%M} {one.get('customer_name') or ''}" for at, one in zip(begins, shown, strict=True)],
            hoverinfo="text",
        )
    figure.update_layout(
        barmode="overlay",
        height=520,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor=colour("surface"),
        font={"color": colour("ink")},
        xaxis={
            "categoryorder": "array",
            "categoryarray": [f"{monday + timedelta(days=n):%a %d %b}" for n in range(7)],
            "side": "top",
        },
        yaxis={
            "range": [21.5, 5.5],
            "tickvals": list(range(6, 22, 2)),
            "ticktext": [f"{h}:00" for h in range(6, 22, 2)],
            "gridcolor": colour("line"),
        },
        legend={"orientation": "h", "y": -0.02},
    )
    return figure

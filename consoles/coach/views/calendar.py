"""A week of the coach's sessions as a picture and as a list, with outcomes to mark."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import streamlit as st

from consoles.client import Plyo
from consoles.coach.session import Person
from consoles.coach.style import chart
from consoles.coach.views import sessions
from consoles.theme import colour

COLOURS = {"booked": "info", "attended": "good", "no_show": "bad", "late_cancelled": "warn", "cancelled": "line-strong"}


def page(plyo: Plyo, person: Person) -> None:
    """Draw the week that holds the chosen day."""
    st.title("Calendar")
    zone = ZoneInfo(person.time_zone)
    now = datetime.now(UTC)
    day = st.date_input("Week of", value=now.astimezone(zone).date(), format="YYYY-MM-DD")
    if not isinstance(day, date):
        return
    monday = day - timedelta(days=day.weekday())
    since = datetime.combine(monday, datetime.min.time(), zone)
    bookings = sessions.upcoming(plyo, since=since, until=since + timedelta(days=7))
    if not bookings:
        st.info("No sessions this week.", icon=":material/event_available:")
        return
    chart(_week(bookings, zone))
    unmarked = [one for one in bookings if one["status"] == "booked" and sessions.starts(one) <= now]
    if unmarked:
        st.header(f"{len(unmarked)} to mark")
    sessions.agenda(plyo, unmarked or bookings, person, now)


def _week(bookings: list[dict[str, Any]], zone: ZoneInfo) -> go.Figure:
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
    day = min(sessions.starts(one).astimezone(zone).date() for one in bookings)
    monday = day - timedelta(days=day.weekday())
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

"""A coach's numbers: each beside another period, with what it means. The server tells only of their own clients."""

from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from consoles import charts, figures
from consoles.client import MetricAnswer, Plyo, Refused
from consoles.coach.session import Person
from consoles.coach.style import badge, chart

SHOWN = {
    "Clients": ("adherence", "adherence_30d", "adherence_90d", "at_risk_clients", "active_clients"),
    "Training": (
        "training_load", "acwr", "acwr_smoothed", "monotony", "strain", "personal_records", "plateau_rate",
    ),
    "Time": ("utilisation", "coach_load", "sessions_delivered", "no_show_rate", "late_cancel_rate"),
    "Care": ("check_in_answer_rate", "check_in_answer_hours", "nudges_sent"),
}  # fmt: skip
"""Names of metrics by heading; none of them is money."""
IN_A_ROW = 3
AT_ONCE = 4
ALL = "all"
"""Clients are counted whatever they pay in."""
DIRECTION = {"more": "normal", "less": "inverse", "neither": "off"}
D3 = {"ratio": ".0%"}


def page(plyo: Plyo, _person: Person) -> None:
    """Draw the page.

    Args:
        plyo: Asks for the metrics; the server counts this coach's clients and sessions and no others.
    """
    st.title("Numbers")
    st.caption("Of your own clients and sessions.")
    left, right = st.columns(2)
    period = left.selectbox("Period", list(figures.PERIODS), format_func=figures.PERIODS.__getitem__, index=2)
    compare = right.selectbox(
        "Compared with", list(figures.COMPARISONS), format_func=figures.COMPARISONS.__getitem__
    )  # fmt: skip
    names = [name for group in SHOWN.values() for name in group]
    with st.spinner("Counting …"), ThreadPoolExecutor(AT_ONCE) as asking:
        asked = [
            asking.submit(plyo.metric, name, grain=None, period=period, compare=compare, currency=ALL)
            for name in names
        ]  # fmt: skip
        told: dict[str, MetricAnswer | Refused] = {}
        for name, one in zip(names, asked, strict=True):
            try:
                told[name] = one.result()
            except Refused as error:
                if error.status in (401, 502, 503, 504):  # of the whole page, not of one number
                    raise
                told[name] = error
    for heading, group in SHOWN.items():
        st.header(heading)
        for start in range(0, len(group), IN_A_ROW):
            for column, name in zip(st.columns(IN_A_ROW), group[start : start + IN_A_ROW], strict=False):
                with column:
                    _number(name, told[name])
    st.header("One of them over time")
    labels = {name: one.label for name, one in told.items() if isinstance(one, MetricAnswer)}
    chosen = st.selectbox("Number", list(labels), format_func=labels.__getitem__, key="number")
    if chosen:
        _trend(plyo, chosen)


def _number(name: str, told: MetricAnswer | Refused) -> None:
    with st.container(key=f"number-{name}"):
        if isinstance(told, Refused):
            st.caption(f"{name.replace('_', ' ').capitalize()}: {told}")
            return
        found = figures.compared(told, ALL)
        has_change = found is not None and any(one in "123456789" for one in found.change)
        st.metric(
            told.label,
            figures.headline(told, ALL),
            delta=f"{found.change} ({found.share})" if found is not None and has_change else None,
            delta_color=DIRECTION[told.better],  # type: ignore[arg-type]  # words that Streamlit knows
            help=f"{told.definition}\n\nLeft out: {told.exclusions}",
        )
        if found is not None:
            st.caption(found.words if not has_change else f"on {found.before}, {found.against}")
        words, token = figures.freshness(told)
        if token != figures.GOOD:
            st.html(badge(f"● {words}", token))


def _trend(plyo: Plyo, name: str) -> None:
    history = plyo.metric(name, grain="month", currency=ALL)
    words, token = figures.freshness(history)
    st.html(badge(f"● {words}", token))
    st.markdown(
        f"{history.definition}\n\n*Left out:* {history.exclusions}\n\n"
        f"*Owner:* {history.owner} · *From:* `{history.relation}`"
    )
    points = history.points.sort("at").tail(24)
    if points.is_empty():
        st.info("Nothing to show yet.", icon=":material/hourglass_empty:")
        return
    figure = charts.lines(points, x="at", series={"value": history.label}, y_format=D3.get(history.unit, ""))
    chart(figure)
    with st.expander("The same as a table, and its SQL"):
        values = [figures.value(history, one, ALL) for one in points["value"]]
        st.dataframe(
            {"Month": [f"{day:%b %Y}" for day in points["at"]], "Value": values}, hide_index=True,
            use_container_width=True,
        )  # fmt: skip
        st.code(history.sql, language="sql")

"""One client: where they stand, how training goes, how they recover, why they may leave, what was said."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import streamlit as st

from consoles import charts
from consoles.client import Plyo
from consoles.coach import risk
from consoles.coach.session import Person
from consoles.coach.style import badge, chart, tiles
from consoles.coach.views import thread
from consoles.theme import ago
from contracts.figures import percent


def page(plyo: Plyo, person: Person) -> None:
    """Draw the page of the client chosen on another page or named in the address, or let the coach choose one.

    The address names the client, so that reloading the page or sending its link shows the same one.
    """
    roster = plyo.dataset("coach_clients").sort("display_name")
    if roster.is_empty():
        st.info("You have no clients yet.", icon=":material/group_add:")
        return
    ids = [str(found) for found in roster["customer_id"].to_list()]
    names = dict(zip(ids, roster["display_name"].to_list(), strict=True))
    heading = st.empty()  # the client's name, once chosen below it
    wanted = st.session_state.get("customer_id") or st.query_params.get("customer")
    if wanted and wanted not in ids:
        st.info(
            "This client is not in your numbers yet: they follow within minutes of joining.",
            icon=":material/hourglass_top:",
        )
    customer_id = st.selectbox(
        "Client",
        ids,
        index=ids.index(wanted) if wanted in ids else None if wanted else 0,
        format_func=names.__getitem__,
        placeholder="Choose a client",
    )
    if customer_id is None:
        return
    heading.title(names[customer_id])
    st.session_state["customer_id"] = st.query_params["customer"] = customer_id
    row = roster.row(ids.index(customer_id), named=True)
    _headline(row)
    progress, recovery, leaving, talk = st.tabs(["Progress", "Recovery", "Risk", "Messages"])
    with progress:
        _progress(plyo, customer_id)
    with recovery:
        _recovery(plyo, customer_id)
    with leaving:
        _risk(row)
    with talk:
        thread.draw(plyo, person, customer_id, names[customer_id])


def _headline(row: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    st.html(
        risk.pill(risk.probability(row))
        + " "
        + badge(str(row["stage"]).replace("_", " "), "info")
        + (" " + badge("injured", "warn") if row.get("has_open_injury") else "")
    )
    tiles(
        ("Adherence, 30 days", percent(row.get("adherence_30d"))),
        ("Sessions, 30 days", row.get("sessions_last_30d") or 0),
        ("Last session", ago(row.get("last_session_at"), now)),
        ("Next session", ago(row["next_session_at"], now) if row.get("next_session_at") else "none booked"),
    )


def _progress(plyo: Plyo, customer_id: str) -> None:
    days = plyo.dataset("client_training_days", customer_id=customer_id).sort("day").tail(180)
    if days.is_empty():
        st.info(
            "No workout is logged yet. Once one is, load and strength appear here.", icon=":material/fitness_center:"
        )
        return
    st.header("Training load")
    chart(
        charts.lines(
            days,
            x="day",
            series={"acute_load_7d": "last 7 days", "chronic_load_28d": "last 28 days"},
            y_title="load a day",
        )
    )
    spike = days["acwr"].drop_nulls()
    if len(spike) and spike[-1] > 1.5:
        st.warning(
            f"This week's load is {spike[-1]:.1f} times the usual: a spike. Ease the next session.",
            icon=":material/trending_up:",
        )
    # Sets of many repetitions estimate nothing: a line with gaps for them would have no two points to draw.
    bests = plyo.dataset("client_progress", customer_id=customer_id).drop_nulls("best_e1rm_kg").sort("performed_on")
    if not bests.is_empty():
        st.header("Strength, estimated one-repetition maximum")
        often = bests.group_by("exercise_name").len().sort("len", descending=True)["exercise_name"].to_list()
        chosen = st.multiselect("Exercises", often, default=often[:3], max_selections=6)
        chart(
            charts.groups(
                bests.filter(pl.col("exercise_name").is_in(chosen)),
                x="performed_on",
                y="best_e1rm_kg",
                by="exercise_name",
                y_title="kg",
            )
        )
    workouts = plyo.dataset("client_workouts", customer_id=customer_id).sort("scheduled_on", descending=True)
    st.header("Workouts")
    st.dataframe(
        workouts.head(60).select(
            pl.col("scheduled_on").alias("Day"),
            pl.col("title").fill_null("Not planned").alias("Workout"),
            pl.col("status").alias("State"),
            pl.col("duration_minutes").alias("Minutes"),
            pl.col("session_rpe").alias("RPE"),
            pl.col("set_count").alias("Sets"),
            pl.col("volume_kg").round(0).alias("Volume kg"),
        ),
        hide_index=True,
        use_container_width=True,
        height=min(320, 38 + 35 * len(workouts)),
        placeholder="–",
        column_config={"Day": st.column_config.DateColumn(format="ddd D MMM YYYY")},
    )


def _activities(plyo: Plyo, customer_id: str) -> None:
    found = plyo.dataset("client_activities", customer_id=customer_id)
    if found.is_empty():
        return
    found = found.sort("started_at", descending=True)
    left_out = found.filter(~pl.col("is_counted"))
    st.header("Workouts from devices")
    if not left_out.is_empty():
        st.caption(f"{len(left_out)} recorded twice: each workout is counted once, the best recording stands for it.")
    st.dataframe(
        found.head(60).select(
            pl.col("local_day").alias("Day"),
            pl.coalesce("activity_name", "activity_type").alias("Workout"),
            pl.col("duration_minutes").round(0).alias("Minutes"),
            (pl.col("distance_m") / 1000).round(1).alias("km"),
            pl.col("average_heart_rate_bpm").round(0).alias("Mean bpm"),
            pl.coalesce("device", "provider").alias("Device"),
            pl.col("decision").alias("Decision"),
        ),
        hide_index=True,
        use_container_width=True,
        height=min(320, 38 + 35 * len(found)),
        placeholder="–",
        column_config={"Day": st.column_config.DateColumn(format="ddd D MMM YYYY")},
    )


def _recovery(plyo: Plyo, customer_id: str) -> None:
    _activities(plyo, customer_id)
    days = plyo.dataset("client_wearables", customer_id=customer_id).sort("day").tail(120)
    if days.is_empty():
        st.info("No wearable is connected.", icon=":material/watch:")
        return
    st.header("Heart-rate variability against own baseline")
    chart(charts.lines(days, x="day", series={"hrv_rmssd_ms": "RMSSD", "hrv_baseline_ms": "baseline"}, y_title="ms"))
    st.header("Sleep")
    chart(
        charts.bars(
            days.with_columns(pl.col("sleep_minutes") / 60), x="day", series={"sleep_minutes": "hours"}, y_title="hours"
        )
    )
    doubled = days.filter(pl.col("devices_seen") > 1)
    if not doubled.is_empty():
        st.caption(
            f"On {len(doubled)} of these days more than one device reported; {doubled['device'][-1]} counted last."
        )


def _risk(row: dict[str, Any]) -> None:
    if row.get("probability") is None:
        st.info(
            "No score yet: this client is no paying member, or joined after the last scoring.", icon=":material/help:"
        )
        return
    probability = risk.probability(row)
    if probability is None:
        st.info(
            f"Too few members have left so far to tell who might. Of all of them, {percent(row['probability'], 1)} "
            "are expected to leave within 30 days.",
            icon=":material/help:",
        )
        return
    st.markdown(f"**{percent(probability, 1)}** chance that the membership ends within 30 days.")
    chart(charts.reasons(risk.reasons(row)))
    st.caption("Each bar is one fact's push in the model's own scale; the smaller ones are left out.")

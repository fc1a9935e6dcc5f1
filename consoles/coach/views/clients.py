"""All of a coach's clients in one sortable, searchable table, riskiest first."""

from datetime import UTC, datetime

import polars as pl
import streamlit as st

from consoles.client import Plyo
from consoles.coach import risk
from consoles.coach.session import Person
from consoles.theme import ago

STAGES = {
    "active": "active",
    "trial": "trial",
    "paused": "paused",
    "won_back": "won back",
    "churned": "left",
    "lead": "lead",
}


def page(plyo: Plyo, _person: Person) -> None:
    """Draw the page.

    Args:
        plyo: Asks for the dataset coach_clients; the server leaves only this coach's clients in it.
    """
    st.title("Clients")
    with st.spinner("Loading your clients …"):
        everyone = plyo.dataset("coach_clients")
    if everyone.is_empty():
        st.info(
            "You have no clients yet. They appear here as soon as one is assigned to you.", icon=":material/group_add:"
        )
        return
    everyone = everyone.with_columns(
        pl.Series("probability", [risk.probability(row) for row in everyone.iter_rows(named=True)], dtype=pl.Float64)
    )
    search, stage = st.columns([3, 2])
    words = search.text_input("Search", placeholder="Name", icon=":material/search:")
    present = [name for name in STAGES if name in everyone["stage"].unique().to_list()]
    wanted = stage.multiselect(
        "Stage",
        present,
        default=[name for name in present if name not in ("churned", "lead")],
        format_func=STAGES.__getitem__,
    )
    shown = everyone.filter(
        pl.col("stage").is_in(wanted)
        & pl.col("display_name").str.to_lowercase().str.contains(words.lower(), literal=True)
    ).sort("probability", descending=True, nulls_last=True)
    if shown.is_empty():
        st.info("No client matches.", icon=":material/search_off:")
        return
    now = datetime.now(UTC)
    table = shown.select(
        pl.col("display_name").alias("Name"),
        (pl.col("probability") * 100).alias("Churn risk"),
        (pl.col("adherence_30d") * 100).alias("Adherence 30 d"),
        pl.col("sessions_last_30d").alias("Sessions 30 d"),
        pl.col("last_session_at")
        .map_elements(lambda at: ago(at, now), return_dtype=pl.String, skip_nulls=False)
        .alias("Last session"),
        pl.col("next_session_at")
        .map_elements(lambda at: ago(at, now) if at else "none booked", return_dtype=pl.String, skip_nulls=False)
        .alias("Next session"),
        pl.col("stage").replace(STAGES).alias("Stage"),
        pl.col("plan_name").alias("Plan"),
        pl.col("goal").str.replace_all("_", " ").alias("Goal"),
    )
    percent = st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.0f %%")
    chosen = st.dataframe(
        table,
        hide_index=True,
        use_container_width=True,
        height=min(640, 38 + 35 * len(table)),
        on_select="rerun",
        selection_mode="single-row",
        column_config={"Churn risk": percent, "Adherence 30 d": percent},
        key="clients",
        placeholder="–",
    )
    st.caption(f"{len(shown)} of {len(everyone)} clients. Choose a row to open the client.")
    if chosen.selection.rows:
        customer_id = str(shown["customer_id"][chosen.selection.rows[0]])
        st.session_state["customer_id"] = customer_id
        st.switch_page(st.session_state["pages"]["client"])

"""Today: who comes, who drifts away, what to say. The page a coach opens between two sessions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from consoles.client import Plyo, Refused
from consoles.coach.session import Person
from consoles.coach.style import badge
from consoles.coach.views import sessions
from consoles.theme import percent, risk_band, when


def page(plyo: Plyo, person: Person) -> None:
    """Draw the page.

    Args:
        plyo: Asks for the queue, the day's bookings and open threads; sends nudges.
        person: The coach.
    """
    now = datetime.now(UTC)
    st.title(f"Hello, {person.first_name}")
    with st.spinner("Looking up your day …"):
        queue = plyo.get("/api/automation/queue")["items"]
        bookings = sessions.upcoming(plyo, since=now - timedelta(hours=12), until=now + timedelta(days=2))
        threads = plyo.get("/api/engagement/threads")["items"]
    _headline(queue, bookings, threads, person, now)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Reach out")
        if not queue:
            st.info("Nobody is drifting away. Enjoy the coffee.", icon=":material/local_cafe:")
        for item in queue[:8]:
            _suggestion(plyo, item)
        if len(queue) > 8:
            st.caption(f"{len(queue) - 8} more wait after these.")
    with right:
        st.subheader("Next sessions")
        sessions.agenda(plyo, bookings, person, now)


def _headline(
    queue: list[dict[str, Any]],
    bookings: list[dict[str, Any]],
    threads: list[dict[str, Any]],
    person: Person,
    now: datetime,
) -> None:
    ahead = [booking for booking in bookings if sessions.starts(booking) > now and booking["status"] == "booked"]
    unread = sum(thread.get("unread_count") or 0 for thread in threads)
    tiles = st.columns(4)
    tiles[0].metric("Next session", when(sessions.starts(ahead[0]), person.time_zone).split(", ")[-1] if ahead else "–")
    tiles[1].metric("Sessions in 48 h", len(ahead))
    tiles[2].metric("To reach out to", len(queue))
    tiles[3].metric("Unread messages", unread)


def _suggestion(plyo: Plyo, item: dict[str, Any]) -> None:
    probability = item.get("probability")
    word, token = risk_band(probability)
    run_id = item.get("run_id") or item["id"]
    with st.container(border=True):
        name, risk = st.columns([3, 2], vertical_alignment="center")
        name.markdown(f"**{item['customer_name']}**")
        risk.html(badge(f"{word} risk · {percent(probability)}", token))
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
        send, skip, look = st.columns([2, 2, 2])
        if send.button("Send", key=f"send-{run_id}", type="primary", icon=":material/send:", use_container_width=True):
            _act(plyo, f"/api/automation/runs/{run_id}/send", {"body": text}, f"Sent to {item['customer_name']}.")
        if skip.button("Not now", key=f"skip-{run_id}", use_container_width=True):
            _act(plyo, f"/api/automation/runs/{run_id}/dismiss", {"reason": "not_now"}, "Set aside.")
        if look.button("Look", key=f"look-{run_id}", icon=":material/monitoring:", use_container_width=True):
            st.session_state["customer_id"] = item["customer_id"]
            st.query_params["customer"] = item["customer_id"]
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

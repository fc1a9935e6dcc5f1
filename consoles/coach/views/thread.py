"""One conversation between a coach and a client, with a reply box. Used by the client page and the messages page."""

from datetime import datetime

import streamlit as st

from consoles.client import Plyo, Refused
from consoles.coach.session import Person
from consoles.theme import when


def draw(plyo: Plyo, person: Person, customer_id: str, name: str) -> None:
    """Show the last messages, oldest on top, and send a reply."""
    found = plyo.get(f"/api/engagement/threads/{customer_id}/messages", limit=50)["items"]
    if any(message["recipient_id"] == person.id and not message.get("read_at") for message in found):
        plyo.post(f"/api/engagement/threads/{customer_id}/read")
    if not found:
        st.info(f"No messages with {name} yet. Say hello.", icon=":material/waving_hand:")
    for message in sorted(found, key=lambda one: str(one["sent_at"])):
        is_mine = message["sender_id"] != customer_id
        with st.chat_message(
            "assistant" if is_mine else "user", avatar=":material/sports:" if is_mine else ":material/person:"
        ):
            st.write(message["body"])
            seen = " · read" if is_mine and message.get("read_at") else ""
            nudge = " · check-in" if message["kind"] == "nudge" else ""
            st.caption(when(datetime.fromisoformat(message["sent_at"]), person.time_zone) + nudge + seen)
    with st.form(f"reply-{customer_id}", clear_on_submit=True, border=False):
        body = st.text_area("Reply", placeholder=f"Write to {name}", label_visibility="collapsed")
        sent = st.form_submit_button("Send", icon=":material/send:", type="primary")
    if sent and body.strip():
        try:
            plyo.post(f"/api/engagement/threads/{customer_id}/messages", {"body": body.strip()})
        except Refused as error:
            st.error(str(error), icon=":material/block:")
            return
        st.rerun()

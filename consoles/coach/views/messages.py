"""All conversations, newest first, with what is unread on top; and the coach's templates."""

from typing import Any

import streamlit as st

from consoles.client import Plyo
from consoles.coach.session import Person
from consoles.coach.views import thread, wordings


def page(plyo: Plyo, person: Person) -> None:
    """Draw the list of conversations and the chosen one."""
    st.title("Messages")
    threads = plyo.get("/api/engagement/threads", limit=200)["items"]
    if threads:
        _conversation(plyo, person, threads)
    else:
        st.info("No conversation yet. Open a client and write the first message.", icon=":material/chat:")
    with st.expander("Templates", icon=":material/edit_note:"):
        wordings.draw(plyo)


def _conversation(plyo: Plyo, person: Person, threads: list[dict[str, Any]]) -> None:
    names = {item["customer_id"]: item.get("customer_name") or "Client" for item in threads}
    unread = {item["customer_id"]: item.get("unread_count") or 0 for item in threads}

    def label(customer_id: str) -> str:
        return names[customer_id] + (f"  ({unread[customer_id]} new)" if unread[customer_id] else "")

    # One control for both widths: a list of everybody would push the conversation off a phone.
    ordered = sorted(names, key=lambda one: -unread[one])
    chosen = st.selectbox("Conversation", ordered, format_func=label, help="Type a name. Unread ones come first.")
    thread.draw(plyo, person, chosen, names[chosen])

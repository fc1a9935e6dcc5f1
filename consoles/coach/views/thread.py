"""One conversation between a coach and a client, with its files. Used by the client page and the messages page.

Writing is `reply`.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import streamlit as st

from consoles.client import Plyo
from consoles.coach.session import Person
from consoles.coach.views import reply
from consoles.theme import when

NEWEST = 6
"""Messages above the reply box, and whatever is unread: on a phone, more would push the box screens away."""
ICONS = {"image": ":material/image:", "video": ":material/movie:", "application": ":material/description:"}


def draw(plyo: Plyo, person: Person, customer_id: str, name: str) -> None:
    """Show the newest messages, oldest on top, earlier ones folded, what waits to be sent, and the reply box."""
    found = plyo.get(f"/api/engagement/threads/{customer_id}/messages", limit=50)["items"]
    if any(message["recipient_id"] == person.id and not message.get("read_at") for message in found):
        plyo.post(f"/api/engagement/threads/{customer_id}/read?up_to={found[0]['id']}")
    if not found:
        st.info(f"No messages with {name} yet. Say hello.", icon=":material/waving_hand:")
    files: dict[str, list[dict[str, Any]]] = {}
    for one in plyo.get(f"/api/engagement/threads/{customer_id}/attachments")["items"]:
        files.setdefault(one["message_id"], []).append(one)
    ordered = sorted(found, key=lambda one: str(one["sent_at"]))
    is_new = [one["recipient_id"] == person.id and not one.get("read_at") for one in ordered]
    shown = max(NEWEST, len(ordered) - is_new.index(True) if True in is_new else 0)
    earlier, newest = ordered[:-shown], ordered[-shown:]
    if earlier:
        with st.expander(f"{len(earlier)} earlier messages"):
            _bubbles(plyo, person, customer_id, earlier, files)
    _bubbles(plyo, person, customer_id, newest, files)
    reply.draw(plyo, customer_id, name)


def _bubbles(
    plyo: Plyo, person: Person, customer_id: str, messages: list[dict[str, Any]], files: dict[str, list[dict[str, Any]]]
) -> None:
    for message in messages:
        is_mine = message["sender_id"] != customer_id
        with st.chat_message(
            "assistant" if is_mine else "user", avatar=":material/sports:" if is_mine else ":material/person:"
        ):
            st.text(message["body"])  # as it was written: no markup of theirs or ours
            for one in files.get(message["id"], []):
                _file(plyo, one)
            seen = " · read" if is_mine and message.get("read_at") else ""
            nudge = " · check-in" if message["kind"] == "nudge" else ""
            st.caption(when(datetime.fromisoformat(message["sent_at"]), person.time_zone) + nudge + seen)


def _file(plyo: Plyo, one: dict[str, Any]) -> None:
    if one["status"] != "ready":
        told = "is being checked" if one["status"] == "checking" else "was not safe, and is deleted"
        st.caption(f"{one['name']} · {told}")
        return
    st.download_button(
        f"{one['name']} ({_size(one['size_bytes'])})",
        data=opened(plyo, one["id"]),
        file_name=one["name"],
        mime="application/octet-stream",
        icon=ICONS.get(one["media_type"].partition("/")[0], ":material/attach_file:"),
        key=f"file-{one['id']}",
        on_click="ignore",
    )


def opened(plyo: Plyo, attachment_id: str) -> Callable[[], bytes]:
    """What fetches a file once somebody asks for it: each time by a new address, which lives five minutes."""

    def fetch(plyo: Plyo, attachment_id: str) -> bytes:
        return plyo.fetch(plyo.post(f"/api/engagement/attachments/{attachment_id}/link")["url"])

    return partial(fetch, plyo, attachment_id)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f} MB" if size_bytes >= 1024 * 1024 else f"{max(size_bytes // 1024, 1)} KB"

"""Writing to a client: words of one's own or a template's, with a file, now or at a time of the client's clock.

What a template becomes for this client stands in the box before it is sent, and what stands there is what is sent.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import streamlit as st

from consoles.client import Plyo, Refused

FILES = ["jpg", "jpeg", "png", "webp", "pdf", "mp4"]
LARGEST_MB = 10


def draw(plyo: Plyo, customer_id: str, name: str) -> None:
    """The box, and what waits to be sent from it."""
    thread = f"/api/engagement/threads/{customer_id}"
    _waiting(plyo, thread)
    box, problem = f"reply-{customer_id}", st.session_state.pop(f"problem-{customer_id}", None)
    if problem:
        st.error(problem, icon=":material/block:")
    _templates(plyo, thread, box)
    round_ = st.session_state.setdefault(f"round-{customer_id}", 0)  # a file that was sent leaves its field
    upload = f"upload-{customer_id}-{round_}"
    st.text_area("Reply", key=box, placeholder=f"Write to {name}", label_visibility="collapsed", max_chars=4000)
    st.file_uploader(
        "Attach a file", type=FILES, key=upload, help=f"A photo, a PDF or a clip, up to {LARGEST_MB} MB.",
        max_upload_size=LARGEST_MB,
    )  # fmt: skip
    is_later = st.toggle("Send later", key=f"later-{customer_id}")
    if is_later:
        day, clock = st.columns(2)
        day.date_input("Day", value=datetime.now(UTC).date() + timedelta(days=1), key=f"day-{customer_id}")
        clock.time_input("Time", value=time(9), key=f"time-{customer_id}", step=900)
        st.caption(f"On {name}'s own clock. You can change it until it leaves.")
    acts: Callable[[Plyo, str, str, str], None] = _later if is_later else _now
    st.button(
        "Schedule" if is_later else "Send", icon=":material/schedule_send:" if is_later else ":material/send:",
        type="primary", key=f"send-{customer_id}", on_click=acts, args=(plyo, customer_id, box, upload),
    )  # fmt: skip


def _now(plyo: Plyo, customer_id: str, box: str, upload: str) -> None:
    body, file = st.session_state[box].strip(), st.session_state.get(upload)
    if file is not None:
        told = _file(file) | {"body": body}
        _act(customer_id, box, lambda: plyo.post(f"/api/engagement/threads/{customer_id}/attachments", told))
    elif body:
        _act(customer_id, box, lambda: plyo.post(f"/api/engagement/threads/{customer_id}/messages", {"body": body}))


def _later(plyo: Plyo, customer_id: str, box: str, upload: str) -> None:
    body, file = st.session_state[box].strip(), st.session_state.get(upload)
    if body or file is not None:
        at = datetime.combine(st.session_state[f"day-{customer_id}"], st.session_state[f"time-{customer_id}"])
        told = {"body": body, "local_at": at.isoformat(), "files": [_file(file)] if file is not None else []}
        _act(customer_id, box, lambda: plyo.post(f"/api/engagement/threads/{customer_id}/scheduled", told))


def _file(file: Any) -> dict[str, str]:
    return {"name": file.name, "content": base64.b64encode(file.getvalue()).decode()}


def _act(customer_id: str, box: str, do: Callable[[], Any]) -> None:
    """Do it and empty the box; a refusal is said above it, with everything still in it."""
    try:
        do()
    except Refused as error:
        st.session_state[f"problem-{customer_id}"] = str(error)
        return
    st.session_state[box] = ""
    st.session_state[f"round-{customer_id}"] += 1


def _templates(plyo: Plyo, thread: str, box: str) -> None:
    filled = plyo.get(f"{thread}/templates")["items"]
    usable = {one["id"]: one for one in filled if one["body"] is not None}

    def fill(key: str) -> None:
        if chosen := usable.get(st.session_state[key]):
            st.session_state[box] = chosen["body"]

    if filled:
        key = f"template-{box}"
        st.selectbox(
            "Start from a template", list(usable), format_func=lambda id_: usable[id_]["name"], index=None, key=key,
            placeholder="Choose one", on_change=fill, args=(key,),
        )  # fmt: skip
    for one in filled:
        if one["body"] is None:
            st.caption(f"{one['name']}: {one['problem']}")


def _waiting(plyo: Plyo, thread: str) -> None:
    for one in plyo.get(f"{thread}/scheduled")["items"]:
        with st.container(border=True):
            at = datetime.fromisoformat(one["local_at"])
            st.caption(f"Goes out {at:%a %-d %b, %H:%M}, {one['time_zone'].replace('_', ' ')}")
            if problem := st.session_state.pop(f"problem-{one['id']}", None):
                st.error(problem, icon=":material/block:")
            if st.session_state.get(f"changes-{one['id']}"):
                _change(plyo, one, at)
                continue
            if one["body"]:
                st.text(one["body"])
            if one["files"]:
                st.caption("With " + ", ".join(file["name"] for file in one["files"]))
            change, cancel = st.columns(2)
            change.button(
                "Change it", key=f"change-{one['id']}", icon=":material/edit:", on_click=_set,
                args=(f"changes-{one['id']}", True),
            )  # fmt: skip
            cancel.button(
                "Do not send it", key=f"cancel-{one['id']}", icon=":material/cancel_schedule_send:", on_click=_cancel,
                args=(plyo, one["id"]),
            )  # fmt: skip


def _change(plyo: Plyo, one: dict[str, Any], at: datetime) -> None:
    """The message as it stands, to be written over; what was said last is what leaves."""
    id_, names = one["id"], {file["id"]: file["name"] for file in one["files"]}
    with st.form(f"changing-{id_}", border=False):
        st.text_area("Message", value=one["body"], key=f"body-{id_}", max_chars=4000)
        day, clock = st.columns(2)
        day.date_input("Day", value=at.date(), key=f"day-{id_}")
        clock.time_input("Time", value=at.time(), key=f"time-{id_}", step=900)
        if names:
            st.multiselect("Files", list(names), default=list(names), format_func=names.__getitem__, key=f"keep-{id_}")
        st.file_uploader("Add a file", type=FILES, key=f"add-{id_}", max_upload_size=LARGEST_MB)
        st.form_submit_button("Save", type="primary", key=f"save-{id_}", on_click=_save, args=(plyo, id_))
    st.button("Leave it as it is", key=f"leave-{id_}", on_click=_set, args=(f"changes-{id_}", False))


def _save(plyo: Plyo, id_: str) -> None:
    said = st.session_state
    file = said.get(f"add-{id_}")
    told = {
        "body": said[f"body-{id_}"].strip(), "files": [_file(file)] if file is not None else [],
        "local_at": datetime.combine(said[f"day-{id_}"], said[f"time-{id_}"]).isoformat(),
        "keep": said.get(f"keep-{id_}", []),
    }  # fmt: skip
    if _tell(id_, lambda: plyo.send("PUT", f"/api/engagement/scheduled-messages/{id_}", told)):
        said[f"changes-{id_}"] = False


def _cancel(plyo: Plyo, id_: str) -> None:
    _tell(id_, lambda: plyo.post(f"/api/engagement/scheduled-messages/{id_}/cancellation"))


def _set(key: str, value: bool) -> None:
    st.session_state[key] = value


def _tell(id_: str, do: Callable[[], Any]) -> bool:
    """Do it; a refusal is said at the message, or above the box where that has left meanwhile."""
    try:
        do()
    except Refused as error:
        st.session_state[f"problem-{id_}"] = str(error)
        st.toast(str(error), icon=":material/block:")
        return False
    return True

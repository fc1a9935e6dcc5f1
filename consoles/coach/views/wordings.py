"""A coach's templates: words to use again, with fields that are filled in for each client."""

import streamlit as st

from consoles.client import Plyo, Refused

FIELDS = "{{first_name}}, {{full_name}} and {{coach_name}}"


def draw(plyo: Plyo) -> None:
    """Every template, to change or forget, and a form for a new one."""
    found = plyo.get("/api/engagement/templates")["items"]
    known = {one["id"]: one for one in found}

    def show() -> None:
        chosen = known.get(st.session_state["wording"] or "")
        st.session_state["wording-name"] = chosen["name"] if chosen else ""
        st.session_state["wording-body"] = chosen["body"] if chosen else ""

    if found:
        st.selectbox(
            "Change one", list(known), format_func=lambda id_: known[id_]["name"], index=None, key="wording",
            placeholder="A new one", on_change=show,
        )  # fmt: skip
    st.text_input("Name", key="wording-name", max_chars=60)
    st.text_area("Words", key="wording-body", max_chars=4000, help=f"Filled in for each client: {FIELDS}.")
    keep, forget = st.columns(2)
    keep.button("Save template", key="wording-save", type="primary", on_click=_save, args=(plyo,))
    if st.session_state.get("wording") in known:
        forget.button("Forget it", key="wording-forget", on_click=_forget, args=(plyo, st.session_state["wording"]))
    if problem := st.session_state.pop("wording-problem", None):
        st.error(problem, icon=":material/block:")


def _save(plyo: Plyo) -> None:
    body = {"name": st.session_state["wording-name"], "body": st.session_state["wording-body"]}
    try:
        plyo.post("/api/engagement/templates", body)
    except Refused as error:
        st.session_state["wording-problem"] = str(error)
        return
    _clear()


def _forget(plyo: Plyo, template_id: str) -> None:
    try:
        plyo.send("DELETE", f"/api/engagement/templates/{template_id}")
    except Refused as error:
        st.session_state["wording-problem"] = str(error)
        return
    _clear()


def _clear() -> None:
    st.session_state["wording-name"] = st.session_state["wording-body"] = ""
    st.session_state["wording"] = None

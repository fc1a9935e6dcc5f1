"""Who sits in front of the coach console, and their connection to Plyo. Sign-in is identity's OIDC provider."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from consoles.client import Plyo, SignedOut, Unreachable
from consoles.settings import ConsoleSettings


@dataclass(frozen=True)
class Person:
    """The coach signed in. `time_zone` is an IANA name."""

    id: str
    name: str
    time_zone: str

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name else "coach"


@st.cache_resource
def settings() -> ConsoleSettings:
    """The process's settings, read once."""
    return ConsoleSettings()


def require_person() -> tuple[Plyo, Person, list[str]]:
    """The connection, the person and the pages that open for them, asked once a session with the first screen; sends
    whoever is not signed in, or no longer, to the sign-in page and stops."""
    if not st.user.is_logged_in:
        st.login()
        st.stop()
    token = st.user.tokens["access"] or ""
    plyo = Plyo(api_url=settings().api_url, analytics_url=settings().analytics_url, token=token)
    known = st.session_state.get("person")
    if known is None or st.session_state.get("person_of") != st.user.get("sub"):
        guarded(partial(look, plyo))
        known = st.session_state.get("person")
        if known is None:  # what went wrong is on the page
            st.stop()
        st.session_state["person_of"] = st.user.get("sub")
    return plyo, known, st.session_state["screens"]


def look(plyo: Plyo) -> None:
    """Ask for the first screen, and keep it for the page that draws it, with who looks and what opens for them."""
    first = plyo.first_screen("coach")
    told = first.get("person") or {}
    st.session_state["person"] = Person(
        id=first["account_id"], name=told.get("display_name") or "", time_zone=told.get("time_zone") or "UTC"
    )
    st.session_state["screens"] = first["screens"]
    st.session_state["staff_pages"] = first["staff_pages"]
    st.session_state["first_screen"] = first


def guarded(draw: Callable[[], object]) -> None:
    """Draw, or say what is wrong in words a person can act on. For a page, and for a part that redraws by itself."""
    try:
        draw()
    except SignedOut:
        st.login()
    except Unreachable as error:
        st.error(str(error), icon=":material/cloud_off:")
        if st.button("Try again", icon=":material/refresh:"):
            st.rerun()

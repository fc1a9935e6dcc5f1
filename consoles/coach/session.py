"""Who sits in front of the coach console, and their connection to Plyo. Sign-in is identity's OIDC provider."""

from collections.abc import Callable
from dataclasses import dataclass

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


def require_person() -> tuple[Plyo, Person]:
    """The connection and the person; sends whoever is not signed in, or no longer, to the sign-in page and stops."""
    if not st.user.is_logged_in:
        st.login()
        st.stop()
    plyo = Plyo(
        api_url=settings().api_url, analytics_url=settings().analytics_url, token=st.user.tokens["access"] or ""
    )
    try:
        me = plyo.get("/api/identity/me")
    except SignedOut:
        st.login()
        st.stop()
    person = Person(
        id=me.get("account_id") or me["id"], name=me.get("display_name") or "", time_zone=me.get("time_zone") or "UTC"
    )
    return plyo, person


def screens(plyo: Plyo) -> list[str]:
    """The pages that open for this person; asked once a session, because the console runs at every click."""
    if "screens" not in st.session_state:
        st.session_state["screens"] = plyo.screens("coach")
    found: list[str] = st.session_state["screens"]
    return found


def staff_pages(plyo: Plyo) -> dict[str, str]:
    """The app's pages for staff that open for this person, words by path; asked once a session."""
    if "staff_pages" not in st.session_state:
        st.session_state["staff_pages"] = plyo.staff_pages()
    found: dict[str, str] = st.session_state["staff_pages"]
    return found


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

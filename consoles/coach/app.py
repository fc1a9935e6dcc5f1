"""Entry page of the coach console: sign in, one look, navigation. Pages are in `views/`."""

from functools import partial

import streamlit as st

from consoles.coach import session, style
from consoles.coach.views import calendar, client, clients, messages, numbers, today


def main() -> None:
    """Draw the console for the coach signed in."""
    # The app's own mark: of an icon by name, browsers would ask a font server elsewhere.
    mark = f"{session.settings().public_url}/static/icon-192.png"
    st.set_page_config(page_title="Plyo coach", page_icon=mark, layout="wide", initial_sidebar_state="collapsed")
    style.apply()
    plyo, person, opens = session.require_person()
    drawn = [
        st.Page(
            partial(today.page, plyo, person), title="Today", icon=":material/today:", url_path="today", default=True
        ),
        st.Page(partial(clients.page, plyo, person), title="Clients", icon=":material/group:", url_path="clients"),
        st.Page(partial(client.page, plyo, person), title="Client", icon=":material/monitoring:", url_path="client"),
        st.Page(
            partial(numbers.page, plyo, person), title="Numbers", icon=":material/query_stats:", url_path="numbers"
        ),
        st.Page(
            partial(calendar.page, plyo, person),
            title="Calendar",
            icon=":material/calendar_month:",
            url_path="calendar",
        ),
        st.Page(partial(messages.page, plyo, person), title="Messages", icon=":material/chat:", url_path="messages"),
    ]
    pages = [page for page in drawn if (page.url_path or "today") in opens]
    st.session_state["pages"] = {page.url_path or "today": page for page in pages}
    chosen = st.navigation(pages, position="top")
    style.narrow_menu(pages, chosen)
    with st.sidebar:
        st.markdown(f"**{person.name}**")
        st.caption("Coach console")
        for path, label in st.session_state["staff_pages"].items():
            st.link_button(label, f"{session.settings().public_url}{path}", type="tertiary")
        if st.button("Sign out", icon=":material/logout:"):
            st.logout()
    session.guarded(chosen.run)


main()

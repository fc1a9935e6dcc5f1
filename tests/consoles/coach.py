"""The coach console's pages as Streamlit runs them in a test: each a script of its own, given the server's address."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from tests.consoles.conftest import PlyoServer


def today(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import today as view

    person = Person("01900000-0000-7000-8000-0000000000c0", "Cara Coach", "Europe/Berlin")
    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), person)


def console(url: str) -> None:
    """As the console begins: who looks, then the page."""
    import streamlit as st

    from consoles.client import Plyo
    from consoles.coach import session
    from consoles.coach.views import today as view

    plyo = Plyo(api_url=url, analytics_url=url, token="the-token")
    if "person" not in st.session_state:
        session.guarded(lambda: session.look(plyo))
    if "person" in st.session_state:
        view.page(plyo, st.session_state["person"])


def clients(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import clients as view

    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), Person("c", "Cara Coach", "Europe/Berlin"))


def client(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import client as view

    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), Person("c", "Cara Coach", "Europe/Berlin"))


def calendar(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import calendar as view

    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), Person("c", "Cara Coach", "Europe/Berlin"))


def messages(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import messages as view

    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), Person("c", "Cara Coach", "Europe/Berlin"))


def numbers(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach import session
    from consoles.coach.views import numbers as view

    plyo = Plyo(api_url=url, analytics_url=url, token="the-token")
    session.guarded(lambda: view.page(plyo, session.Person("c", "Cara Coach", "Europe/Berlin")))


def draw(page: Callable[[str], None], server: PlyoServer) -> AppTest:
    return AppTest.from_function(page, args=(server.url,), default_timeout=30).run()

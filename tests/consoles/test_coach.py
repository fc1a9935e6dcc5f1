"""The coach console's pages, drawn by Streamlit itself against a server that speaks the real API."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.consoles.conftest import PlyoServer


def today(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import today as view

    person = Person("01900000-0000-7000-8000-0000000000c0", "Cara Coach", "Europe/Berlin")
    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), person)


def clients(url: str) -> None:
    from consoles.client import Plyo
    from consoles.coach.session import Person
    from consoles.coach.views import clients as view

    view.page(Plyo(api_url=url, analytics_url=url, token="the-token"), Person("c", "Cara Coach", "Europe/Berlin"))


def draw(page: Callable[[str], None], server: PlyoServer) -> AppTest:
    return AppTest.from_function(page, args=(server.url,), default_timeout=30).run()


class TestToday:
    def test_shows_whom_to_reach_out_to_and_why(self, plyo_server: PlyoServer) -> None:
        page = draw(today, plyo_server)
        assert not page.exception
        assert page.title[0].value == "Hello, Cara"
        assert page.text_area[0].value == "Hi Mia, shall we find a slot?"
        assert {metric.label: metric.value for metric in page.metric}["Unread messages"] == "2"

    def test_sends_the_message_as_edited(self, plyo_server: PlyoServer) -> None:
        page = draw(today, plyo_server)
        page.text_area(key="text-r1").set_value("Hi Mia! Thursday at six?").run()
        page.button(key="send-r1").click().run()
        assert not page.exception
        assert plyo_server.acted[-1][:3] == (
            "POST",
            "api/automation/runs/r1/send",
            {"body": "Hi Mia! Thursday at six?"},
        )

    def test_marks_a_session_that_has_started(self, plyo_server: PlyoServer) -> None:
        page = draw(today, plyo_server)
        page.button(key="came-b1").click().run()
        assert plyo_server.acted[-1][:3] == ("POST", "api/scheduling/bookings/b1/outcome", {"outcome": "attended"})

    def test_says_the_servers_refusal_and_keeps_the_text(self, plyo_server: PlyoServer) -> None:
        plyo_server.refusals["api/automation/runs/r1/send"] = (
            409,
            {"detail": "It is night where Mia is.", "code": "x"},
        )
        page = draw(today, plyo_server)
        page.button(key="send-r1").click().run()
        assert page.error[0].value == "It is night where Mia is."
        assert page.text_area(key="text-r1").value == "Hi Mia, shall we find a slot?"

    def test_is_calm_when_nobody_drifts_away(self, plyo_server: PlyoServer) -> None:
        plyo_server.answers["api/automation/queue"] = {"items": []}
        assert "Nobody is drifting away" in draw(today, plyo_server).info[0].value


class TestClients:
    def test_lists_the_riskiest_first(self, plyo_server: PlyoServer) -> None:
        page = draw(clients, plyo_server)
        assert not page.exception
        assert page.dataframe[0].value["Name"].to_list() == ["Mia Berg", "Tom Fox"]

    @pytest.mark.parametrize(("words", "found"), [("tom", ["Tom Fox"]), ("MIA", ["Mia Berg"])])
    def test_finds_by_name(self, plyo_server: PlyoServer, words: str, found: list[str]) -> None:
        page = draw(clients, plyo_server)
        page.text_input[0].set_value(words).run()
        assert page.dataframe[0].value["Name"].to_list() == found

    def test_has_an_empty_state(self, plyo_server: PlyoServer) -> None:
        plyo_server.datasets["coach_clients"] = plyo_server.datasets["coach_clients"].clear()
        assert "no clients yet" in draw(clients, plyo_server).info[0].value

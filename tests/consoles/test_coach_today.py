"""The coach's first page: whom to write to, who comes next and what to know, what is missing."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.consoles.coach import console, draw, today
from tests.consoles.conftest import COACH, MIA, NOW, PlyoServer


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

    def test_checks_in_who_comes_early_and_says_so(self, plyo_server: PlyoServer) -> None:
        [booking] = plyo_server.answers["api/bff/coach"]["sessions"]
        booking["starts_at"] = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
        page = draw(today, plyo_server)
        assert [button.label for button in page.button if button.key in ("came-b1", "missed-b1")] == ["Check in"]
        page.button(key="came-b1").click().run()
        assert plyo_server.acted[-1][1:3] == ("api/scheduling/bookings/b1/outcome", {"outcome": "attended"})
        booking["outcome_at"] = datetime.now(UTC).isoformat()
        page = draw(today, plyo_server)
        assert not [button for button in page.button if button.key in ("came-b1", "missed-b1")]

    def test_says_the_servers_refusal_and_keeps_the_text(self, plyo_server: PlyoServer) -> None:
        plyo_server.refusals["api/automation/runs/r1/send"] = (
            409,
            {"detail": "It is night where Mia is.", "code": "x"},
        )
        page = draw(today, plyo_server)
        page.button(key="send-r1").click().run()
        assert page.error[0].value == "It is night where Mia is."
        assert page.text_area(key="text-r1").value == "Hi Mia, shall we find a slot?"

    def test_says_why_a_message_cannot_go_out_now(self, plyo_server: PlyoServer) -> None:
        [item] = plyo_server.answers["api/bff/coach"]["suggestions"]
        item["refusal"] = "It is 02:10 where this customer lives, quiet until 07:00."
        page = draw(today, plyo_server)
        assert page.button(key="send-r1").disabled
        assert item["refusal"] in page.caption[0].value

    def test_shows_what_came_in_since_it_was_opened(self, plyo_server: PlyoServer) -> None:
        [item] = plyo_server.answers["api/bff/coach"]["suggestions"]
        plyo_server.answers["api/bff/coach"]["suggestions"] = []
        page = draw(today, plyo_server)
        assert {metric.label: metric.value for metric in page.metric}["To reach out to"] == "0"
        plyo_server.answers["api/bff/coach"]["suggestions"] = [item]
        page.run()
        assert {metric.label: metric.value for metric in page.metric}["To reach out to"] == "1"

    def test_shows_the_riskiest_first_and_the_others_when_asked(self, plyo_server: PlyoServer) -> None:
        [item] = plyo_server.answers["api/bff/coach"]["suggestions"]
        many = [item | {"run_id": f"r{number}"} for number in range(10)]
        plyo_server.answers["api/bff/coach"]["suggestions"] = many
        page = draw(today, plyo_server)
        assert len(page.text_area) == 8
        assert page.caption[-1].value == "2 more wait after these."
        page.button(key="whole-queue").click().run()
        assert len(page.text_area) == 10

    def test_an_error_is_no_empty_queue(self, plyo_server: PlyoServer) -> None:
        plyo_server.refusals["api/bff/coach"] = (503, {"detail": "Busy, try again.", "code": "core.busy"})
        page = draw(today, plyo_server)
        assert page.error[0].value == "Busy, try again."
        assert not page.metric

    def test_is_calm_when_nobody_drifts_away(self, plyo_server: PlyoServer) -> None:
        plyo_server.answers["api/bff/coach"]["suggestions"] = []
        assert "Nobody is drifting away" in draw(today, plyo_server).info[0].value

    def test_is_drawn_from_one_call(self, plyo_server: PlyoServer) -> None:
        """Who looks, what opens and the day's parts; it was five."""
        page = draw(console, plyo_server)
        assert not page.exception
        assert page.title[0].value == "Hello, Cara"
        assert page.session_state["screens"][0] == "today"
        assert plyo_server.asked == ["api/bff/coach"]
        page.run()  # a click: the day is asked for anew, and nothing else
        assert plyo_server.asked == ["api/bff/coach"] * 2

    @pytest.mark.parametrize("why", ["late", "failed"])
    def test_says_plainly_which_part_is_missing_and_shows_the_others(self, plyo_server: PlyoServer, why: str) -> None:
        plyo_server.answers["api/bff/coach"] |= {
            "suggestions": None, "unread": None, "is_partial": True, "missing": {"suggestions": why, "unread": why},
        }  # fmt: skip
        page = draw(console, plyo_server)
        assert not page.exception
        [gap] = page.warning
        assert "not available right now: whom to write to and unread messages." in gap.value
        told = {metric.label: metric.value for metric in page.metric}
        assert (told["To reach out to"], told["Unread messages"]) == ("–", "–")
        assert not any("Nobody is drifting away" in said.value for said in page.info), "not known is not nobody"
        page.button(key="came-b1").click().run()
        assert plyo_server.acted[-1][1] == "api/scheduling/bookings/b1/outcome"

    def test_goes_on_without_a_name(self, plyo_server: PlyoServer) -> None:
        plyo_server.answers["api/bff/coach"] |= {"person": None, "is_partial": True, "missing": {"person": "late"}}
        page = draw(console, plyo_server)
        assert not page.exception
        assert "your name and time zone" in page.warning[0].value

    def test_says_what_to_do_when_nothing_answers(self, plyo_server: PlyoServer) -> None:
        plyo_server.refusals["api/bff/coach"] = (503, {"detail": "Plyo is down.", "code": "core.unavailable"})
        page = draw(console, plyo_server)
        assert not page.exception
        assert (page.error[0].value, page.button[0].label) == ("Plyo is down.", "Try again")


def brief_of(page: AppTest) -> list[str]:
    """What is said of the next client, line by line."""
    [told] = [part.proto.body for part in page.get("html") if "<li>" in part.proto.body]
    return [html.unescape(one) for one in re.findall(r"</span> (.*?)</li>", told)]


class TestNextClient:
    @pytest.fixture
    def soon(self, plyo_server: PlyoServer) -> PlyoServer:
        """Mia comes in 40 minutes; three workouts were planned since her last session a week ago, one was done."""
        day = {number: (NOW - timedelta(days=number)) for number in (1, 3, 5, 7, 9)}

        def workout(number: int, **told: Any) -> dict[str, Any]:
            empty = {"title": "Full body A", "session_rpe": None, "scheduled_on": day[number].date().isoformat()}
            return empty | told

        [booking] = plyo_server.answers["api/bff/coach"]["sessions"]
        at = datetime.now(UTC) + timedelta(minutes=40, seconds=30)
        plyo_server.answers["api/bff/coach"]["sessions"] = [
            booking | {"booking_id": "b3", "customer_name": "Tom Fox", "starts_at": (at + timedelta(1)).isoformat()},
            booking | {"booking_id": "b2", "starts_at": at.isoformat()},
        ]
        plyo_server.answers |= {
            "api/scheduling/bookings": {"items": [{"starts_at": day[7].isoformat()}]},
            "api/training/workouts": {
                "items": [
                    workout(1, status="planned", title="Intervals"),
                    workout(3, status="completed", session_rpe=8.0),
                    workout(5, status="skipped"),
                    workout(9, status="completed", session_rpe=2.0),
                ]
            },
            "api/training/records": [
                {"exercise_name": "Squat", "kind": "weight", "value": 80.0, "previous": 75.0,
                 "achieved_at": day[number].isoformat()} for number in (3, 9)
            ],
            f"api/training/clients/{MIA}/injuries": [
                {"body_part": "knee", "severity": 2, "occurred_on": "2026-11-02", "resolved_on": None},
                {"body_part": "hip", "severity": 1, "occurred_on": "2026-10-02", "resolved_on": "2026-10-09"},
            ],
            f"api/engagement/threads/{MIA}/messages": {
                "items": [
                    {"body": "May I <b>swap</b> Thursday?", "recipient_id": COACH, "read_at": None,
                     "sent_at": day[1].isoformat()},
                    {"body": "Well done!", "recipient_id": MIA, "read_at": None, "sent_at": NOW.isoformat()},
                ]
            },
        }  # fmt: skip
        return plyo_server

    def test_says_who_comes_what_changed_and_what_waits_for_an_answer(self, soon: PlyoServer) -> None:
        page = draw(console, soon)
        assert not page.exception
        assert re.fullmatch(r"Next: Mia Berg, in (40|39|38) min", page.header[0].value)
        assert brief_of(page) == [
            "1 message waits for your answer: “May I <b>swap</b> Thursday?”",
            "Knee hurts since 2 Nov, moderate.",
            "Last session 7 days ago.",
            "1 of 3 workouts done since, effort 8.0 of 10.",
            "Not done: Full body A, Intervals.",
            "Squat: heaviest, kg 80, before 75.",
        ]

    def test_is_asked_for_once_and_anew_when_a_message_comes_in(self, soon: PlyoServer) -> None:
        page = draw(console, soon)
        page.run()
        assert soon.asked.count("api/training/workouts") == 1
        soon.answers["api/bff/coach"]["unread"] = 3
        page.run()
        assert soon.asked.count("api/training/workouts") == 2

    def test_what_the_client_withholds_is_said_and_the_rest_shown(self, soon: PlyoServer) -> None:
        soon.refusals[f"api/training/clients/{MIA}/injuries"] = (403, {"detail": "Withheld.", "code": "x"})
        told = brief_of(draw(console, soon))
        assert told[-1] == "Not shown to you: what hurts."
        assert "Last session 7 days ago." in told

    def test_leaves_the_day_where_it_cannot_be_had(self, soon: PlyoServer) -> None:
        soon.refusals["api/training/workouts"] = (503, {"detail": "Busy.", "code": "core.busy"})
        page = draw(console, soon)
        assert not page.error
        assert page.text_area[0].value == "Hi Mia, shall we find a slot?"
        assert any("not available right now" in one.value for one in page.caption)

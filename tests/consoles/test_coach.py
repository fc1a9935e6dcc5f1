"""The coach console's pages but the first, drawn by Streamlit itself against a server that speaks the real API."""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from consoles.coach.views import thread
from consoles.coach.views.numbers import SHOWN
from tests.consoles import business
from tests.consoles.coach import calendar, client, clients, draw, messages, numbers
from tests.consoles.conftest import PlyoServer


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

    def test_the_base_rate_is_nobodys_own_risk(self, plyo_server: PlyoServer) -> None:
        found = draw(clients, plyo_server).dataframe[0].value
        risks = dict(zip(found["Name"], found["Churn risk"], strict=True))
        assert risks["Mia Berg"] == pytest.approx(61)
        assert risks["Tom Fox"] != risks["Tom Fox"]  # NaN: no reasons, so no score of his own


class TestClient:
    @pytest.fixture
    def empty_histories(self, plyo_server: PlyoServer) -> PlyoServer:
        for name in ("client_training_days", "client_wearables"):
            plyo_server.datasets[name] = pl.DataFrame(schema={"day": pl.Date})
        plyo_server.datasets["client_activities"] = pl.DataFrame(schema={"started_at": pl.Datetime})
        for each in plyo_server.datasets["coach_clients"]["customer_id"]:
            plyo_server.answers[f"api/engagement/threads/{each}/messages"] = {"items": []}
        return plyo_server

    def test_shows_the_score_with_its_reasons(self, empty_histories: PlyoServer) -> None:
        page = draw(client, empty_histories)
        assert not page.exception
        assert any("high risk · 61 %" in part.proto.body for part in page.get("html"))
        assert any("61.0 %" in part.value for part in page.markdown)

    def test_a_base_rate_is_not_called_low_risk(self, empty_histories: PlyoServer) -> None:
        roster = empty_histories.datasets["coach_clients"]
        empty_histories.datasets["coach_clients"] = roster.with_columns(
            probability=pl.lit(0.0007), reasons=pl.lit("[]")
        )
        page = draw(client, empty_histories)
        assert any("risk not known yet" in part.proto.body for part in page.get("html"))
        assert not any("low risk" in part.proto.body for part in page.get("html"))
        assert any("Too few members have left" in told.value for told in page.info)

    def test_a_workout_of_two_devices_is_told_with_the_decision(self, empty_histories: PlyoServer) -> None:
        empty_histories.datasets["client_activities"] = pl.DataFrame(
            {
                "started_at": [datetime(2026, 11, 23, 7, tzinfo=UTC)] * 2, "local_day": [date(2026, 11, 23)] * 2,
                "activity_name": ["Morning run", None], "activity_type": ["run", "run"],
                "duration_minutes": [60.2, 61.0], "distance_m": [10_040.0, 9_800.0],
                "average_heart_rate_bpm": [151.0, None], "device": ["Forerunner", None],
                "provider": ["GARMIN", "APPLE"], "is_counted": [True, False],
                "decision": ["counted", "left out: GARMIN tells more of the same time"],
            }
        )  # fmt: skip
        page = draw(client, empty_histories)
        assert not page.exception
        [table] = [one.value for one in page.dataframe if "Decision" in one.value]
        assert table["Device"].to_list() == ["Forerunner", "APPLE"]
        assert table["km"].to_list() == [10.0, 9.8]
        assert any("1 recorded twice" in said.value for said in page.caption)

    def test_strength_is_a_line_through_the_days_that_tell_it(self, empty_histories: PlyoServer) -> None:
        days = [date(2026, 11, day) for day in range(1, 8)]
        empty_histories.datasets |= {
            "client_training_days": pl.DataFrame(
                {"day": days, "acute_load_7d": [1.0] * 7, "chronic_load_28d": [1.0] * 7, "acwr": [1.0] * 7}
            ),
            "client_progress": pl.DataFrame(
                {"performed_on": days, "exercise_name": ["Squat"] * 7,
                 "best_e1rm_kg": [None, 80.0, None, 82.5, None, 85.0, None]}
            ),
            "client_workouts": pl.DataFrame(
                schema={"scheduled_on": pl.Date, "title": pl.String, "status": pl.String, "duration_minutes": pl.Int64,
                        "session_rpe": pl.Float64, "set_count": pl.Int64, "volume_kg": pl.Float64}
            ),
        }  # fmt: skip
        page = draw(client, empty_histories)
        assert not page.exception
        drawn = [json.loads(one.proto.spec)["data"] for one in page.get("plotly_chart")]
        [line] = next(data for data in drawn if data[0].get("name") == "Squat")
        assert line["y"] == [80.0, 82.5, 85.0], "a gap would part it into points that nobody sees"

    def test_somebody_who_is_not_in_the_numbers_yet_is_not_taken_for_another(self, empty_histories: PlyoServer) -> None:
        page = AppTest.from_function(client, args=(empty_histories.url,), default_timeout=30)
        page.query_params["customer"] = "01900000-0000-7000-8000-0000000000ff"
        page.run()
        assert "not in your numbers yet" in page.info[0].value
        assert page.selectbox[0].value is None
        assert not page.metric

    def test_the_address_names_the_client_so_that_a_reload_shows_the_same(self, empty_histories: PlyoServer) -> None:
        tom = empty_histories.datasets["coach_clients"]["customer_id"][1]
        page = AppTest.from_function(client, args=(empty_histories.url,), default_timeout=30)
        page.query_params["customer"] = tom
        page.run()
        assert page.selectbox[0].value == tom
        page.selectbox[0].set_value(empty_histories.datasets["coach_clients"]["customer_id"][0]).run()
        assert page.query_params["customer"] == page.selectbox[0].value != tom


class TestNumbers:
    @pytest.fixture
    def known(self, plyo_server: PlyoServer) -> PlyoServer:
        names = [name for group in SHOWN.values() for name in group]
        plyo_server.answers |= {f"api/analytics/metrics/{name}": business.metric(name) for name in names}
        return plyo_server

    def test_each_is_beside_the_period_before_with_its_meaning(self, known: PlyoServer) -> None:
        page = draw(numbers, known)
        assert not page.exception
        shown = {one.label: one for one in page.metric}
        assert len(shown) == sum(len(group) for group in SHOWN.values())
        rate = shown["No show rate"]
        assert (rate.value, rate.delta) == ("15.0 %", "+5.0 points (+50.0 %)")
        assert "What no_show_rate means." in rate.help
        assert "on 10.0 %, 1 Oct to 26 Oct 2026" in [one.value for one in page.caption]
        asked = next(told for path, told in known.told if path.endswith("/no_show_rate"))
        assert asked == {"period": "last_30_days", "compare": "previous_period", "currency": "all"}

    def test_more_no_shows_are_bad_news_and_more_adherence_good(self, known: PlyoServer) -> None:
        drawn = {one.label: one.proto.color for one in draw(numbers, known).metric}
        assert drawn["No show rate"] != drawn["Adherence"]

    def test_one_that_is_late_says_for_what_it_waits(self, known: PlyoServer) -> None:
        late = {"state": "late", "age_seconds": 1300, "because": "training__workouts"}
        known.answers["api/analytics/metrics/acwr"] |= {"freshness": late}
        said = " ".join(part.proto.body for part in draw(numbers, known).get("html"))
        assert "late, 21 min old, waits for training workouts" in said

    def test_one_that_is_refused_leaves_the_others(self, known: PlyoServer) -> None:
        known.refusals["api/analytics/metrics/utilisation"] = (403, {"detail": "Not for you.", "code": "x"})
        page = draw(numbers, known)
        assert not page.exception
        assert "Utilisation: Not for you." in [one.value for one in page.caption]
        assert len(page.metric) == sum(len(group) for group in SHOWN.values()) - 1

    def test_says_what_to_do_when_analytics_does_not_answer(self, known: PlyoServer) -> None:
        known.refusals["api/analytics/metrics/adherence"] = (503, {"detail": "Numbers are being built."})
        page = draw(numbers, known)
        assert (page.error[0].value, page.button[0].label) == ("Numbers are being built.", "Try again")


class TestCalendar:
    @pytest.fixture
    def week(self, plyo_server: PlyoServer) -> PlyoServer:
        """Summer time has ended in Berlin that Sunday: an hour before midnight UTC is the day after, by one hour."""
        booked = [
            ("2026-10-25T23:30:00+00:00", "Mia <Berg>", "attended"), ("2026-10-26T08:00:00+00:00", "Tom Fox", "booked"),
            ("2026-10-27T08:00:00+00:00", "Ann Lee", "booked"),
        ]  # fmt: skip
        plyo_server.answers["api/scheduling/bookings"] = {
            "items": [
                {"id": f"b{n}", "starts_at": at, "ends_at": at.replace(":00:00", ":50:00").replace(":30:00", ":59:00"),
                 "customer_name": who, "title": "Strength", "status": status}
                for n, (at, who, status) in enumerate(booked)
            ],
            "next_cursor": None,
        }  # fmt: skip
        return plyo_server

    def test_a_day_is_a_list_in_the_coachs_own_hours(self, week: PlyoServer) -> None:
        page = draw(calendar, week)
        page.date_input(key="calendar-day").set_value(date(2026, 10, 26)).run()
        assert not page.exception
        [day] = [one.body for one in page.get("html") if "plyo-agenda" in one.proto.body]
        assert all(told in day for told in ("00:30", "09:00", "Mia &lt;Berg&gt;"))
        assert "Ann Lee" not in day
        asked = next(told for path, told in reversed(week.told) if path == "api/scheduling/bookings")
        assert (asked["from"], asked["to"]) == ("2026-10-26T00:00:00+01:00", "2026-11-02T00:00:00+01:00")

    def test_days_and_weeks_follow_by_buttons_that_have_keys(self, week: PlyoServer) -> None:
        page = draw(calendar, week)
        page.date_input(key="calendar-day").set_value(date(2026, 10, 26)).run()
        pressed = {one.label: one for one in page.button}
        keys = {label: one.proto.shortcut for label, one in pressed.items() if one.proto.shortcut}
        assert keys == {"Day before": "k", "Day after": "j", "Today": "t", "Week before": "shift+k",
                        "Week after": "shift+j"}  # fmt: skip
        pressed["Day after"].click().run()
        assert page.header[0].value == "Tuesday, 27 October"
        next(one for one in page.button if one.label == "Week before").click().run()
        assert page.header[0].value == "Tuesday, 20 October"
        assert page.info[0].value == "No sessions on this day."

    def test_what_is_to_be_marked_is_below_both(self, week: PlyoServer) -> None:
        page = draw(calendar, week)
        page.date_input(key="calendar-day").set_value(date(2026, 10, 26)).run()
        assert page.header[1].value == "2 to mark this week"
        page.button(key="came-b1").click().run()
        assert week.acted[-1][:3] == ("POST", "api/scheduling/bookings/b1/outcome", {"outcome": "attended"})


class TestMessages:
    def test_unread_conversations_come_first(self, plyo_server: PlyoServer) -> None:
        mia, tom = plyo_server.datasets["coach_clients"]["customer_id"].to_list()[:2]
        plyo_server.answers["api/engagement/threads"] = {
            "items": [
                {"customer_id": tom, "customer_name": "Tom Fox", "unread_count": 0},
                {"customer_id": mia, "customer_name": "Mia Berg", "unread_count": 2},
            ]
        }
        for each in (mia, tom):
            plyo_server.answers[f"api/engagement/threads/{each}/messages"] = {"items": []}
        page = draw(messages, plyo_server)
        assert not page.exception
        assert page.selectbox[0].options == ["Mia Berg  (2 new)", "Tom Fox"]
        assert "No messages with Mia Berg yet" in page.info[0].value

    def test_nobody_wrote_yet(self, plyo_server: PlyoServer) -> None:
        plyo_server.answers["api/engagement/threads"] = {"items": []}
        assert "No conversation yet" in draw(messages, plyo_server).info[0].value

    @pytest.fixture
    def talk(self, plyo_server: PlyoServer) -> str:
        """The path of Mia's conversation, with one message that has a file."""
        mia = str(plyo_server.datasets["coach_clients"]["customer_id"][0])
        path = f"api/engagement/threads/{mia}"
        message = {
            "id": "m1", "sender_id": mia, "recipient_id": "c", "read_at": "2026-01-05T10:00:00Z", "kind": "chat",
            "body": "My *squat*", "sent_at": "2026-01-05T09:00:00Z",
        }  # fmt: skip
        plyo_server.answers |= {
            f"{path}/messages": {"items": [message]},
            f"{path}/attachments": {"items": [
                {"id": "a1", "message_id": "m1", "name": "squat.mp4", "media_type": "video/mp4", "size_bytes": 3145728,
                 "status": "ready"},
                {"id": "a2", "message_id": "m1", "name": "plan.pdf", "media_type": "application/pdf", "size_bytes": 9,
                 "status": "checking"},
            ]},
            f"{path}/templates": {"items": [
                {"id": "t1", "name": "Welcome", "body": "Hi Mia, glad you are here. Cara", "problem": None},
                {"id": "t2", "name": "Formal", "body": None, "problem": "This client has no full name."},
            ]},
            f"{path}/scheduled": {"items": [
                {"id": "s1", "body": "Good luck", "local_at": "2026-02-02T08:00:00", "time_zone": "America/New_York",
                 "files": [{"id": "f1", "name": "map.pdf"}, {"id": "f2", "name": "plan.pdf"}]},
            ]},
        }  # fmt: skip
        return path

    def test_shows_files_as_they_were_sent_and_fetches_one_when_asked(self, plyo_server: PlyoServer, talk: str) -> None:
        page = draw(messages, plyo_server)
        assert not page.exception
        assert "My *squat*" in [one.value for one in page.text]
        [button] = page.get("download_button")
        assert button.proto.label == "squat.mp4 (3.0 MB)"
        assert "plan.pdf · is being checked" in [one.value for one in page.caption]
        plyo_server.made["api/engagement/attachments/a1/link"] = {"url": "/api/engagement/attachment-files/a1?sig=x"}
        plyo_server.files["api/engagement/attachment-files/a1"] = b"film"
        assert thread.opened(plyo_server.client(), "a1")() == b"film"

    def test_what_a_template_becomes_is_what_is_sent(self, plyo_server: PlyoServer, talk: str) -> None:
        page = draw(messages, plyo_server)
        assert "Formal: This client has no full name." in [one.value for one in page.caption]
        mia = talk.rpartition("/")[2]
        page.selectbox(key=f"template-reply-{mia}").set_value("t1").run()
        shown = page.text_area(key=f"reply-{mia}").value
        page.button(key=f"send-{mia}").click().run()
        assert not page.exception
        assert plyo_server.acted[-1][:3] == ("POST", f"{talk}/messages", {"body": shown})
        assert shown == "Hi Mia, glad you are here. Cara"
        assert page.text_area(key=f"reply-{mia}").value == ""

    def test_a_file_goes_with_its_words_and_a_refusal_keeps_both(self, plyo_server: PlyoServer, talk: str) -> None:
        page = draw(messages, plyo_server)
        mia = talk.rpartition("/")[2]
        page.text_area(key=f"reply-{mia}").set_value("Your plan").run()
        page.get("file_uploader")[0].set_value(("plan.pdf", b"%PDF-1.4", "application/pdf")).run()
        plyo_server.refusals[f"POST {talk}/attachments"] = (422, {"detail": "That file cannot be sent.", "code": "x"})
        page.button(key=f"send-{mia}").click().run()
        assert page.error[0].value == "That file cannot be sent."
        assert page.text_area(key=f"reply-{mia}").value == "Your plan"
        del plyo_server.refusals[f"POST {talk}/attachments"]
        page.button(key=f"send-{mia}").click().run()
        assert plyo_server.acted[-1][:3] == (
            "POST", f"{talk}/attachments", {"name": "plan.pdf", "content": "JVBERi0xLjQ=", "body": "Your plan"},
        )  # fmt: skip

    def test_sends_later_on_the_clients_clock_and_takes_it_back(self, plyo_server: PlyoServer, talk: str) -> None:
        page = draw(messages, plyo_server)
        mia = talk.rpartition("/")[2]
        assert "Goes out Mon 2 Feb, 08:00, America/New York" in [one.value for one in page.caption]
        page.button(key="cancel-s1").click().run()
        assert plyo_server.acted[-1][1] == "api/engagement/scheduled-messages/s1/cancellation"
        page.toggle(key=f"later-{mia}").set_value(True).run()
        page.date_input(key=f"day-{mia}").set_value(date(2026, 5, 4)).run()
        page.text_area(key=f"reply-{mia}").set_value("Big day").run()
        page.button(key=f"send-{mia}").click().run()
        told = {"body": "Big day", "local_at": "2026-05-04T09:00:00", "files": []}
        assert plyo_server.acted[-1][:3] == ("POST", f"{talk}/scheduled", told)

    def test_a_file_waits_with_its_words(self, plyo_server: PlyoServer, talk: str) -> None:
        page = draw(messages, plyo_server)
        mia = talk.rpartition("/")[2]
        page.toggle(key=f"later-{mia}").set_value(True).run()
        page.date_input(key=f"day-{mia}").set_value(date(2026, 5, 4)).run()
        page.get("file_uploader")[0].set_value(("plan.pdf", b"%PDF-1.4", "application/pdf")).run()
        page.button(key=f"send-{mia}").click().run()
        file = {"name": "plan.pdf", "content": "JVBERi0xLjQ="}
        told = {"body": "", "local_at": "2026-05-04T09:00:00", "files": [file]}
        assert plyo_server.acted[-1][:3] == ("POST", f"{talk}/scheduled", told)

    def test_what_waits_is_changed_and_a_refusal_keeps_what_was_typed(self, plyo_server: PlyoServer, talk: str) -> None:
        page = draw(messages, plyo_server)
        assert "With map.pdf, plan.pdf" in [one.value for one in page.caption]
        page.button(key="change-s1").click().run()
        assert page.text_area(key="body-s1").value == "Good luck"
        page.text_area(key="body-s1").set_value("Break a leg")
        page.date_input(key="day-s1").set_value(date(2026, 2, 3))
        page.multiselect(key="keep-s1").set_value(["f2"])
        there = "api/engagement/scheduled-messages/s1"
        plyo_server.refusals[f"PUT {there}"] = (404, {"detail": "It has left already.", "code": "x"})
        page.button(key="save-s1").click().run()
        assert "It has left already." in [one.value for one in page.error]
        assert page.text_area(key="body-s1").value == "Break a leg"
        del plyo_server.refusals[f"PUT {there}"]
        page.button(key="save-s1").click().run()
        assert not page.exception
        told = {"body": "Break a leg", "local_at": "2026-02-03T08:00:00", "keep": ["f2"], "files": []}
        assert plyo_server.acted[-1][:3] == ("PUT", there, told)
        assert "Good luck" in [one.value for one in page.text], "shown as it is again"

    def test_templates_are_kept_changed_and_forgotten(self, plyo_server: PlyoServer, talk: str) -> None:
        kept = {"id": "t1", "name": "Welcome", "body": "Hi {{first_name}}", "updated_at": "2026-01-05T09:00:00Z"}
        plyo_server.answers["api/engagement/templates"] = {"items": [kept]}
        page = draw(messages, plyo_server)
        page.selectbox(key="wording").set_value("t1").run()
        page.text_area(key="wording-body").set_value("Hi {{nickname}}").run()
        plyo_server.refusals["POST api/engagement/templates"] = (422, {"detail": "There is no nickname.", "code": "x"})
        page.button(key="wording-save").click().run()
        assert page.error[0].value == "There is no nickname."
        assert page.text_area(key="wording-body").value == "Hi {{nickname}}"
        page.text_area(key="wording-body").set_value("Hey {{first_name}}").run()
        plyo_server.refusals.clear()
        page.button(key="wording-save").click().run()
        told = {"name": "Welcome", "body": "Hey {{first_name}}"}
        assert plyo_server.acted[-1][:3] == ("POST", "api/engagement/templates", told)
        assert page.text_area(key="wording-body").value == ""
        page.selectbox(key="wording").set_value("t1").run()
        page.button(key="wording-forget").click().run()
        assert not page.exception
        assert plyo_server.acted[-1][:2] == ("DELETE", "api/engagement/templates/t1")

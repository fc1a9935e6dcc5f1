"""Connecting by the page, and the feed that calendar apps read."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.core.database import session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.scheduling.calendars.errors import CalendarRefused
from operational_api.scheduling.calendars.models import (
    BusyTime,
    CalendarConnection,
    CalendarFeed,
    CalendarPush,
    CalendarSecret,
)
from operational_api.scheduling.models import Coach
from operational_api.scheduling.service import bookings, connections
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.scheduling.settings import CalendarSettings
from tests.conftest import sqlalchemy_url
from tests.factories import account_of, make_booking, make_client, make_coach, make_pack, make_slot
from tests.fakes.google_calendar import app as google_app
from tests.operational_api.conftest import ISSUER, SignIn
from tests.operational_api.scheduling.calendars.steps import shown, work
from tests.operational_api.scheduling.calendars.worlds import CaldavWorld, FeedWorld, GoogleWorld

KEY = "k" * 40
NOW = datetime.now(UTC)
DAY = (NOW + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)


def settings_of(google: GoogleWorld) -> CalendarSettings:
    return CalendarSettings(
        public_url=ISSUER, calendar_keys=SecretStr(KEY), calendar_private_networks="127.0.0.0/8",
        calendar_google_client_id=google.grants.client_id,
        calendar_google_client_secret=SecretStr(google.grants.client_secret),
        calendar_google_authorize_url=f"{google.url}/authorize", calendar_google_token_url=f"{google.url}/token",
        calendar_google_revoke_url=f"{google.url}/revoke", calendar_google_api_url=google.url + google_app.API,
    )  # fmt: skip


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session, display_name="Ana")


@pytest.fixture
def browser(session: Session, app: FastAPI, google: GoogleWorld, sign_in: SignIn, coach: Coach) -> TestClient:
    """Ana's."""
    app.state.calendar_settings = settings_of(google)
    return sign_in(account_of(session, coach))


def connected(session: Session) -> list[CalendarConnection]:
    session.expire_all()
    return list(session.scalars(select(CalendarConnection).where(CalendarConnection.state != "ended")))


class TestOauth:
    @pytest.mark.asvs("10.1.2", "10.2.1")
    def test_there_and_back(self, session: Session, browser: TestClient, google: GoogleWorld) -> None:
        assert "Connect Google Calendar" in browser.get("/calendars").text
        away = browser.post("/calendars/connect/google").headers["location"]
        asked = parse_qs(urlsplit(away).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["access_type"] == ["offline"]
        back = httpx.get(away).headers["location"]
        path = back.removeprefix(ISSUER)
        forged = browser.get(path.replace("state=", "state=x"))
        assert forged.status_code == 303
        assert connected(session) == []
        assert browser.get(path).headers["location"] == "/calendars"
        (row,) = connected(session)
        assert (row.provider, row.calendar_id, row.is_read, row.is_written) == ("google", "ana@plyo.test", True, True)
        assert "Ana" in browser.get("/calendars").text
        browser.get(path)  # the trip is over: its answer does not count twice
        assert len(google.grants.refresh_tokens) == 1
        kept = connections.open_secret(session.scalars(select(CalendarSecret)).one(), Sealer([KEY]))
        assert kept["refresh_token"] in google.grants.refresh_tokens

    def test_going_back_connects_nothing(self, session: Session, browser: TestClient) -> None:
        away = browser.post("/calendars/connect/google").headers["location"]
        state = parse_qs(urlsplit(away).query)["state"][0]
        answer = browser.get(f"/calendars/connect/google/callback?error=access_denied&state={state}")
        assert answer.headers["location"] == "/calendars"
        assert connected(session) == []

    def test_disconnecting_takes_out_what_is_ours_and_gives_the_leave_back(
        self, session: Session, browser: TestClient, google: GoogleWorld, worker: CalendarWorker, coach: Coach
    ) -> None:
        make_booking(session, slot=make_slot(session, coach=coach, starts_at=DAY))
        back = httpx.get(browser.post("/calendars/connect/google").headers["location"]).headers["location"]
        browser.get(back.removeprefix(ISSUER))
        (row,) = connected(session)
        (token,) = google.grants.refresh_tokens
        google.grants.revoked.clear()
        work(session, worker)
        assert len(shown(google)) == 1
        assert "our sessions are taken out of it" in browser.get("/calendars").text
        for _ in range(2):
            assert browser.post(f"/calendars/{row.id}/end").status_code == 303
        page = browser.get("/calendars").text
        assert "Disconnecting" in page
        assert "One session is still to be taken out of it" in page
        google.store.faults.append((503, ""))
        assert worker.push_next()
        assert "does not answer right now" in browser.get("/calendars").text
        (one,) = browser.get("/api/scheduling/calendar-connections").json()["items"]
        assert (one["state"], one["leaves_by"] is not None) == ("leaving", True)
        assert google.grants.revoked == []
        session.execute(update(CalendarPush).values(due_at=NOW))
        work(session, worker)
        assert shown(google) == []
        assert google.grants.revoked == [token]
        assert connected(session) == []
        assert "No calendar yet" in browser.get("/calendars").text

    @pytest.mark.parametrize("by", ["page", "api"])
    def test_who_will_not_wait_is_told_what_stays(
        self, session: Session, browser: TestClient, google: GoogleWorld, worker: CalendarWorker, coach: Coach, by: str
    ) -> None:
        make_booking(session, slot=make_slot(session, coach=coach, starts_at=DAY))
        back = httpx.get(browser.post("/calendars/connect/google").headers["location"]).headers["location"]
        browser.get(back.removeprefix(ISSUER))
        (row,) = connected(session)
        work(session, worker)
        if by == "page":
            browser.post(f"/calendars/{row.id}/end", data={"at_once": "true"})
        else:
            assert browser.delete(f"/api/scheduling/calendar-connections/{row.id}?at_once=true").status_code == 204
        work(session, worker)
        assert connected(session) == []
        assert len(google.grants.revoked) == 1
        page = browser.get("/calendars").text
        assert "Google Calendar" in page
        assert "One of your sessions may still be in it. Please delete it there." in page
        assert f"/calendars/{row.id}/end" not in page

    def test_what_is_not_set_up_is_not_offered(self, browser: TestClient) -> None:
        assert "Connect Outlook" not in browser.get("/calendars").text
        assert browser.post("/calendars/connect/microsoft").headers["location"] == "/calendars"


def test_a_coach_reads_which_sessions_are_booked_while_they_are_busy(
    session: Session, app: FastAPI, browser: TestClient, sign_in: SignIn, coach: Coach
) -> None:
    mia = make_client(session, coach=coach)
    booking = make_booking(session, slot=make_slot(session, coach=coach, starts_at=DAY), customer_id=mia.id)
    assert "Booked while you are busy elsewhere" not in browser.get("/calendars").text
    row = connections.connect(
        session, account_id=coach.id, provider="caldav", calendar_id="a", label="", secret={}, sealer=Sealer([KEY]),
        now=NOW,
    )  # fmt: skip
    session.add(
        BusyTime(connection_id=row.id, coach_id=coach.id, external_id="1", starts_at=DAY, ends_at=booking.ends_at)
    )
    session.flush()
    page = browser.get("/calendars").text
    assert "Booked while you are busy elsewhere" in page
    assert "Personal training" in page
    assert "Booked while you are busy" not in sign_in(account_of(session, mia)).get("/calendars").text


class TestForms:
    def test_caldav_and_a_wrong_password_that_loses_nothing(
        self, session: Session, browser: TestClient, caldav: CaldavWorld
    ) -> None:
        form = {"url": caldav.url, "username": "ana", "password": "not-it-1"}
        refused = browser.post("/calendars/caldav", data=form)
        assert "refuses this name and password" in refused.text
        assert f'value="{caldav.url}"' in refused.text
        assert "not-it-1" not in refused.text
        assert browser.post("/calendars/caldav", data=form | {"password": "s3cret"}).status_code == 303
        (row,) = connected(session)
        assert row.provider == "caldav"

    def test_an_address_that_is_no_calendar_says_why(
        self, session: Session, browser: TestClient, feed: FeedWorld
    ) -> None:
        feed.state["content"] = b"<html>"
        assert "BEGIN:VCALENDAR" in browser.post("/calendars/feeds", data={"address": feed.url, "name": "Work"}).text
        private = browser.post("/calendars/feeds", data={"address": "https://10.0.0.1/a.ics", "name": "Work"})
        assert "cannot be used" in private.text
        feed.add(DAY)
        assert browser.post("/calendars/feeds", data={"address": feed.url, "name": "Work"}).status_code == 303
        (row,) = connected(session)
        assert (row.label, row.is_written) == ("Work", False)
        told = browser.get("/api/scheduling/calendar-connections").json()["items"]
        assert told[0]["label"] == "Work"
        assert feed.url not in str(told) + browser.get("/calendars").text


class TestFeed:
    def test_shows_bookings_until_it_is_revoked(
        self, session: Session, app: FastAPI, api: TestClient, google: GoogleWorld, sign_in: SignIn, coach: Coach
    ) -> None:
        app.state.calendar_settings = settings_of(google)
        mia = make_client(session, coach=coach)
        make_pack(session, customer_id=mia.id)
        first, other = (make_slot(session, coach=coach, starts_at=DAY + timedelta(hours=n)) for n in (0, 2))
        booking = bookings.book_session(session, customer_id=mia.id, slot_id=first.id, now=NOW)
        make_booking(session, slot=other)  # somebody else's
        browser = sign_in(account_of(session, mia))
        address = browser.post("/api/scheduling/calendar-feeds").json()["url"].removeprefix(ISSUER)
        assert address in browser.get("/calendars").text
        answer = api.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/calendar")
        assert answer.headers["cache-control"] == "private, no-cache"
        calendar = icalendar.Calendar.from_ical(answer.content)
        (event,) = calendar.walk("VEVENT")
        assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == (f"{booking.id}@plyo", 0, "CONFIRMED")
        assert event["DTSTART"].dt == DAY
        assert event["DTSTART"].params["TZID"] == "Europe/Berlin"
        (zone,) = calendar.walk("VTIMEZONE")
        assert zone["TZID"] == "Europe/Berlin"
        assert zone.to_tz().utcoffset(DAY.replace(tzinfo=None)) == DAY.astimezone(ZoneInfo("Europe/Berlin")).utcoffset()
        again = api.get(address, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        bookings.cancel_booking(session, booking_id=booking.id, now=NOW)
        later = api.get(address, headers={"If-None-Match": answer.headers["etag"]})
        (event,) = icalendar.Calendar.from_ical(later.content).walk("VEVENT")
        assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == (f"{booking.id}@plyo", 1, "CANCELLED")
        assert later.headers["last-modified"]
        new = browser.post("/api/scheduling/calendar-feeds").json()["url"].removeprefix(ISSUER)
        assert api.get(address).status_code == 404
        assert api.get(new).status_code == 200
        browser.post("/calendars/address", data={"action": "end"})
        assert api.get(new).status_code == 404

    def test_no_address_is_guessed(
        self, session: Session, app: FastAPI, api: TestClient, google: GoogleWorld, coach: Coach
    ) -> None:
        app.state.calendar_settings = settings_of(google)
        feed = CalendarFeed(account_id=coach.id, created_at=NOW)
        session.add(feed)
        session.flush()
        for token in (feed.id.hex, f"{feed.id.hex}-", f"{feed.id.hex}-{'A' * 43}", "x", "-", "é"):
            assert api.get(f"/api/scheduling/calendar-feeds/{token}.ics").status_code == 404


def test_of_workers_that_find_a_token_old_one_renews_it(fresh_database: Callable[[], str], google: GoogleWorld) -> None:
    engine = create_engine(sqlalchemy_url(fresh_database()), connect_args={"options": "-c timezone=UTC"})
    sessions = session_factory(engine, viewer=lambda: SYSTEM)
    grants = google.grants
    told = grants.issue()
    with sessions.begin() as session:
        coach = make_coach(session)
        row = connections.connect(
            session, account_id=coach.id, provider="google", calendar_id="a", label="", sealer=Sealer([KEY]), now=NOW,
            secret={"access_token": "old", "refresh_token": str(told["refresh_token"])}, expires_at=NOW,
        )  # fmt: skip
        id_ = row.id
    grants.rotates, grants.refreshes = True, 0  # a second refresh with the same token would be refused
    both = threading.Barrier(4)
    tokens: list[str] = []

    def ask() -> None:
        worker = CalendarWorker(sessions, settings_of(google))
        both.wait(20)
        tokens.append(worker.access_token(id_))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(tokens) == 4
    assert len(set(tokens)) == 1
    assert grants.refreshes == 1
    with sessions.begin() as session:
        session.get_one(CalendarSecret, id_).expires_at = NOW
    grants.refresh_tokens.clear()
    with pytest.raises(CalendarRefused):
        CalendarWorker(sessions, settings_of(google)).access_token(id_)
    grants.rotates = False
    engine.dispose()

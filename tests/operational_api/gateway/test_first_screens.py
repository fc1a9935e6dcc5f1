"""First screens: everything in one call, and what is slow or down is left out in time and named."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.tokens import ANALYTICS, InvalidToken, Verifier
from operational_api.gateway.bff import admin, composition, customer
from operational_api.gateway.bff.composition import Asker, compose
from operational_api.identity.models import Account
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_exercise,
    make_programme,
    make_slot,
    make_subscription,
    make_workout,
)
from tests.operational_api.conftest import ISSUER, SignIn

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


class TestCompose:
    def ask(self, app: FastAPI, parts: dict[str, composition.Part], **seconds: float) -> composition.Screen:
        return compose(app.state.sessions, new_id(), parts, now=NOW, **seconds)

    def test_a_slow_context_is_left_out_in_time(self, app: FastAPI) -> None:
        def slow(asker: Asker) -> object:
            return asker.session.execute(text("select pg_sleep(60)")).scalar()

        began = time.monotonic()
        found = self.ask(app, {"slow": slow, "fast": lambda asker: 1}, part_seconds=0.2)
        assert time.monotonic() - began < 20
        assert found.missing == {"slow": "late"}
        assert found.parts == {"fast": 1}

    def test_a_screen_has_a_time_as_a_whole(self, app: FastAPI) -> None:
        def slow(asker: Asker) -> object:
            return asker.session.execute(text("select pg_sleep(60)")).scalar()

        began = time.monotonic()
        found = self.ask(app, dict.fromkeys("abcdef", slow), part_seconds=0.2, screen_seconds=0.3)
        assert time.monotonic() - began < 20
        assert set(found.missing.values()) == {"late"}
        assert len(found.missing) == 6

    def test_one_that_fails_is_named_and_spoils_no_other(self, app: FastAPI) -> None:
        def broken(asker: Asker) -> object:
            return asker.session.execute(text("select 1 / 0")).scalar()

        found = self.ask(app, {"broken": broken, "fine": lambda asker: asker.session.scalar(text("select 2"))})
        assert (found.parts, found.missing) == ({"fine": 2}, {"broken": "failed"})

    def test_the_time_of_a_part_ends_with_it(self, app: FastAPI, session: Session) -> None:
        before = session.scalar(text("show statement_timeout"))
        self.ask(app, {"one": lambda asker: asker.session.scalar(text("show statement_timeout"))})
        assert session.scalar(text("show statement_timeout")) == before

    def test_parts_change_nothing(self, app: FastAPI, session: Session) -> None:
        account = make_account(session, display_name="Mia")

        def rename(asker: Asker) -> None:
            asker.session.get_one(Account, account.id).display_name = "Tom"
            asker.session.flush()

        assert self.ask(app, {"rename": rename}).missing == {}
        session.refresh(account)
        assert account.display_name == "Mia"


class TestCustomer:
    def test_has_it_all_in_one_call(self, session: Session, sign_in: SignIn) -> None:
        coach = make_coach(session, display_name="Ana Keller")
        mia = make_client(session, coach=coach)
        make_subscription(session, customer_id=mia.id)
        make_booking(session, slot=make_slot(session, coach=coach), customer_id=mia.id)
        found = sign_in(account_of(session, mia)).get("/api/bff/customer").json()
        assert not found["is_partial"]
        assert found["next_session"]["coach_name"] == found["coach"] == "Ana Keller"
        assert found["membership"]["plan"]["status"] == "active"
        assert (found["unread"], found["workout"]) == (0, None)

    def test_shows_no_workout_while_a_health_answer_waits(self, session: Session, sign_in: SignIn) -> None:
        mia = make_client(session)
        today = datetime.now(ZoneInfo(mia.time_zone)).date()
        movement = make_exercise(session)
        programme = make_programme(session, client=mia, exercises=[movement], starts_on=today)
        planned = make_workout(session, client=mia, programme=programme, scheduled_on=today, title="Legs, day 1")
        phone = sign_in(account_of(session, mia))
        assert phone.get("/api/bff/customer").json()["workout"]["workout_id"] == str(planned.id)
        assert "Legs, day 1" in phone.get("/home").text
        assert movement.name in phone.get(f"/training/log?workout={planned.id}").text
        mia.on_hold_since = datetime.now(UTC)
        session.flush()
        found = phone.get("/api/bff/customer").json()
        assert (found["workout"], found["is_on_hold"]) == (None, True)
        home = phone.get("/home").text
        assert "Legs, day 1" not in home
        assert "Training is on hold" in home
        assert movement.name not in phone.get(f"/training/log?workout={planned.id}").text

    def test_leads_who_is_new_to_setting_up_until_they_are_through(self, session: Session, sign_in: SignIn) -> None:
        now = datetime.now(UTC)
        new, old = (make_client(session, joined_at=now - timedelta(days=days)) for days in (1, 90))
        phone = sign_in(account_of(session, new))

        def asked() -> tuple[object, bool, bool]:
            page = phone.get("/home").text
            step = phone.get("/api/bff/customer").json()["setting_up"]
            return step, 'href="/welcome"' in page, "Five short steps" in page

        assert asked() == ("goal", True, True)
        phone.post("/welcome/goal", data={"action": "skip"})
        assert asked() == ("screening", True, False)
        for step in ("screening", "consents", "plan", "booking"):
            phone.post(f"/welcome/{step}", data={"action": "skip"})
        assert asked() == (None, False, False)
        phone = sign_in(account_of(session, old))
        assert asked() == (None, False, False)

    def test_says_what_is_missing(self, session: Session, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(composition, "PART_SECONDS", 0.2)
        monkeypatch.setitem(customer.PARTS, "coach", lambda asker: asker.session.scalar(text("select 1 / 0")))
        found = sign_in(account_of(session, make_client(session))).get("/api/bff/customer").json()
        assert found["is_partial"]
        assert found["missing"] == {"coach": "failed"}
        assert found["coach"] is None

    @pytest.mark.asvs("8.2.1")
    def test_each_screen_is_for_its_own(self, session: Session, sign_in: SignIn, api: TestClient) -> None:
        for screen in ("customer", "coach", "admin"):
            assert api.get(f"/api/bff/{screen}").status_code == 401
            for role in {"customer", "coach", "admin"} - {screen}:
                assert sign_in(make_account(session, role=role)).get(f"/api/bff/{screen}").status_code == 403


class TestCoach:
    def test_sees_the_day_and_its_people(self, session: Session, sign_in: SignIn) -> None:
        coach = make_coach(session)
        soon = datetime.now(UTC) + timedelta(hours=3)
        for starts_at in (soon, soon + timedelta(days=3)):
            mia = make_client(session, coach=coach, display_name="Mia Berg")
            make_booking(session, slot=make_slot(session, coach=coach, starts_at=starts_at), customer_id=mia.id)
        found = sign_in(account_of(session, coach)).get("/api/bff/coach").json()
        assert not found["is_partial"]
        assert [one["customer_name"] for one in found["sessions"]] == ["Mia Berg"]
        assert (found["clients"], found["suggestions"], found["unread"]) == (2, [], 0)
        assert (found["sessions"][0]["status"], found["account_id"]) == ("booked", str(coach.id))
        assert found["screens"][0] == "today"
        assert found["staff_pages"].keys() == {"/staff", "/staff/today", "/staff/book", "/staff/commissions"}
        assert found["person"] == {"display_name": coach.display_name, "time_zone": "Europe/Berlin"}


FIGURE: dict[str, Any] = {
    "label": "", "definition": "", "unit": "money", "relation": "", "sql": "", "freshness": {"state": "fresh"},
    "points": [],
}  # fmt: skip


def analytics(app: FastAPI, *, asked: list[Any], answer: Response | None = None) -> TestClient:
    """A service that answers like analytics, to who brings a token made for it."""
    verifier = Verifier(lambda _: app.state.keys.public(), issuer=ISSUER, audience=ANALYTICS)
    stand_in = FastAPI()

    @stand_in.get("/api/analytics/{path:path}")
    def read(path: str, request: Request) -> Response:
        try:
            asked.append(verifier.claims(request.headers["authorization"].removeprefix("Bearer ")))
        except InvalidToken:
            return JSONResponse({}, 401)
        if answer is not None:
            return answer
        if path == "freshness":
            return JSONResponse({"state": "fresh"})
        points = [
            {"at": f"2026-{month}-01", "value": value, "currency": currency}
            for month, value in (("10", 1.0), ("11", 2.0))
            for currency in ("EUR", "VND")
        ]
        if path.startswith("datasets/"):
            rows = [{"day": f"2026-11-{day}", "currency": one, "active_members": n}
                    for day in (1, 2) for n, one in enumerate(("EUR", "VND"))]  # fmt: skip
            return JSONResponse({"items": rows})
        told = FIGURE | {"label": path, "points": points}
        return JSONResponse(told)

    return TestClient(stand_in)


class TestAdmin:
    def test_sees_figures_asked_in_their_name(self, app: FastAPI, session: Session, sign_in: SignIn) -> None:
        asked: list[Any] = []
        app.state.analytics_client = analytics(app, asked=asked)
        account = make_account(session, role="admin")
        found = sign_in(account).get("/api/bff/admin").json()
        assert not found["is_partial"], found["missing"]
        assert found["figures"].keys() == set(admin.FIGURES)
        assert found["figures"]["mrr"]["points"][-1] == {"at": "2026-11-01", "value": 2.0, "currency": "VND"}
        assert found["currencies"] == ["VND", "EUR"]
        assert (found["freshness"], found["connectors"]) == ("fresh", [])
        assert (found["account_id"], found["screens"][0]) == (str(account.id), "overview")
        assert found["person"]["display_name"] == account.display_name
        assert {told["sub"] for told in asked} == {str(account.id)}
        assert {told["act"]["sub"] for told in asked} == {"plyo-api"}

    def test_goes_on_without_analytics(self, app: FastAPI, session: Session, sign_in: SignIn) -> None:
        admin_browser = sign_in(make_account(session, role="admin"))
        for client, why in (
            (analytics(app, asked=[], answer=JSONResponse({}, 503)), "failed"),
            (httpx.Client(base_url="http://127.0.0.1:9"), "failed"),
        ):
            app.state.analytics_client = client
            found = admin_browser.get("/api/bff/admin").json()
            assert found["missing"] == dict.fromkeys(["currencies", *admin.FIGURES, "freshness"], why)
            assert (found["connectors"], found["figures"]) == ([], {})

    def test_waits_for_analytics_no_longer_than_it_has(self, app: FastAPI, session: Session, sign_in: SignIn) -> None:
        def hang(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("still waiting", request=request)

        app.state.analytics_client = httpx.Client(base_url="http://analytics", transport=httpx.MockTransport(hang))
        found = sign_in(make_account(session, role="admin")).get("/api/bff/admin").json()
        assert found["missing"]["mrr"] == "late"

    def test_waits_for_the_slowest_figure_and_not_for_their_sum(
        self, app: FastAPI, session: Session, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(composition, "PART_SECONDS", 20)
        monkeypatch.setattr(composition, "SCREEN_SECONDS", 40)
        at_once = threading.Barrier(4, timeout=20)

        def answer(request: httpx.Request) -> httpx.Response:
            if "metrics/" in request.url.path:
                at_once.wait()  # nobody is answered before four have asked
            return httpx.Response(200, json={"state": "fresh", "items": []} | FIGURE, request=request)

        app.state.analytics_client = httpx.Client(base_url="http://analytics", transport=httpx.MockTransport(answer))
        found = sign_in(make_account(session, role="admin")).get("/api/bff/admin").json()
        assert found["figures"].keys() == set(admin.FIGURES), found["missing"]

    def test_each_role_is_asked_about_what_it_sees(self, app: FastAPI, session: Session, sign_in: SignIn) -> None:
        for role, has_currencies, screens in (
            ("finance", True, ["metrics", "revenue", "data"]), ("data", False, ["metrics", "connectors", "data"]),
        ):  # fmt: skip
            app.state.analytics_client = analytics(app, asked=[])
            found = sign_in(make_account(session, role=role)).get("/api/bff/admin").json()
            assert (found["missing"], found["figures"], found["screens"]) == ({}, {}, screens)
            assert (found["currencies"] is not None) == has_currencies

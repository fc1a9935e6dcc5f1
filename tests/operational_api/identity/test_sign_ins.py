"""Sign-ins through the real pages: what is noted, what the person sees, "this wasn't me", and the admin's list."""

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from operational_api.core.models import AuditEntry
from operational_api.identity.models import Account, SignInAttempt
from tests.browser import Browser
from tests.operational_api.conftest import ISSUER, access_token
from tests.operational_api.identity.conftest import PASSWORD, Mailbox, enter, log_in

MakeAccount = Callable[..., Account]


def attempts_of(app: FastAPI, account: Account) -> list[SignInAttempt]:
    with app.state.sessions() as session:
        mine = select(SignInAttempt).where(SignInAttempt.account_id == account.id).order_by(SignInAttempt.attempted_at)
        return list(session.scalars(mine))


def audited(app: FastAPI, account: Account) -> list[tuple[str, str]]:
    with app.state.sessions() as session:
        mine = select(AuditEntry).where(AuditEntry.subject_id == account.id).order_by(AuditEntry.sequence)
        return [(row.action, row.outcome) for row in session.scalars(mine)]


@pytest.mark.asvs("16.3.1")
class TestSigningIn:
    def test_every_try_is_noted_and_audited(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia = make_account()
        browser = Browser(app)
        assert log_in(browser, mia.email, "a wrong password").status_code == 401
        assert log_in(browser, mia.email).status_code == 303
        wrong, right = attempts_of(app, mia)
        assert (wrong.outcome, wrong.decision, right.outcome, right.decision) == (
            "wrong_password", None, "signed_in", "allow",
        )  # fmt: skip
        assert (right.is_known_device, right.device_key != "") == (False, True)
        assert right.session_id is not None
        assert audited(app, mia) == [("identity.sign_in", "failed"), ("identity.sign_in", "done")]
        browser.get("/account")
        log_in(browser, mia.email)
        assert attempts_of(app, mia)[-1].is_known_device
        assert attempts_of(app, mia)[-1].device_key == right.device_key

    def test_an_address_that_nobody_has_is_a_key_only(self, app: FastAPI) -> None:
        log_in(Browser(app), "nobody-here@plyo.test", "a wrong password")
        with app.state.sessions() as session:
            row = session.scalar(select(SignInAttempt).where(SignInAttempt.account_id.is_(None)))
        assert row is not None
        assert "nobody" not in row.account_key

    def test_signing_out_is_audited(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia = make_account()
        enter(app, mia).submit("/auth/logout")
        assert audited(app, mia)[-1] == ("identity.end_session", "done")

    def test_a_gateway_that_tells_no_place_is_not_believed(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia = make_account()
        browser = Browser(app)
        browser.headers["CF-IPCountry"] = "VN"
        log_in(browser, mia.email)
        assert attempts_of(app, mia)[0].country == ""


class TestPage:
    def test_shows_what_was_decided_and_why(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia = make_account()
        browser = enter(app, mia)
        with app.state.sessions.begin() as session:
            row = session.scalar(select(SignInAttempt).where(SignInAttempt.account_id == mia.id))
            values = {column.name: getattr(row, column.name) for column in SignInAttempt.__table__.columns}
            reason = {"feature": "device", "text": "A browser that has not signed in before", "points": 2.0}
            stranger = {"id": mia.id, "decision": "step_up", "outcome": "step_up", "session_id": None, "country": "VN"}
            session.add(SignInAttempt(**values | stranger | {"reasons": [reason | {"numbers": {}}]}))
        page = browser.get("/account/sign-ins").text
        assert "Asked for a second proof" in page
        assert "A browser that has not signed in before" in page
        assert "Vietnam" in page
        assert "place not known" in page
        assert page.count('/dispute"') == 1
        assert page.count("This device") == 1
        assert "points" not in page

    def test_is_for_those_who_signed_in(self, app: FastAPI) -> None:
        assert "/login" in str(Browser(app).get("/account/sign-ins").url)

    def test_not_me_ends_every_session_stops_the_password_and_sends_a_link(
        self, app: FastAPI, make_account: MakeAccount, mailbox: Mailbox
    ) -> None:
        mia = make_account()
        thief, owner = enter(app, mia), enter(app, mia)
        stolen = attempts_of(app, mia)[0]
        owner.get("/account/sign-ins")
        landed = owner.submit(f"/account/sign-ins/{stolen.id}/dispute")
        assert landed.status_code == 200
        assert mia.email in landed.text
        for browser in (thief, owner):
            assert "/login" in str(browser.get("/account").url)
        assert log_in(Browser(app), mia.email, PASSWORD).status_code == 401
        assert mailbox.link(mia.email).startswith("/reset-password?token=")
        assert ("identity.dispute_sign_in", "done") in audited(app, mia)

    def test_nobody_disputes_for_others(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia, noah = make_account(), make_account()
        enter(app, mia)
        browser = enter(app, noah)
        assert browser.submit(f"/account/sign-ins/{attempts_of(app, mia)[0].id}/dispute").status_code == 404


class TestLists:
    def client(self, app: FastAPI, account: Account) -> TestClient:
        return TestClient(app, base_url=ISSUER, headers={"Authorization": f"Bearer {access_token(app, account)}"})

    def test_of_oneself_without_numbers(self, app: FastAPI, make_account: MakeAccount) -> None:
        mia = make_account()
        log_in(Browser(app), mia.email)
        [row] = self.client(app, mia).get("/api/identity/me/sign-ins").json()["items"]
        assert (row["outcome"], row["decision"], row["reasons"]) == ("signed_in", "allow", [])
        assert "score" not in row

    def test_of_everybody_for_admins_with_numbers_and_by_decision(
        self, app: FastAPI, make_account: MakeAccount
    ) -> None:
        mia, admin = make_account(), make_account(role="admin")
        log_in(Browser(app), mia.email)
        with app.state.sessions.begin() as session:
            row = session.scalar(select(SignInAttempt).where(SignInAttempt.account_id == mia.id))
            row.decision, row.score = "refuse", 12.5
            row.reasons = [{"feature": "travel", "text": "Too far", "points": 4.0, "numbers": {"logins": 3}}]
        ada = self.client(app, admin)
        asked = {"decision": "refuse", "account_id": str(mia.id)}
        [found] = ada.get("/api/identity/sign-ins", params=asked).json()["items"]
        assert (found["score"], found["reasons"][0]["numbers"]) == (12.5, {"logins": 3})
        assert ada.get("/api/identity/sign-ins", params=asked | {"decision": "step_up"}).json()["items"] == []
        assert found["id"] in {row["id"] for row in ada.get("/api/identity/sign-ins").json()["items"]}
        assert ("identity.read_sign_ins", "done") in audited(app, mia)

    def test_of_everybody_is_for_admins(self, app: FastAPI, make_account: MakeAccount) -> None:
        assert self.client(app, make_account(role="coach")).get("/api/identity/sign-ins").status_code == 403

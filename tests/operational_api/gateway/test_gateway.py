"""The gate in front of internal tools, the front page, and a home that survives a part being down."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session, sessionmaker

from contracts.ids import new_id
from operational_api.core.principal import Principal
from operational_api.gateway.bff.composition import Asker, compose
from operational_api.gateway.bff.customer import PARTS
from tests.browser import Browser


def sign_in(app: FastAPI, role: str) -> Principal:
    found = Principal(role=role, client_id="plyo-app", account_id=new_id(), display_name="Mia Santos")
    app.state.authenticators.append(lambda _: found)
    return found


class TestAuthorize:
    def ask(self, app: FastAPI, **headers: str) -> Any:
        return Browser(app).get(
            "/gateway/authorize?action=gateway.open_pipelines", headers={"X-Forwarded-Uri": "/dagster/runs"} | headers,
            follow_redirects=False,
        )  # fmt: skip

    def test_sends_a_guest_to_sign_in_and_back(self, app: FastAPI) -> None:
        answer = self.ask(app)
        assert answer.status_code == 303
        assert answer.headers["location"] == "http://testserver/auth/login?return_to=%2Fdagster%2Fruns"

    def test_sends_nobody_elsewhere(self, app: FastAPI) -> None:
        answer = self.ask(app, **{"X-Forwarded-Uri": "//evil.test"})
        assert answer.headers["location"] == "http://testserver/auth/login?return_to=%2F"

    @pytest.mark.parametrize("role", ["customer", "coach"])
    def test_tells_other_roles_no(self, app: FastAPI, role: str) -> None:
        sign_in(app, role)
        answer = self.ask(app)
        assert answer.status_code == 403
        assert "for admin accounts" in answer.text

    def test_lets_an_admin_pass(self, app: FastAPI) -> None:
        known = sign_in(app, "admin")
        answer = self.ask(app)
        assert answer.status_code == 204
        assert answer.headers["x-plyo-principal"] == str(known.account_id)


class TestWarehouseDocs:
    def test_are_dbts_page_which_can_do_nothing_in_our_name(self, app: FastAPI, tmp_path: Path) -> None:
        sign_in(app, "data")
        page = tmp_path / "index.html"
        page.write_text("<!doctype html><script>all of it</script>")
        app.state.settings = app.state.settings.model_copy(update={"warehouse_docs": page})
        answer = Browser(app).get("/warehouse/docs")
        assert (answer.status_code, answer.text) == (200, page.read_text())
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-scripts")
        assert "allow-same-origin" not in policy
        assert "connect-src" not in policy
        assert "default-src 'none'" in policy

    def test_say_how_to_get_them_where_there_are_none(self, app: FastAPI, tmp_path: Path) -> None:
        sign_in(app, "admin")
        app.state.settings = app.state.settings.model_copy(update={"warehouse_docs": tmp_path / "none"})
        answer = Browser(app).get("/warehouse/docs")
        assert answer.status_code == 200
        assert "document_marts" in answer.text

    def test_are_not_for_coaches(self, app: FastAPI) -> None:
        sign_in(app, "coach")
        assert Browser(app).get("/warehouse/docs").status_code == 403


class TestWarehouseQuality:
    SUMMARY = {
        "judged_at": "2026-11-26T12:00:00+00:00", "pages": "20261126T120000",
        "tables": [
            {"table": "commerce__plans", "rows": 4, "newest": None, "reasons": {}, "aside": {}, "has_page": True},
            {"table": "stripe__charges", "rows": 9, "newest": None, "reasons": {"amount is less than 0": 2},
             "aside": {"amount is less than 0": 2}, "has_page": True},
        ],
        "distances": [
            {"day": "2026-11-26", "relation": "marts.training.fct_wearable_days", "field": "sleep_minutes",
             "before_rows": 900, "now_rows": 120, "distance": 0.3, "allowed": 0.28, "is_drift": True,
             "moved": "nothing: 1% before, 20% now"},
        ],
    }  # fmt: skip

    @pytest.fixture
    def judged(self, app: FastAPI, tmp_path: Path) -> FastAPI:
        (tmp_path / "20261126T120000").mkdir()
        (tmp_path / "20261126T120000" / "stripe__charges.html").write_text("<!doctype html>its page")
        (tmp_path / "summary.json").write_text(json.dumps(self.SUMMARY))
        app.state.settings = app.state.settings.model_copy(update={"warehouse_quality": tmp_path})
        return app

    def test_tells_of_every_table_findings_first_and_of_drift(self, judged: FastAPI) -> None:
        sign_in(judged, "data")
        page = Browser(judged).get("/warehouse/quality").text
        assert page.index("stripe__charges") < page.index("commerce__plans")
        assert "amount is less than 0 (2)" in page
        assert "nothing: 1% before, 20% now" in page
        assert 'href="/warehouse/docs"' in page

    def test_shows_the_librarys_page_of_a_table_on_which_nothing_runs(self, judged: FastAPI) -> None:
        sign_in(judged, "data")
        answer = Browser(judged).get("/warehouse/quality/stripe__charges")
        assert (answer.status_code, answer.text) == (200, "<!doctype html>its page")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox; default-src 'none'")
        assert "script" not in policy

    @pytest.mark.parametrize("table", ["commerce__plans", "no_such_table"])
    def test_knows_no_page_of_a_table_that_has_none(self, judged: FastAPI, table: str) -> None:
        sign_in(judged, "data")
        assert Browser(judged).get(f"/warehouse/quality/{table}").status_code == 404

    @pytest.mark.parametrize("table", ["..%2Fsummary.json", "summary.json", "A"])
    def test_leads_to_no_other_file(self, judged: FastAPI, table: str) -> None:
        sign_in(judged, "data")
        assert Browser(judged).get(f"/warehouse/quality/{table}").status_code in (404, 422)

    def test_says_how_to_get_it_where_there_is_none(self, app: FastAPI, tmp_path: Path) -> None:
        sign_in(app, "admin")
        app.state.settings = app.state.settings.model_copy(update={"warehouse_quality": tmp_path / "none"})
        assert "judge_raw" in Browser(app).get("/warehouse/quality").text
        assert Browser(app).get("/warehouse/quality/stripe__charges").status_code == 404

    def test_is_not_for_coaches(self, judged: FastAPI) -> None:
        sign_in(judged, "coach")
        assert Browser(judged).get("/warehouse/quality").status_code == 403
        assert Browser(judged).get("/warehouse/quality/stripe__charges").status_code == 403


class TestFrontPage:
    def test_sells_and_leads_on(self, app: FastAPI) -> None:
        page = Browser(app).get("/")
        assert page.status_code == 200
        assert 'href="/plans"' in page.text
        assert 'href="/signup"' in page.text


class TestHome:
    def test_greets_somebody_who_is_new(self, app: FastAPI) -> None:
        sign_in(app, "customer")
        page = Browser(app).get("/home")
        assert page.status_code == 200
        assert re.search(r"Good (morning|afternoon|evening), Mia", page.text)
        assert "Nothing booked yet" in page.text
        assert "not available right now" not in page.text

    @pytest.mark.asvs("16.5.2")
    def test_a_part_that_fails_leaves_a_gap_and_no_more(self, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(asker: Asker) -> object:
            raise RuntimeError("down")

        monkeypatch.setitem(PARTS, "membership", broken)
        sign_in(app, "customer")
        page = Browser(app).get("/home")
        assert page.status_code == 200
        assert "Some of this page is not available" in page.text
        assert "Membership</h2>" not in page.text
        assert "Nothing booked yet" in page.text

    def test_every_part_has_an_answer_for_a_stranger(self, app: FastAPI) -> None:
        found = compose(app.state.sessions, new_id(), PARTS, now=datetime.now(UTC), part_seconds=10, screen_seconds=60)
        assert found.missing == {}
        assert found.parts.keys() == PARTS.keys()

    def test_each_part_has_a_transaction_of_its_own(self, app: FastAPI) -> None:
        seen: list[Session] = []
        factory: sessionmaker[Session] = app.state.sessions

        def note(asker: Asker) -> None:
            seen.append(asker.session)

        compose(factory, new_id(), {"a": note, "b": note}, now=datetime.now(UTC))
        assert seen[0] is not seen[1]

    def test_consoles_people_are_sent_to_their_console(self, app: FastAPI) -> None:
        sign_in(app, "coach")
        assert Browser(app).get("/home", follow_redirects=False).headers["location"] == "/coach/"

"""The GraphQL facade: who sees which field, how much may be asked, in how many SQL statements, and with which codes."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from graphql import parse, validate
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.errors import DomainError
from operational_api.gateway.graphql import limits, persisted
from operational_api.gateway.graphql.schema import SCHEMA
from operational_api.scheduling.models import Coach
from operational_api.training.models import Client, Injury
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_plan,
    make_slot,
    make_subscription,
)
from tests.operational_api.conftest import SignIn

ROSTER = "{ clients(first: 50) { items { id membership { status } nextSession { title } injuries { bodyPart } } } }"


def ask(client: TestClient, query: str | None = None, /, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/graphql", json={"query": query, **body} if query else body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refusal(client: TestClient, query: str | None = None, /, **body: Any) -> tuple[int, str]:
    answer = client.post("/api/graphql", json={"query": query, **body} if query else body)
    return answer.status_code, answer.json()["code"]


def hash_named(name: str) -> str:
    return next(sha256 for sha256, (known, _) in persisted.listed().items() if known == name)


def codes(answer: dict[str, Any]) -> dict[str, str]:
    return {".".join(map(str, one["path"])): one["extensions"]["code"] for one in answer.get("errors", [])}


@pytest.fixture
def ana(session: Session) -> Coach:
    return make_coach(session, display_name="Ana Keller")


@pytest.fixture
def mia(session: Session, ana: Coach) -> Client:
    """A member with a coach, a session and a sore knee."""
    client = make_client(session, coach=ana, display_name="Mia Berg")
    make_subscription(session, customer_id=client.id)
    make_booking(session, slot=make_slot(session, coach=ana), customer_id=client.id)
    session.add(Injury(id=new_id(), customer_id=client.id, body_part="knee", severity=2, occurred_on=date(2026, 1, 5)))
    session.flush()
    return client


class TestFieldsBelongToWhoMaySeeThem:
    def card(self, client: TestClient, customer: Client) -> dict[str, Any]:
        return ask(client, sha256=hash_named("client_card"), variables={"id": str(customer.id)})

    def test_one_sees_oneself(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        found = self.card(sign_in(account_of(session, mia)), mia)
        assert "errors" not in found
        assert found["data"]["client"]["displayName"] == "Mia Berg"
        assert found["data"]["client"]["coach"]["displayName"] == "Ana Keller"
        assert found["data"]["client"]["membership"]["status"] == "active"
        assert found["data"]["client"]["nextSession"]["title"] == "Personal training"
        assert found["data"]["client"]["injuries"][0]["bodyPart"] == "knee"

    def test_who_helps_with_ones_class_is_told_by_graph_screen_and_page(
        self, session: Session, sign_in: SignIn, ana: Coach, mia: Client
    ) -> None:
        soon = datetime.now(UTC) + timedelta(hours=3)
        lesson = make_slot(session, coach=ana, starts_at=soon, capacity=8, title="Mobility")
        make_booking(session, slot=lesson, customer_id=mia.id)
        ben = make_coach(session, display_name="Ben Cole")
        make_slot(session, coach=ben, starts_at=soon, capacity=0, kind="assist", assists_id=lesson.id, title="Mobility")
        client = sign_in(account_of(session, mia))
        told = ask(client, sha256=hash_named("my_next_session"))["data"]["client"]["nextSession"]
        assert (told["title"], told["coach"]["displayName"]) == ("Mobility", "Ana Keller")
        assert told["assistantNames"] == ["Ben Cole"]
        assert client.get("/api/bff/customer").json()["next_session"]["assistant_names"] == ["Ben Cole"]
        assert "Mobility with Ana Keller and Ben Cole" in client.get("/home").text

    def test_the_coach_sees_their_client(self, session: Session, sign_in: SignIn, ana: Coach, mia: Client) -> None:
        found = self.card(sign_in(account_of(session, ana)), mia)
        assert "errors" not in found
        assert found["data"]["client"]["injuries"][0]["severity"] == 2

    @pytest.mark.asvs("8.2.3")
    def test_an_admin_sees_all_but_health(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        found = self.card(sign_in(make_account(session, role="admin")), mia)
        assert found["data"]["client"]["membership"]["status"] == "active"
        assert found["data"]["client"]["injuries"] is None
        assert codes(found) == {"client.injuries": "gateway.field_forbidden"}

    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("role", ["customer", "coach"])
    def test_anothers_client_is_like_a_missing_one(
        self, session: Session, sign_in: SignIn, mia: Client, role: str
    ) -> None:
        stranger = sign_in(make_account(session, role=role))
        theirs = self.card(stranger, mia)
        missing = ask(stranger, sha256=hash_named("client_card"), variables={"id": str(new_id())})
        assert theirs == missing
        assert codes(theirs) == {"client": "core.not_found"}

    def test_a_guest_sees_what_is_for_sale_and_no_more(self, session: Session, api: TestClient, mia: Client) -> None:
        plan = make_plan(session)
        found = ask(api, sha256=hash_named("price_list"))
        assert plan.code in {one["code"] for one in found["data"]["plans"]}
        assert codes(self.card(api, mia)) == {"client": "core.unauthenticated"}
        assert codes(ask(api, sha256=hash_named("coach_roster"))) == {"clients": "core.unauthenticated"}

    def test_customers_get_no_list(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        found = ask(sign_in(account_of(session, mia)), sha256=hash_named("coach_roster"))
        assert codes(found) == {"clients": "core.forbidden"}

    def test_a_coachs_list_is_their_own(self, session: Session, sign_in: SignIn, ana: Coach, mia: Client) -> None:
        make_client(session, coach=make_coach(session))
        found = ask(sign_in(account_of(session, ana)), sha256=hash_named("coach_roster"))
        assert [one["id"] for one in found["data"]["clients"]["items"]] == [str(mia.id)]

    def test_lists_have_pages(self, session: Session, sign_in: SignIn, ana: Coach, mia: Client) -> None:
        make_client(session, coach=ana, display_name="Zoe")
        coach, sha256 = sign_in(account_of(session, ana)), hash_named("coach_roster")
        first = ask(coach, sha256=sha256, variables={"first": 1})["data"]["clients"]
        rest = ask(coach, sha256=sha256, variables={"first": 1, "after": first["nextCursor"]})["data"]["clients"]
        assert [one["displayName"] for one in first["items"] + rest["items"]] == ["Mia Berg", "Zoe"]
        assert rest["nextCursor"] is None
        assert codes(ask(coach, sha256=sha256, variables={"first": 51})) == {"clients": "core.invalid"}
        assert codes(ask(coach, sha256=sha256, variables={"after": "nonsense"})) == {"clients": "core.invalid_cursor"}


def test_many_clients_take_as_many_statements_as_one(
    session: Session, sign_in: SignIn, ana: Coach, mia: Client, statements: Callable[[], list[str]]
) -> None:
    coach = sign_in(account_of(session, ana))
    ask(coach, ROSTER)
    statements()
    assert len(ask(coach, ROSTER)["data"]["clients"]["items"]) == 1
    one = len(statements())
    for _ in range(12):
        client = make_client(session, coach=ana)
        make_booking(session, customer_id=client.id)
    statements()
    assert len(ask(coach, ROSTER)["data"]["clients"]["items"]) == 13
    assert len(statements()) == one <= 6


class TestHowMuch:
    @pytest.fixture
    def coach(self, session: Session, sign_in: SignIn, ana: Coach) -> TestClient:
        return sign_in(account_of(session, ana))

    @pytest.mark.asvs("4.3.1")
    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("{ clients { items { nextSession { coach { ... { ... { displayName } } } } } } }", 200, ""),
            ("{ clients(first: 50) { items { " + " ".join(f"a{i}: id" for i in range(40)) + " } } }", 422,
             "gateway.query_too_costly"),
            ("{ " + " ".join(f"a{i}: plans {{ code name description }}" for i in range(60)) + " }", 422,
             "gateway.query_too_costly"),
            ("{ a(" + "x" * 19_000 + ") }", 422, "gateway.query_invalid"),
            ("{ " + "me { id } " * 400 + "}", 422, "gateway.query_invalid"),
            ("query A { ...f } fragment f on Query { ...f }", 422, "gateway.query_invalid"),
            ("{ nothing }", 422, "gateway.query_invalid"), ("{", 422, "gateway.query_invalid"),
            ("mutation { me { id } }", 422, "gateway.query_invalid"),
            ("subscription { me { id } }", 422, "gateway.query_invalid"),
        ],
    )  # fmt: skip
    def test_is_measured_before_anything_runs(
        self, coach: TestClient, statements: Callable[[], list[str]], query: str, status: int, code: str
    ) -> None:
        statements()
        answer = coach.post("/api/graphql", json={"query": query})
        assert (answer.status_code, answer.json().get("code", "")) == (status, code)
        if status != 200:
            assert statements() == []

    def test_depth_counts_through_fragments(self) -> None:
        deep = "{ a { ...f } } fragment f on X { b { c { d { e { f { g } } } } } }"
        with pytest.raises(DomainError, match="too deep"):
            limits.check(parse(deep), {})

    def test_a_variable_cannot_hide_how_many_are_asked_for(self) -> None:
        text = "query($n: Int) { clients(first: $n) { items { id } } }"
        small = limits.check(parse(text), {"n": 1})
        assert limits.check(parse(text), {"n": 50}).cost > 20 * small.cost

    def test_each_of_our_own_queries_is_valid_and_small_enough(self) -> None:
        for name, text in persisted.listed().values():
            assert validate(SCHEMA._schema, parse(text)) == [], name
            limits.check(parse(text), {"first": 50})


class TestWhichQueries:
    ME = "{ me { role } }"

    def test_staff_may_ask_anything(self, session: Session, sign_in: SignIn) -> None:
        for role in ("coach", "admin"):
            assert ask(sign_in(make_account(session, role=role)), self.ME)["data"]["me"]["role"] == role

    def test_others_ask_what_our_screens_ask(self, session: Session, sign_in: SignIn, api: TestClient) -> None:
        for client in (api, sign_in(make_account(session))):
            assert refusal(client, self.ME) == (403, "gateway.query_not_listed")
            text = persisted.text_of(hash_named("price_list"))
            assert "plans" in ask(client, text)["data"]

    def test_a_setting_opens_it(self, app: FastAPI, api: TestClient) -> None:
        app.state.settings.graphql_ad_hoc = True
        assert ask(api, self.ME) == {"data": {"me": None}}

    def test_a_hash_is_of_one_text(self, api: TestClient) -> None:
        sha256 = hash_named("price_list")
        assert refusal(api, sha256="0" * 64) == (404, "gateway.query_unknown")
        assert refusal(api, self.ME, sha256=sha256) == (422, "gateway.query_invalid")
        assert refusal(api, variables={}) == (422, "gateway.query_invalid")
        assert ask(api, sha256=sha256.upper())["data"]["plans"] is not None

    def test_they_are_told(self, api: TestClient) -> None:
        rows = api.get("/api/graphql/queries").json()
        assert [row["name"] for row in rows] == [
            "book_session", "cancel_booking", "client_card", "coach_roster", "decide_consents", "log_workout",
            "mark_thread_read", "my_next_session", "my_training", "price_list", "send_message", "set_preferences",
            "set_preferences_and_digests", "update_profile",
        ]  # fmt: skip
        assert all(persisted.hash_of(row["query"]) == row["sha256"] for row in rows)

    @pytest.mark.asvs("4.3.2")
    def test_the_schema_is_not_told_in_production(self, app: FastAPI, session: Session, sign_in: SignIn) -> None:
        admin = sign_in(make_account(session, role="admin"))
        schema = "{ ...s } fragment s on Query { __schema { types { name } } }"
        assert refusal(admin, schema) == (422, "gateway.query_invalid")
        assert refusal(admin, '{ __type(name: "Client") { name } }')[1] == "gateway.query_invalid"
        assert "Did you mean" not in admin.post("/api/graphql", json={"query": "{ plan { code } }"}).text
        app.state.settings.graphql_introspection = True
        assert ask(admin, schema)["data"]["__schema"]["types"]


def test_a_field_that_crashes_tells_nothing_of_why(
    session: Session, sign_in: SignIn, mia: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from operational_api.commerce import public as commerce

    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(commerce, "current_plans", broken)
    found = ask(sign_in(account_of(session, mia)), sha256=hash_named("my_training"))
    assert codes(found) == {"client.membership": "core.unexpected"}
    assert "secret" not in str(found)
    assert found["data"]["client"]["nextSession"]["title"] == "Personal training"
    [error] = found["errors"]
    assert error["extensions"]["trace_id"]

"""Acting by the graph: as by the HTTP API, once for a key, with the same refusals, in the same limits."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from graphql import parse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core import rate_policy
from operational_api.core.models import AuditEntry
from operational_api.core.principal import Principal
from operational_api.engagement.models import Message
from operational_api.gateway.graphql import limits, persisted
from operational_api.gateway.graphql.commands import COMMANDS
from operational_api.gateway.graphql.schema import SCHEMA
from operational_api.identity.models import Account
from operational_api.scheduling.models import Booking
from operational_api.training.models import Client, WorkoutSet
from tests.browser import Browser
from tests.factories import (
    account_of,
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_exercise,
    make_pack,
    make_slot,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.test_matrix import routes_of

NEXT_YEAR = datetime(2027, 3, 3, 9, tzinfo=UTC)
PROBLEM = "problem { code status detail retryAfter fields { field message } }"


def hash_named(name: str) -> str:
    return next(sha256 for sha256, (known, _) in persisted.listed().items() if known == name)


def do(person: TestClient, name: str, *, key: str | None = None, **variables: Any) -> dict[str, Any]:
    """Send one of our screens' mutations, and return its payload."""
    body = {"sha256": hash_named(name), "variables": variables | {"key": key or str(new_id())}}
    answer = person.post("/api/graphql", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert "errors" not in found, found
    [payload] = found["data"].values()
    return dict(payload)


def code_of(payload: dict[str, Any]) -> str | None:
    return payload["problem"] and payload["problem"]["code"]


@pytest.fixture
def mia(session: Session) -> Client:
    client = make_client(session, coach=make_coach(session), display_name="Mia Berg")
    make_pack(session, customer_id=client.id)
    return client


@pytest.fixture
def app_of_mia(session: Session, sign_in: SignIn, mia: Client) -> TestClient:
    return sign_in(account_of(session, mia))


def count(session: Session, table: Any) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


class TestEachStandsForARoute:
    def test_by_its_action(self, app: FastAPI) -> None:
        actions = {route.key: route.action for route in routes_of(app)}
        assert {name: one.action for name, one in COMMANDS.items()} == {
            name: actions[f"{one.method} {one.path}"] for name, one in COMMANDS.items()
        }

    def test_and_all_are_listed_with_a_query_of_our_own(self) -> None:
        kind = SCHEMA._schema.mutation_type
        assert kind is not None
        assert kind.fields.keys() == COMMANDS.keys()
        texts = " ".join(text for _, text in persisted.listed().values())
        assert all(f"{name}(" in texts for name in COMMANDS)
        for name, field in kind.fields.items():
            assert str(field.args["idempotencyKey"].type) == "String!", name


class TestThey:
    def test_book_and_cancel(self, session: Session, app_of_mia: TestClient) -> None:
        slot = make_slot(session)
        booked = do(app_of_mia, "book_session", slotId=str(slot.id))
        assert booked["problem"] is None
        assert booked["booking"]["status"] == "booked"
        read = app_of_mia.get(f"/api/scheduling/bookings/{booked['booking']['id']}").json()
        assert read["starts_at"][:16] == booked["booking"]["startsAt"][:16]
        cancelled = do(app_of_mia, "cancel_booking", bookingId=booked["booking"]["id"])
        assert cancelled["booking"]["status"] == "cancelled"

    def test_log_a_workout(self, session: Session, app_of_mia: TestClient) -> None:
        exercise, id_ = make_exercise(session).id, str(new_id())
        sets = [{"exerciseId": exercise, "reps": 5, "weightKg": 60.0, "rpe": 8.0}] * 2
        logged = do(app_of_mia, "log_workout", workout={"id": id_, "sets": sets})["workout"]
        assert (logged["id"], logged["setCount"], logged["volumeKg"]) == (id_, 2, 600.0)
        assert app_of_mia.get(f"/api/training/workouts/{id_}").json()["set_count"] == 2

    def test_write_and_read_messages(
        self, session: Session, sign_in: SignIn, app_of_mia: TestClient, mia: Client
    ) -> None:
        sent = do(app_of_mia, "send_message", customerId=str(mia.id), body=" Hello ")["message"]
        assert (sent["body"], sent["senderId"]) == ("Hello", str(mia.id))
        coach = sign_in(session.get_one(Account, mia.coach_id))
        assert do(coach, "mark_thread_read", customerId=str(mia.id))["read"] == 1
        assert do(coach, "mark_thread_read", customerId=str(mia.id))["read"] == 0

    def test_change_what_is_ones_own(self, app_of_mia: TestClient) -> None:
        profile = do(app_of_mia, "update_profile", displayName="Mia Fox", timeZone="Asia/Ho_Chi_Minh")["profile"]
        assert app_of_mia.get("/api/identity/me").json()["display_name"] == profile["displayName"] == "Mia Fox"
        quiet = {"allowsNudges": False, "quietFrom": "22:00:00", "quietUntil": "07:00:00"}
        do(app_of_mia, "set_preferences", preferences=quiet)
        assert app_of_mia.get("/api/engagement/preferences").json()["quiet_from"] == "22:00:00"
        lists = {"digests": [{"purpose": "coaching", "pace": "weekly", "hour": 7}]}
        said = do(app_of_mia, "set_preferences_and_digests", preferences=lists, key="l")["preferences"]
        assert said["digests"] == [
            {"purpose": "coaching", "pace": "weekly", "hour": 7}, {"purpose": "marketing", "pace": "at_once", "hour": 8}
        ]  # fmt: skip
        assert app_of_mia.get("/api/engagement/preferences").json()["digests"] == said["digests"]
        wrong = {"digests": [{"purpose": "coaching", "pace": "weekly", "hour": 24}]}
        refused = do(app_of_mia, "set_preferences_and_digests", preferences=wrong, key="w")["problem"]
        assert (refused["status"], refused["code"]) == (422, "core.invalid_request")
        choice = {"dataKind": "sleep", "purpose": "coaching", "isGiven": True}
        rows = do(app_of_mia, "decide_consents", decisions=[choice])["consents"]
        assert [one["dataKind"] for one in rows if one["isGiven"] and one["decidedAt"]] == ["sleep"]


class TestOnceForAKey:
    def test_a_repeat_gets_the_first_answer(self, session: Session, app_of_mia: TestClient) -> None:
        slot = str(make_slot(session, capacity=2).id)
        first = do(app_of_mia, "book_session", slotId=slot, key="k")
        again = do(app_of_mia, "book_session", slotId=slot, key="k")
        assert again == first | {"isReplay": True}
        assert count(session, Booking) == 1

    def test_a_key_is_for_one_request_by_whichever_way(self, session: Session, app_of_mia: TestClient) -> None:
        slot, other = str(make_slot(session).id), str(make_slot(session, starts_at=NEXT_YEAR).id)
        do(app_of_mia, "book_session", slotId=slot, key="k")
        assert code_of(do(app_of_mia, "book_session", slotId=other, key="k")) == "core.key_reused"
        assert code_of(do(app_of_mia, "cancel_booking", bookingId=slot, key="k")) == "core.key_reused"
        by_rest = app_of_mia.post("/api/scheduling/bookings", json={"slot_id": other}, headers={"Idempotency-Key": "k"})
        assert by_rest.json()["code"] == "core.key_reused"
        app_of_mia.post("/api/scheduling/bookings", json={"slot_id": other}, headers={"Idempotency-Key": "rest"})
        assert code_of(do(app_of_mia, "book_session", slotId=other, key="rest")) == "core.key_reused"

    def test_a_key_is_of_one_person(self, session: Session, sign_in: SignIn, app_of_mia: TestClient) -> None:
        do(app_of_mia, "update_profile", displayName="Mia", timeZone="UTC", key="k")
        tom = sign_in(make_account(session))
        assert not do(tom, "update_profile", displayName="Mia", timeZone="UTC", key="k")["isReplay"]

    def test_a_refusal_leaves_it_free_and_nothing_behind(self, session: Session, app_of_mia: TestClient) -> None:
        exercise, id_ = make_exercise(session).id, str(new_id())
        bad = {"id": id_, "sets": [{"exerciseId": exercise, "reps": 5}, {"exerciseId": 2_000_000_000, "reps": 5}]}
        assert code_of(do(app_of_mia, "log_workout", workout=bad, key="k")) == "training.unknown_exercise"
        assert count(session, WorkoutSet) == 0
        good = {"id": id_, "sets": bad["sets"][:1]}
        assert do(app_of_mia, "log_workout", workout=good, key="k")["workout"]["setCount"] == 1

    @pytest.mark.parametrize("key", ["", "x" * 256, "a\0b"])
    def test_it_is_needed(self, app_of_mia: TestClient, key: str) -> None:
        body = {"sha256": hash_named("update_profile")}
        variables = {"displayName": "M", "timeZone": "UTC"}
        found = app_of_mia.post("/api/graphql", json=body | {"variables": variables | {"key": key}}).json()
        assert found["data"]["updateProfile"]["problem"]["code"] == "core.invalid"
        without = app_of_mia.post("/api/graphql", json=body | {"variables": variables}).json()
        assert without["errors"][0]["extensions"]["code"] == "gateway.query_invalid"

    def test_one_that_is_refused_spoils_no_other_of_the_request(
        self, app: FastAPI, session: Session, app_of_mia: TestClient, mia: Client
    ) -> None:
        app.state.settings.graphql_ad_hoc = True
        text = f"""mutation {{
            a: sendMessage(customerId: "{mia.id}", body: "one", idempotencyKey: "1") {{ {PROBLEM} }}
            b: bookSession(slotId: "{new_id()}", idempotencyKey: "2") {{ {PROBLEM} }}
            c: sendMessage(customerId: "{mia.id}", body: "two", idempotencyKey: "3") {{ {PROBLEM} }}
        }}"""
        found = app_of_mia.post("/api/graphql", json={"query": text}).json()["data"]
        assert {name: code_of(one) for name, one in found.items()} == {
            "a": None, "b": "scheduling.slot_not_found", "c": None,
        }  # fmt: skip
        assert sorted(session.scalars(select(Message.body))) == ["one", "two"]


class TestRefusals:
    def test_have_the_codes_of_the_http_api(self, session: Session, sign_in: SignIn, app_of_mia: TestClient) -> None:
        theirs = str(make_booking(session).id)
        by_rest = app_of_mia.post(f"/api/scheduling/bookings/{theirs}/cancellation").json()
        by_graph = do(app_of_mia, "cancel_booking", bookingId=theirs)["problem"]
        assert {name: by_graph[name] for name in ("code", "status", "detail")} == {
            name: by_rest[name] for name in ("code", "status", "detail")
        }
        missing = do(app_of_mia, "cancel_booking", bookingId=str(new_id()))["problem"]
        assert missing | {"traceId": ""} == by_graph | {"traceId": ""}

    def test_name_the_values_that_do_not_pass(self, app_of_mia: TestClient) -> None:
        bad = {"id": str(new_id()), "sets": [{"exerciseId": 1, "reps": -1}]}
        problem = do(app_of_mia, "log_workout", workout=bad)["problem"]
        assert (problem["code"], problem["fields"][0]["field"]) == ("core.invalid_request", "sets.0.reps")

    def test_of_a_role_are_told_and_written_down(self, session: Session, sign_in: SignIn, api: TestClient) -> None:
        slot = str(make_slot(session).id)
        assert code_of(do(api, "book_session", slotId=slot)) == "core.unauthenticated"
        admin = make_account(session, role="admin")
        assert code_of(do(sign_in(admin), "book_session", slotId=slot)) == "core.forbidden"
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.actor_id == admin.id)).all()
        assert (entry.action, entry.outcome, entry.object_id) == ("scheduling.book", "refused", "bookSession")

    @pytest.mark.asvs("4.3.1")
    def test_how_many_at_once_is_measured_before_anything_runs(self, session: Session, sign_in: SignIn) -> None:
        coach = sign_in(account_of(session, make_coach(session)))
        one = 'updateProfile(displayName: "C", timeZone: "UTC", idempotencyKey: "%s") { isReplay }'
        many = "mutation { " + " ".join(f"a{n}: {one % n}" for n in range(8)) + " }"
        hidden = "mutation { ...f } fragment f on Mutation { " + " ".join(f"a{n}: {one % n}" for n in range(8)) + " }"
        for text in (many, hidden):
            answer = coach.post("/api/graphql", json={"query": text})
            assert (answer.status_code, answer.json()["code"]) == (422, "gateway.query_too_costly")
        assert limits.check(parse(many.replace("a7: " + one % 7, "")), {}).cost <= limits.COSTLIEST

    def test_customers_send_only_those_of_our_screens(self, app_of_mia: TestClient) -> None:
        text = 'mutation { updateProfile(displayName: "x", timeZone: "UTC", idempotencyKey: "1") { isReplay } }'
        answer = app_of_mia.post("/api/graphql", json={"query": text})
        assert (answer.status_code, answer.json()["code"]) == (403, "gateway.query_not_listed")

    def test_they_count_as_the_routes_they_stand_for(
        self, app: FastAPI, session: Session, app_of_mia: TestClient
    ) -> None:
        app.state.limiter.factor = 1.0
        allowed = rate_policy.limit_of("POST", "/api/scheduling/bookings").amount
        for _ in range(allowed - 1):
            app_of_mia.post("/api/scheduling/bookings", json={})
        assert code_of(do(app_of_mia, "book_session", slotId=str(new_id()))) == "scheduling.slot_not_found"
        problem = do(app_of_mia, "book_session", slotId=str(new_id()))["problem"]
        assert (problem["code"], problem["status"]) == ("core.rate_limited", 429)
        assert problem["retryAfter"] > 0


class TestForgery:
    """A browser's session is no proof that the request is of our own page."""

    @pytest.mark.asvs("3.5.1")
    def test_a_session_cookie_needs_the_token_as_everywhere(self, app: FastAPI, session: Session) -> None:
        account = make_account(session, display_name="Mia")
        person = Principal(role="customer", client_id="plyo-app", account_id=account.id, display_name="Mia")
        app.state.authenticators.append(lambda request: person if "plyo_session" in request.cookies else None)
        browser = Browser(app)
        browser.cookies.set("plyo_session", "of-mia")
        variables = {"displayName": "Eve", "timeZone": "UTC", "key": "k"}
        body = {"sha256": hash_named("update_profile"), "variables": variables}
        as_json = {"Accept": "application/json"}
        for forged in ({}, {"Content-Type": "text/plain"}, {"X-CSRF-Token": "0" * 64}):
            answer = browser.post("/api/graphql", json=body, headers=as_json | forged)
            assert (answer.status_code, answer.json()["code"]) == (403, "web.csrf_failed")
        assert account.display_name == "Mia"
        browser.get("/plans")
        answer = browser.post("/api/graphql", json=body, headers=as_json | {"X-CSRF-Token": browser.csrf_token})
        assert answer.json()["data"]["updateProfile"]["profile"]["displayName"] == "Eve"

    def test_a_token_needs_none(self, app_of_mia: TestClient) -> None:
        app_of_mia.cookies.set("plyo_session", "anything")
        assert do(app_of_mia, "update_profile", displayName="Mia", timeZone="UTC")["problem"] is None

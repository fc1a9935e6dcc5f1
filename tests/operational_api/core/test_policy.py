"""Who may do what to which object: the rules, what must never be, and a second writing of the rules beside them."""

import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import cedarpy
import pytest
import regopy
from fastapi import FastAPI
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from contracts.ids import new_id
from operational_api.core import policy
from operational_api.core.errors import NotFound
from operational_api.core.policy import Resource, UnknownAction, decide, is_allowed, may, require
from operational_api.core.principal import ROLES, Principal
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CUSTOMER, COACH, OTHER = new_id(), new_id(), new_id()
ACTIONS = sorted(policy.actions())
PERMITTED = {role: [action for action in ACTIONS if may(role, action)] for role in ("guest", *ROLES)}
APPROVALS = (
    "commerce.approve_refund", "compliance.approve_export", "identity.approve_factor_reset", "identity.approve_role",
)  # fmt: skip
NOT_FOR_ONESELF = (
    "commerce.decide_parked", "commerce.give_credit", "commerce.issue_credit_note", "commerce.record_payout",
    "commerce.request_refund", "commerce.settle_waiting",
    "identity.request_factor_reset",
    "identity.request_role",
)  # fmt: skip


def resource(kind: str | None = None) -> Resource:
    return Resource("Booking", new_id(), customer_id=CUSTOMER, coach_id=COACH, kind=kind)


def allowed(role: str, account: UUID | None, action: str, what: Resource) -> bool:
    return bool(decide(role, account, action, what, now=NOW).allowed)


class TestPolicies:
    @pytest.mark.asvs("8.1.1")
    def test_speak_of_nothing_that_the_schema_does_not_know(self) -> None:
        assert policy.policies() is not None
        checked = cedarpy.validate_policies(
            'permit (principal, action == Action::"training.read_everything", resource);',
            policy._file("schema.cedarschema"),
        )
        assert not checked.validation_passed

    def test_name_every_action_of_the_schema(self) -> None:
        declared = policy._file("schema.cedarschema").split("appliesTo")[0].split("\naction\n")[1]
        assert {one.strip().strip('"') for one in declared.split(",")} == policy.actions()

    def test_an_action_of_nobody_is_a_mistake_and_not_a_no(self) -> None:
        with pytest.raises(UnknownAction):
            is_allowed(Principal("admin", "tests", new_id()), "commerce.refund", resource())

    @pytest.mark.parametrize(
        ("said", "about"),
        [
            ("permit (principal, action, resource) when { resource has customer };", True),
            ("permit (principal, action, resource) when { resource has expires_at && resource.expires_at <= "
             "context.now };", True),
            ("permit (principal, action, resource) when { context.now > 5 };", False),
            ('permit (principal, action, resource) when { resource.customer like "a*" };', False),
            ('permit (principal, action, resource) when { resource == Object::"Booking/1" };', False),
            ('permit (principal == Principal::"admin/1", action, resource);', False),
            (f'permit (principal, action, resource) when {{ resource.customer == "{CUSTOMER}" }};', False),
        ],
    )  # fmt: skip
    def test_ask_of_ids_only_which_are_the_same(self, said: str, about: bool) -> None:
        (one,) = json.loads(cedarpy.policies_to_json_str(f'@id("a")\n{said}'))["staticPolicies"].values()
        if about:
            policy.demand_sameness(one)
            return
        with pytest.raises(policy.BadPolicy):
            policy.demand_sameness(one)


class TestQuestionsThatAreAlike:
    def test_are_answered_as_cedar_answers_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chance, asked, ask = random.Random(7), list[object](), cedarpy.is_authorized
        people = [new_id() for _ in range(4)]

        def anybody() -> UUID | None:
            return chance.choice([None, *people])

        def counted(*question: Any) -> cedarpy.AuthzResult:
            asked.append(question)
            return ask(*question)

        monkeypatch.setattr(cedarpy, "is_authorized", counted)
        policy._answers.clear()
        for _ in range(1500):
            role, action, account = chance.choice(ROLES), chance.choice(ACTIONS), chance.choice(people)
            what = Resource(
                "Any", new_id(), customer_id=anybody(), coach_id=anybody(), requested_by=anybody(),
                location_id=anybody(), payer_id=anybody(), kind=chance.choice([None, "health", "business"]),
                assistants=chance.choice([None, frozenset(chance.sample(people, 2))]),
            )  # fmt: skip
            locations = chance.choice([None, frozenset(chance.sample(people, 2))])
            request, entities = policy.question(role, account, action, what, now=NOW, locations=locations)
            answer = decide(role, account, action, what, now=NOW, locations=locations)
            assert answer.allowed == ask(request, policy.policies_about(action), entities).allowed
        asked.clear()
        for one in people[1:]:
            decide("customer", one, "scheduling.book", Resource("Booking", new_id(), customer_id=one, coach_id=COACH))
        assert len(asked) <= 1

    def test_are_no_two_where_something_expires(self) -> None:
        what = Resource("Refund", new_id(), customer_id=CUSTOMER, requested_by=OTHER, expires_at=NOW)
        told = [
            decide("finance", COACH, "commerce.approve_refund", what, now=NOW + timedelta(seconds=late)).allowed
            for late in (-1, 1, -1)
        ]
        assert told == [True, False, True]


class TestIsAllowed:
    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize(
        ("role", "account_id", "kind", "expected"),
        [
            ("customer", CUSTOMER, None, True),
            ("customer", CUSTOMER, "health", True),
            ("customer", CUSTOMER, "business", False),
            ("customer", COACH, None, False),
            ("coach", COACH, None, True),
            ("coach", COACH, "health", True),
            ("coach", CUSTOMER, None, False),
            ("lead_coach", COACH, "health", True),
            ("lead_coach", OTHER, None, True),
            ("lead_coach", OTHER, "health", False),
            ("admin", OTHER, None, True),
            ("admin", OTHER, "business", True),
            ("admin", OTHER, "health", False),
            ("support", OTHER, None, False),
            ("finance", OTHER, None, False),
            ("data", OTHER, None, False),
            ("service", None, None, False),
        ],
    )
    def test_follows_the_policies(self, role: str, account_id: UUID | None, kind: str | None, expected: bool) -> None:
        principal = Principal(role=role, client_id="tests", account_id=account_id)
        assert is_allowed(principal, "training.read_workouts", resource(kind)) is expected

    def test_a_coach_sees_of_a_wearable_what_its_customer_consents_to(self) -> None:
        night = {"customer_id": CUSTOMER, "coach_id": COACH, "kind": "health", "data_kind": "sleep"}
        given = Resource("WearableDay", "x", consents=frozenset({"sleep", "daily"}), **night)
        refused = Resource("WearableDay", "x", consents=frozenset({"daily"}), **night)
        assert allowed("coach", COACH, "analytics.read_client", given)
        assert not allowed("coach", COACH, "analytics.read_client", refused)
        assert not allowed("coach", COACH, "analytics.read_client", Resource("WearableDay", "x", **night))
        assert allowed("customer", CUSTOMER, "analytics.read_client", refused)


class TestAssistants:
    """Who assists a class sees who comes, checks them in and writes to them. The class stays its coach's."""

    @pytest.mark.parametrize("role", ["coach", "lead_coach"])
    def test_do_what_helps_and_no_more(self, role: str) -> None:
        alone = {one for one in policy.actions() if allowed(role, OTHER, one, resource("business"))}
        about = Resource("Slot", "x", customer_id=CUSTOMER, coach_id=COACH, kind="business")
        helped = replace(about, assistants=frozenset({OTHER}))
        more = {
            "scheduling.mark_outcome", "scheduling.read_booking", "scheduling.read_class", "scheduling.write_notice",
        }  # fmt: skip
        assert {one for one in policy.actions() if allowed(role, OTHER, one, helped)} == alone | more
        assert not allowed("coach", OTHER, "scheduling.mark_outcome", replace(about, assistants=frozenset({CUSTOMER})))
        assert not allowed("customer", OTHER, "scheduling.read_class", replace(helped, kind=None))


class TestSegregationOfDuties:
    """Nobody approves what they asked for, what is about themselves, or what was asked too long ago."""

    @pytest.mark.parametrize("action", APPROVALS)
    def test_whoever_asked_does_not_approve(self, action: str) -> None:
        asked = Resource("Request", "x", requested_by=CUSTOMER, expires_at=NOW + timedelta(days=1))
        assert allowed("admin", OTHER, action, asked)
        assert not allowed("admin", CUSTOMER, action, asked)

    @pytest.mark.parametrize("action", [*APPROVALS, *NOT_FOR_ONESELF])
    def test_nobody_approves_what_is_about_themselves(self, action: str) -> None:
        about = Resource("Request", "x", requested_by=COACH, customer_id=CUSTOMER)
        assert allowed("admin", OTHER, action, about)
        assert not allowed("admin", CUSTOMER, action, about)

    @pytest.mark.parametrize("action", APPROVALS)
    def test_what_was_asked_too_long_ago_is_asked_again(self, action: str) -> None:
        assert allowed("admin", OTHER, action, Resource("R", "x", expires_at=NOW + timedelta(seconds=1)))
        assert not allowed("admin", OTHER, action, Resource("R", "x", expires_at=NOW))

    @pytest.mark.parametrize("action", ["identity.approve_factor_reset", "identity.request_factor_reset"])
    def test_admins_alone_reset_the_factors_of_colleagues(self, action: str) -> None:
        colleague = Resource("Reset", "x", customer_id=CUSTOMER, kind="business")
        assert allowed("admin", OTHER, action, colleague)
        assert not allowed("support", OTHER, action, colleague)
        assert allowed("support", OTHER, action, Resource("Reset", "x", customer_id=CUSTOMER))

    def test_the_front_desk_looks_up_customers_and_not_colleagues(self) -> None:
        assert allowed("front_desk", OTHER, "identity.look_up_person", Resource("Account", "x"))
        assert not allowed("front_desk", OTHER, "identity.look_up_person", Resource("Account", "x", kind="business"))
        assert allowed("support", OTHER, "identity.look_up_person", Resource("Account", "x", kind="business"))

    def test_an_export_is_opened_by_who_asked_for_it(self) -> None:
        made = Resource("Export", "x", requested_by=OTHER, kind="business")
        assert allowed("data", OTHER, "compliance.open_export", made)
        assert not allowed("admin", COACH, "compliance.open_export", made)

    def test_support_asks_and_never_approves(self) -> None:
        assert may("support", "commerce.request_refund")
        assert not may("support", "commerce.approve_refund")


class TestRequire:
    def test_answers_like_a_missing_object(self) -> None:
        class BookingNotFound(NotFound):
            """No such booking."""

        with pytest.raises(BookingNotFound):
            require(
                Principal("customer", "tests", COACH), "scheduling.read_booking", resource(), missing=BookingNotFound
            )


class TestLog:
    @pytest.mark.asvs("16.2.1", "16.3.2")
    def test_says_who_was_refused_what_and_where(self, app: FastAPI, session: Session, sign_in: SignIn) -> None:
        person = make_account(session, role="support")
        with capture_logs() as lines:
            assert sign_in(person).get("/api/identity/role-grants").status_code == 403
        [refused] = [line for line in lines if line["event"] == "policy_refused"]
        assert refused | {"log_level": "info"} == {
            "event": "policy_refused", "log_level": "info", "action": "identity.read_role_grants", "role": "support",
            "principal": str(person.id), "path": "/api/identity/role-grants",
        }  # fmt: skip

    @pytest.mark.asvs("16.3.2")
    def test_says_by_which_rule_an_object_was_refused(self) -> None:
        theirs = Resource("Injury", "x", customer_id=CUSTOMER, coach_id=COACH, kind="health")
        with capture_logs() as lines:
            assert not is_allowed(Principal("customer", "tests", OTHER), "training.read_injuries", theirs)
        [decided] = lines
        assert (decided["allowed"], decided["resource"]) == (False, "Injury/x")
        assert decided["because"] == ["health data is for the customer and their coach"]


class TestNoPath:
    """From a coach to another coach's client, and from a customer to another customer, whatever the action."""

    EVERYBODYS = frozenset(action for action in policy.actions() if may("guest", action) or may("service", action)) | {
        "identity.keep_account", "gateway.see_home", "gateway.read_screens", "gateway.ask_anything",
        "engagement.keep_inbox", "engagement.set_preferences",
    }  # fmt: skip

    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("role", ["coach", "customer"])
    def test_leads_to_somebody_elses(self, role: str) -> None:
        rng = random.Random(4)
        kinds, tried = (None, "health", "business"), 0
        for action, kind in product(sorted(policy.actions() - self.EVERYBODYS), kinds):
            me, them, their_coach = (UUID(int=rng.getrandbits(128)) for _ in range(3))
            theirs = Resource(
                "Any", new_id(), customer_id=them, coach_id=rng.choice([their_coach, None]), kind=kind,
                requested_by=rng.choice([None, me, them]), assistants=rng.choice([None, frozenset({their_coach})]),
            )  # fmt: skip
            assert not allowed(role, me, action, theirs), (action, kind)
            tried += 1
        assert tried > 150

    def test_leads_to_health_data_but_for_the_customer_and_their_coach(self) -> None:
        theirs = Resource("Injury", "x", customer_id=CUSTOMER, coach_id=COACH, kind="health")
        for role, action in product(("guest", *ROLES), sorted(policy.actions() - self.EVERYBODYS)):
            assert not allowed(role, None if role in ("guest", "service") else OTHER, action, theirs), (role, action)


@dataclass(frozen=True)
class Asked:
    """A random request, near enough to the rules that about half of what is asked for is allowed."""

    role: str
    account: UUID | None
    action: str
    what: Resource
    locations: frozenset[UUID] | None = None

    @classmethod
    def at_random(cls, rng: random.Random, number: int) -> "Asked":
        people = [UUID(int=n) for n in range(1, 4)]
        works_at = dict(zip(people, (None, frozenset(people[:2]), frozenset()), strict=True))
        role = rng.choice(["guest", *ROLES])
        account = None if role in ("guest", "service") else rng.choice(people)
        return cls(
            role,
            account,
            rng.choice(PERMITTED[role] if rng.random() < 0.7 else ACTIONS),
            Resource(
                "Any", str(number),
                customer_id=rng.choice([*people, None]), coach_id=rng.choice([*people, None]),
                kind=rng.choice([None, None, None, "health", "business"]),
                requested_by=rng.choice([*people, None]),
                expires_at=rng.choice([None, NOW, NOW - timedelta(days=1), NOW + timedelta(seconds=1)]),
                data_kind=rng.choice(["sleep", "body"]) if rng.random() < 0.15 else None,
                consents=rng.choice([None, frozenset(), frozenset({"sleep"}), frozenset({"sleep", "body"})]),
                location_id=rng.choice([None, None, *people]),
                payer_id=rng.choice([*people, None]),
                assistants=rng.choice([None, frozenset(), frozenset(rng.sample(people, 1))]),
            ),
            works_at[account] if account else None,
        )  # fmt: skip

    def in_rego(self) -> dict[str, object]:
        told = {
            "role": self.role, "action": self.action, "object": self.what.attributes(), "now": int(NOW.timestamp()),
        }  # fmt: skip
        if self.locations is not None:
            told["locations"] = sorted(map(str, self.locations))
        return told | ({"account": str(self.account)} if self.account else {})


def cedar(batch: list[Asked]) -> list[bool]:
    """Cedar's decisions on all of them, in one call."""
    requests, entities = [], {}
    for asked in batch:
        request, about = policy.question(
            asked.role, asked.account, asked.action, asked.what, now=NOW, locations=asked.locations
        )
        requests.append(request)
        entities |= {str(entity["uid"]): entity for entity in about}
    answers = cedarpy.is_authorized_batch(requests, policy.policies(), list(entities.values()))
    return [bool(answer.allowed) for answer in answers]


class TestDecide:
    def test_asks_of_one_action_what_all_policies_say(self) -> None:
        rng = random.Random(45)
        batch = [Asked.at_random(rng, n) for n in range(1500)]
        for asked, by_all in zip(batch, cedar(batch), strict=True):
            answer = decide(asked.role, asked.account, asked.action, asked.what, now=NOW, locations=asked.locations)
            assert answer.allowed == by_all, asked


class TestMay:
    def test_is_no_narrower_than_any_object_allows(self) -> None:
        """The gate of a route must let everybody pass to whom some object behind it is open."""
        rng = random.Random(5)
        batch = [Asked.at_random(rng, n) for n in range(3000)]
        for asked, is_open in zip(batch, cedar(batch), strict=True):
            assert not is_open or may(asked.role, asked.action), asked


class TestRego:
    @pytest.mark.asvs("8.2.1", "8.2.2")
    @pytest.mark.parametrize("requests", [2_000, pytest.param(10_000, marks=pytest.mark.drill)])
    def test_says_the_same_of_random_requests(self, requests: int) -> None:
        rng = random.Random(20260302)
        rego = regopy.Interpreter()
        rego.add_module("plyo", (Path(__file__).parent / "policy.rego").read_text())
        differing, yes = [], 0
        for start in range(0, requests, 1000):
            batch = [Asked.at_random(rng, start + n) for n in range(1000)]
            rego.set_input({"requests": [asked.in_rego() for asked in batch]})
            said = list(rego.query("data.plyo.decisions").results[0].expressions[0])
            decided = cedar(batch)
            differing += [asked for asked, one, other in zip(batch, decided, said, strict=True) if one is not other]
            yes += sum(decided)
        assert differing == []
        assert requests / 5 < yes < requests / 5 * 4

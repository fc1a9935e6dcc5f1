"""Every route x every role x {own, another's, missing, nobody signed in}, made from the app itself.

`matrix.py` holds what is expected. What a role may not do is refused whatever it asks about; what is another's is
answered exactly as what does not exist; and no answer to one person has anything of a stranger's in it.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.analytics import app as analytics
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.automation.models import Run
from operational_api.core.policy import Gate, may
from operational_api.core.principal import ROLES
from operational_api.engagement.models import Attachment, AttachmentFile, Message, MessageTemplate, ScheduledMessage
from operational_api.gateway.graphql.commands import COMMANDS
from operational_api.gateway.graphql.schema import SCHEMA
from operational_api.identity.models import Account, LinkedLogin, Passkey, SignInAttempt
from operational_api.integrations.models import WearableLink
from operational_api.integrations.settings import IntegrationSettings
from operational_api.scheduling.calendars.models import CalendarConnection
from operational_api.training.models import Injury
from tests.factories import (
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_exercise,
    make_invoice,
    make_login_session,
    make_pack,
    make_programme,
    make_slot,
    make_template,
    make_video,
    make_wellbeing,
    make_workout,
)
from tests.operational_api.automation.conftest import make_rule
from tests.operational_api.conftest import ISSUER, access_token, service_token
from tests.operational_api.matrix import (
    GRAPH,
    MUTATIONS,
    NOBODYS,
    OBJECTS,
    OWN_PROOF,
    ROLES_OF,
    ROUTES_OF,
    SEES_STRANGERS,
    Object,
)

EVERYONE = ("guest", *ROLES)


@dataclass(frozen=True)
class Route:
    """One operation: `GET /path/{id}`, and the action it names."""

    key: str
    action: str | None
    in_description: bool

    @property
    def method(self) -> str:
        return self.key.split()[0]

    @property
    def path(self) -> str:
        return self.key.split()[1]


def routes_of(app: FastAPI) -> list[Route]:
    """Every operation that the app serves, described or not, but files and its own description."""
    found = []
    for route in _walk(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            continue
        gates = [one.call.action for one in dependant.dependencies if isinstance(one.call, Gate)]
        for method in sorted(set(route.methods) - {"HEAD"}):
            found.append(Route(f"{method} {route.path}", gates[-1] if gates else None, route.include_in_schema))
    return found


def _walk(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        if hasattr(route, "effective_candidates"):
            yield from _walk(route.effective_candidates())
        else:
            yield route


SURFACES: list[Callable[[FastAPI], list[Route]]] = [routes_of]
"""What the app is asked through. Another way in (GraphQL) adds what lists its operations as routes."""


class World:
    """Mia of coach Cara and Tom of coach Dan, each with one of everything, and somebody of every role.

    `ids[kind]` is (Mia's, Tom's). `stranger` is what nobody but Tom and Dan, and who sees everybody, may be told.
    """

    def __init__(self, app: FastAPI, session: Session) -> None:
        cara, dan = make_coach(session), make_coach(session)
        mia, tom = make_client(session, coach=cara), make_client(session, coach=dan)
        self.exercise = make_exercise(session).id
        self.free_slot = make_slot(session, coach=cara, starts_at=datetime(2027, 3, 3, 9, tzinfo=UTC)).id
        others = [role for role in ROLES if role not in ("customer", "coach", "service")]
        self.people = {role: make_account(session, role=role) for role in others}
        self.people |= {"customer": session.get_one(Account, mia.id), "coach": session.get_one(Account, cara.id)}
        self.personal = {role: self._personal(session, account) for role, account in self.people.items()}
        self.tokens = {
            role: access_token(app, account, session_id=self.personal[role]["session"])
            for role, account in self.people.items()
        }
        self.tokens["service"] = service_token(app, "plyo-activation")
        self.ids: dict[str, tuple[UUID, UUID]] = {"customer": (mia.id, tom.id), "coach": (cara.id, dan.id)}
        rule, now = make_rule(session), datetime.now(UTC)
        pairs: dict[str, list[UUID]] = {}
        for client, coach in ((mia, cara), (tom, dan)):
            slot = make_slot(session, coach=coach)
            make_pack(session, customer_id=client.id)
            invoice, credit_note = make_invoice(session, customer_id=client.id)
            programme = make_programme(session, client=client)
            injury = Injury(
                id=new_id(), customer_id=client.id, body_part="knee", severity=1, occurred_on=date(2026, 1, 1)
            )
            link = WearableLink(
                id=new_id(), customer_id=client.id, source="terra", external_user_id=client.id.hex, provider="OURA",
                scopes="", state="ended", connected_at=now, changed_at=now,
            )  # fmt: skip
            run = Run(
                id=new_id(), rule_id=rule.id, customer_id=client.id, coach_id=coach.id, arm="treatment",
                status="open", suggested_message="Hi", started_at=now,
            )  # fmt: skip
            dismissed = Run(
                id=new_id(), rule_id=rule.id, customer_id=client.id, coach_id=coach.id, arm="treatment",
                status="dismissed", suggested_message="Hi", started_at=now, decided_at=now, decided_by=coach.id,
            )  # fmt: skip
            talk = Message(
                id=new_id(), customer_id=client.id, sender_id=client.id, recipient_id=coach.id, body="Hi", sent_at=now
            )
            later = ScheduledMessage(
                id=new_id(), customer_id=client.id, sender_id=coach.id, body="Hi", local_at=now.replace(tzinfo=None),
                time_zone="UTC", send_at=now + timedelta(days=1),
            )  # fmt: skip
            words = MessageTemplate(id=new_id(), owner_id=coach.id, name="Hello", body="Hi", updated_at=now)
            session.add_all([injury, link, run, dismissed, talk, later, words])
            session.flush()
            file = Attachment(
                id=new_id(), customer_id=client.id, message_id=talk.id, uploader_id=client.id, name="a.pdf",
                media_type="application/pdf", size_bytes=1, created_at=now,
            )  # fmt: skip
            session.add_all([file, AttachmentFile(attachment_id=file.id, content=b"%PDF-1.7", status="ready")])
            booking = make_booking(session, slot=slot, customer_id=client.id)
            done = make_workout(session, client=client, status="completed", completed_at=now, scheduled_on=now.date())
            planned = make_workout(session, client=client, programme=programme)
            template = make_template(session, coach=coach, exercise_id=self.exercise)
            rows = {
                "slot": slot, "booking": booking, "programme": programme, "injury": injury, "ended_link": link,
                "run": run, "dismissed_run": dismissed, "workout": done, "planned_workout": planned,
                "template": template, **make_wellbeing(session, client=client),
                "class": make_slot(session, coach=coach, capacity=4, starts_at=now + timedelta(days=9)),
                "attachment": file, "scheduled": later, "wording": words,
                "invoice": invoice, "credit_note": credit_note, "video": make_video(session, client=client),
            }  # fmt: skip
            for kind, row in rows.items():
                pairs.setdefault(kind, []).append(row.id)
        self.ids |= {kind: (mine, theirs) for kind, (mine, theirs) in pairs.items()}
        theirs = self._personal(session, session.get_one(Account, tom.id))
        self.ids |= {kind: (mine, theirs[kind]) for kind, mine in self.personal["customer"].items()}
        self.stranger = {str(tom.id)} | {str(self.ids[kind][1]) for kind in pairs if kind not in ("slot", "class")}
        session.flush()

    def _personal(self, session: Session, account: Account) -> dict[str, UUID]:
        """What everybody has who signs in: a session of just now with a second factor, a passkey, a noted sign-in."""
        then = datetime.now(UTC)
        login = make_login_session(session, account)
        passkey = Passkey(
            id=new_id(), account_id=account.id, credential_id=new_id().bytes, public_key=b"", sign_count=0,
            transports=[], name="Phone", is_synced=False, created_at=then,
        )  # fmt: skip
        traits = dict.fromkeys(
            ("account_key", "address", "block", "prefix", "region", "country", "agent", "program", "kind", "hour",
             "part", "device_key"), "",
        )  # fmt: skip
        attempt = SignInAttempt(
            id=new_id(), account_id=account.id, attempted_at=then, is_known_device=True, outcome="wrong_password",
            **traits,
        )  # fmt: skip
        linked = LinkedLogin(
            id=new_id(), account_id=account.id, provider="google", issuer="https://accounts.google.com",
            subject=new_id().hex, email=account.email,
        )  # fmt: skip
        calendar = CalendarConnection(
            id=new_id(), account_id=account.id, provider="caldav", calendar_id="work", label="Work",
            time_zone="Europe/Berlin", is_read=True, is_written=True, next_sync_at=then, connected_at=then,
        )  # fmt: skip
        session.add_all([passkey, attempt, linked, calendar])
        return {
            "session": login.id, "passkey": passkey.id, "attempt": attempt.id, "login": linked.id,
            "calendar": calendar.id,
        }  # fmt: skip

    def own(self, kind: str, role: str) -> UUID:
        return self.personal.get(role, {}).get(kind) or self.ids[kind][0]

    def filled(self, body: object) -> Any:
        """A body with this world's ids in it."""
        if isinstance(body, dict):
            return {key: self.filled(value) for key, value in body.items()}
        if isinstance(body, list):
            return [self.filled(value) for value in body]
        made: dict[str, object] = {
            "EXERCISE": self.exercise,
            "FREE_SLOT": str(self.free_slot),
            "NEW": str(new_id()),
            "CLIENT": str(self.ids["customer"][0]),
            "TEMPLATE": str(self.ids["template"][0]),
            "NEXT_MONTH": (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT12:00:00"),
            "TODAY": datetime.now(UTC).date().isoformat(),
        }
        return made.get(body, body) if isinstance(body, str) else body


@dataclass(frozen=True)
class Answer:
    status: int
    code: str
    text: str

    @property
    def is_refused(self) -> bool:
        """By the gate, before anything was looked at."""
        return (self.status, self.code) in ((401, "core.unauthenticated"), (403, "core.forbidden"))

    def without_traces(self) -> "Answer":
        return replace(self, text=re.sub(r'"trace_id":"?\w+"?', "", self.text))


class Asking:
    """Asks the app over ASGI, each time in a savepoint that is taken back: no question changes what another finds."""

    def __init__(self, app: FastAPI, session: Session, world: World) -> None:
        self.world, self._connection = world, session.connection()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url=ISSUER, follow_redirects=False
        )

    async def ask(self, route: Route, role: str, id_: object = None, about: Object | None = None) -> Answer:
        headers = {"Accept": "application/json"}
        if role != "guest":
            headers["Authorization"] = f"Bearer {self.world.tokens[role]}"
        path, query, body = route.path, {}, self.world.filled(about.body) if about else None
        where, _, name = (about.at if about else "path").partition(".")
        if where == "query":
            query[name] = str(id_)
        elif where == "body":
            body[name] = str(id_)
        path = re.sub(r"{\w+}", str(id_ if id_ is not None and where == "path" else new_id()), path)
        savepoint = self._connection.begin_nested()
        try:
            sent = {"data": self.world.filled(about.form)} if about and about.form else {"json": body}
            answer = await self._client.request(route.method, path, params=query, headers=headers, **sent)
        finally:
            savepoint.rollback()
        is_problem = answer.headers.get("content-type", "").startswith("application/problem")
        return Answer(answer.status_code, answer.json()["code"] if is_problem else "", answer.text)


@pytest.fixture
def asking(app: FastAPI, session: Session) -> Asking:
    # A maker of wearables who is never there: ending a link that has ended asks nobody.
    app.state.integration_settings = IntegrationSettings(
        public_url=ISSUER, terra_base_url="http://127.0.0.1:9", terra_dev_id="x", terra_api_key=SecretStr("x")
    )
    return Asking(app, session, World(app, session))


@pytest.fixture
def routes(app: FastAPI) -> list[Route]:
    return [route for surface in SURFACES for route in surface(app)]


class TestRows:
    @pytest.mark.asvs("8.1.1")
    def test_no_route_is_without_one(self, app: FastAPI, routes: list[Route]) -> None:
        """Also none that the app's own description has and the walk does not."""
        rows = {key: action for action, keys in ROUTES_OF.items() for key in keys}
        assert {route.key: route.action for route in routes} == rows
        assert set(rows.values()) <= ROLES_OF.keys()
        with_id = {route.key for route in routes if "{" in route.path}
        assert with_id - OBJECTS.keys() - NOBODYS == set()
        assert (OBJECTS.keys() | NOBODYS) - {route.key for route in routes} == set(), "rows of no route"
        described = {
            f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods
        }
        assert described - {route.key for route in routes} == set()
        assert len(routes) > 130


def roles_to_ask(routes: list[Route], *, is_whole: bool) -> dict[str, list[str]]:
    """By which roles each route is asked. All of them take a minute: `make drill`. Otherwise one that may, another one
    from route to route, and of each action one that may not; what its gate says to all others was asked without HTTP.
    """
    found: dict[str, list[str]] = {}
    refused: set[str] = set()
    for turn, route in enumerate(routes):
        may_not = [role for role in EVERYONE if role not in ROLES_OF[route.action or ""].split()]
        passes = [role for role in EVERYONE if role not in may_not]
        if not may_not:  # what is open to all does not ask who somebody is: these stand for all
            passes = ["guest", "customer", "service"]
        found[route.key] = passes + may_not if is_whole else [passes[turn % len(passes)]]
        if not is_whole and may_not and route.action not in refused:
            refused.add(route.action or "")
            found[route.key].append(may_not[turn % len(may_not)])
    return found


class TestMatrix:
    def test_every_gate_lets_those_roles_pass_who_should(self) -> None:
        wrong = {
            (action, role)
            for action, roles in ROLES_OF.items()
            for role in EVERYONE
            if may(role, action) != (role in roles.split())
        }
        assert wrong == set()

    @pytest.mark.asvs("8.2.1", "8.3.1")
    @pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.drill)])
    def test_every_role_gets_past_the_gates_it_should_and_no_others(
        self, asking: Asking, routes: list[Route], is_whole: bool
    ) -> None:
        wrong: list[str] = []
        asked = roles_to_ask(routes, is_whole=is_whole)

        async def go() -> None:
            for route in routes:
                expected = ROLES_OF[route.action or ""].split()
                for role in asked[route.key]:
                    answer = await asking.ask(route, role)
                    is_csrf = role == "guest" and answer.code == "web.csrf_failed"
                    if (answer.is_refused or is_csrf) != (role not in expected) and not (
                        is_csrf or (answer.is_refused and route.key in OWN_PROOF)
                    ):
                        wrong.append(f"{role}: {route.key} answered {answer.status} {answer.code}")
                    if answer.status >= 500 and answer.status != 503:
                        wrong.append(f"{role}: {route.key} crashed {answer.text[:200]}")
                    if role not in SEES_STRANGERS.get(route.action or "", "").split():
                        told = [one for one in asking.world.stranger if one in answer.text]
                        wrong.extend(f"{role}: {route.key} tells {one} of a stranger" for one in told)

        asyncio.run(go())
        assert not wrong, "\n".join(wrong)

    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.drill)])
    def test_anothers_is_answered_like_what_is_missing(
        self, asking: Asking, routes: list[Route], is_whole: bool
    ) -> None:
        wrong: list[str] = []

        async def go() -> None:
            for turn, route in enumerate(routes):
                about = OBJECTS.get(route.key)
                if about is None:
                    continue
                roles = ROLES_OF[route.action or ""].split()
                for role in roles if is_whole else [roles[turn % len(roles)]]:
                    if role == "guest":
                        continue
                    own = await asking.ask(route, role, asking.world.own(about.of, role), about)
                    theirs = await asking.ask(route, role, asking.world.ids[about.of][1], about)
                    missing = await asking.ask(route, role, new_id(), about)
                    reaches = {
                        answer: one.status not in (401, 403, 404, 422)
                        for answer, one in (("own", own), ("theirs", theirs))
                    }
                    should = {
                        "own": role in about.own.split() or role in about.every.split(),
                        "theirs": role in about.every.split(),
                    }
                    if reaches != should:
                        wrong.append(
                            f"{role}: {route.key} {reaches} own {own.status} {own.code} {own.text[:90]}, "
                            f"theirs {theirs.status} {theirs.code}"
                        )
                    if role not in about.every.split() and theirs.without_traces() != missing.without_traces():
                        wrong.append(
                            f"{role}: {route.key} tells another's from a missing one: "
                            f"{theirs.status} {theirs.code}, {missing.status} {missing.code}"
                        )

        asyncio.run(go())
        assert not wrong, "\n".join(wrong)


class TestGraph:
    """The graph is one route; its fields are asked for one by one."""

    LEAVES = {
        "coach": "{ displayName }", "nextSession": "{ title }", "membership": "{ status }", "injuries": "{ bodyPart }",
    }  # fmt: skip
    ROOTS = {"me": "me { id }", "plans": "plans { code }", "clients": "clients { items { id } }"}

    @pytest.mark.asvs("8.2.3")
    def test_every_field_is_told_to_whom_it_should_be_and_to_nobody_else(self, app: FastAPI, asking: Asking) -> None:
        graph = {name: told.fields for name, told in SCHEMA._schema.type_map.items() if name in ("Query", "Client")}
        named = {f"{name}.{field}" for name, fields in graph.items() for field in fields}
        assert named - {"Query.metric"} == GRAPH.keys()  # analytics decides who is told a number: `test_surfaces`
        app.state.settings = app.state.settings.model_copy(update={"graphql_ad_hoc": True})
        route = Route("POST /api/graphql", "gateway.ask_graph", in_description=True)
        fields = " ".join(f"{field} {self.LEAVES.get(field, '')}" for field in graph["Client"])
        wrong: list[str] = []

        async def told(role: str, query: str) -> tuple[dict[str, Any], set[str], str]:
            answer = await asking.ask(route, role, about=Object("customer", at="body.query", body={}), id_=query)
            assert answer.status == 200, answer.text
            found = json.loads(answer.text)
            return found["data"] or {}, {one["path"][-1] for one in found.get("errors", [])}, answer.text

        async def go() -> None:
            for role in EVERYONE:
                for root, query in self.ROOTS.items():
                    _, refused, text = await told(role, f"{{ {query} }}")
                    if (role in GRAPH[f"Query.{root}"].every.split()) == (root in refused):
                        wrong.append(f"{role}: {root} {text}")
                    if (
                        root == "clients"
                        and role in ("coach", "lead_coach")
                        and str(asking.world.ids["customer"][1]) in text
                    ):
                        wrong.append(f"{role}: {root} tells of a stranger")
                for whose, id_ in (
                    ("own", asking.world.own("customer", role)),
                    ("every", asking.world.ids["customer"][1]),
                ):
                    data, refused, text = await told(role, f'{{ client(id: "{id_}") {{ {fields} }} }}')
                    for name in ("Query.client", *(f"Client.{field}" for field in graph["Client"])):
                        field, row = name.partition(".")[2], GRAPH[name]
                        is_told = data.get("client") is not None and field not in refused
                        allowed = row.every.split() + (row.own.split() if whose == "own" else [])
                        if is_told != (role in allowed):
                            wrong.append(f"{role}: {name} of {whose} {text}")
                theirs = await told(role, f'{{ client(id: "{asking.world.ids["customer"][1]}") {{ id }} }}')
                missing = await told(role, f'{{ client(id: "{new_id()}") {{ id }} }}')
                if role not in GRAPH["Query.client"].every.split() and theirs != missing:
                    wrong.append(f"{role}: tells another's from a missing one")

        asyncio.run(go())
        assert not wrong, "\n".join(wrong)


class TestMutations:
    """Each mutation is asked as every role about one's own, another's and a missing object, like the route it is."""

    async def ask(self, asking: Asking, role: str, name: str, id_: object) -> Answer:
        """Status and code are the route's own where the payload has a problem; 200 where it was done."""
        arguments = MUTATIONS[f"Mutation.{name}"].arguments.replace("ID", str(id_), 1)
        for word in ("FREE_SLOT", "NEW", "EXERCISE"):
            arguments = arguments.replace(word, str(asking.world.filled(word)))
        query = (
            f'mutation {{ {name}({arguments}, idempotencyKey: "{new_id()}") {{ problem {{ code status detail }} }} }}'
        )
        route = Route("POST /api/graphql", "gateway.ask_graph", in_description=True)
        answer = await asking.ask(route, role, about=Object("", at="body.query", body={}), id_=query)
        found = json.loads(answer.text)
        assert answer.status == 200, (name, answer.text)
        assert "errors" not in found, (role, found)
        problem = found["data"][name]["problem"]
        return Answer(problem["status"] if problem else 200, problem["code"] if problem else "", answer.text)

    def test_none_is_without_a_row(self) -> None:
        kind = SCHEMA._schema.mutation_type
        assert kind is not None
        assert {f"Mutation.{name}" for name in kind.fields} == MUTATIONS.keys()
        rows = {key: action for action, keys in ROUTES_OF.items() for key in keys}
        assert {f"Mutation.{name}": rows[f"{one.method} {one.path}"] for name, one in COMMANDS.items()} == {
            name: rows[row.route] for name, row in MUTATIONS.items()
        }

    @pytest.mark.asvs("8.2.3", "8.3.1")
    @pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.drill)])
    def test_each_does_what_its_route_would_and_for_nobody_else(
        self, app: FastAPI, asking: Asking, is_whole: bool
    ) -> None:
        app.state.settings = app.state.settings.model_copy(update={"graphql_ad_hoc": True})
        app.state.limiter.factor = 0
        rows = {key: action for action, keys in ROUTES_OF.items() for key in keys}
        wrong: list[str] = []

        async def go() -> None:
            for turn, (name, row) in enumerate((one.partition(".")[2], row) for one, row in MUTATIONS.items()):
                may_do, about = ROLES_OF[rows[row.route]].split(), OBJECTS.get(row.route)
                may_not = [role for role in EVERYONE if role not in may_do]
                for role in may_not if is_whole else [may_not[turn % len(may_not)]]:
                    answer = await self.ask(asking, role, name, new_id())
                    if not answer.is_refused:
                        wrong.append(f"{role}: {name} is open, {answer.text}")
                for role in may_do if is_whole else [may_do[turn % len(may_do)]]:
                    if about is None:
                        answer = await self.ask(asking, role, name, "")
                        if answer.status in (401, 403, 404):
                            wrong.append(f"{role}: {name} is closed, {answer.text}")
                        continue
                    own = await self.ask(asking, role, name, asking.world.own(about.of, role))
                    theirs = await self.ask(asking, role, name, asking.world.ids[about.of][1])
                    missing = await self.ask(asking, role, name, new_id())
                    reached = [one.status not in (401, 403, 404, 422) for one in (own, theirs)]
                    is_every = role in about.every.split()
                    if reached != [is_every or role in about.own.split(), is_every]:
                        wrong.append(f"{role}: {name} own {own.text} theirs {theirs.text}")
                    if not is_every and theirs != missing:
                        wrong.append(f"{role}: {name} tells another's from a missing one: {theirs} {missing}")
                    if not is_every and any(one in theirs.text for one in asking.world.stranger):
                        wrong.append(f"{role}: {name} tells of a stranger")

        asyncio.run(go())
        assert not wrong, "\n".join(wrong)


class TestAnalytics:
    """The numbers have an app of their own."""

    def test_every_route_names_an_action(self, tmp_path: Path) -> None:
        settings = AnalyticsSettings(
            lake_path=str(tmp_path),
            lake_catalog_url=SecretStr("postgresql://nobody@localhost/nowhere"),
            public_url=ISSUER,
        )
        found = [route for route in routes_of(analytics.create_app(settings)) if route.path.startswith("/api/")]
        unnamed = {route.key for route in found if route.action is None}
        assert unnamed == {"GET /api/analytics/live", "GET /api/analytics/ready"}
        assert {route.action for route in found if route.action} <= ROLES_OF.keys()

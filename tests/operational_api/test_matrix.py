"""Every route x every role x {own, another's, missing, nobody signed in}, made from the app itself.

`matrix.py` holds what is expected. What a role may not do is refused whatever it asks about; what is another's is
answered exactly as what does not exist; and no answer to one person has anything of a stranger's in it.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.analytics import app as analytics
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.policy import may
from operational_api.core.principal import ROLES
from operational_api.gateway.graphql.commands import COMMANDS
from operational_api.gateway.graphql.schema import SCHEMA
from tests.operational_api.conftest import ISSUER
from tests.operational_api.gates import ROUTES_OF
from tests.operational_api.matrix import OWN_PROOF, ROLES_OF, SEES_STRANGERS
from tests.operational_api.reach import GRAPH, MUTATIONS, NOBODYS, OBJECTS, Object
from tests.operational_api.world import Answer, Asking, Route, asking_of, routes_of

EVERYONE = ("guest", *ROLES)


@pytest.fixture
def asking(app: FastAPI, session: Session) -> Asking:
    return asking_of(app, session)


@pytest.fixture
def routes(app: FastAPI) -> list[Route]:
    return routes_of(app)


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

    @pytest.mark.asvs("8.2.1")
    @pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.drill)])
    def test_pages_are_opened_by_head_to_whom_they_are_by_get(
        self, asking: Asking, routes: list[Route], is_whole: bool
    ) -> None:
        """Every page, by somebody who may and by somebody who may not: in turn, or in a drill by everybody."""
        pages = [one for one in routes if one.method == "GET" and not one.in_description]
        wrong: list[str] = []

        async def go() -> None:
            for number, route in enumerate(pages):
                expected = ROLES_OF[route.action or ""].split()
                others = [one for one in EVERYONE if one not in (*expected, "guest")]
                in_turn = [(others or expected)[0] if number % 2 else expected[0]]
                for role in EVERYONE if is_whole else in_turn:
                    status = (await asking.ask(replace(route, key=f"HEAD {route.path}"), role)).status
                    is_refused = status in (401, 403)
                    is_own = is_refused and (
                        route.key in OWN_PROOF or "guest" in expected
                    )  # the route's, not the gate's
                    if status in (405, 500) or not (is_own or is_refused != (role in expected)):
                        wrong.append(f"{role}: HEAD {route.path} answered {status}")

        asyncio.run(go())
        assert len(pages) > 100
        assert not wrong, "\n".join(wrong)

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

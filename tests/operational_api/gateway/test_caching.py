"""Who may keep what: nobody ever sees another's answer, whatever is between, and what is for all is kept."""

import json
import random
import re
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session

from operational_api.gateway.caching import NEVER, POLICY, cache_control, rule_of
from operational_api.gateway.graphql import persisted
from tests.browser import Browser
from tests.factories import account_of, make_booking, make_client, make_coach, make_plan, make_slot, make_subscription
from tests.operational_api.conftest import SignIn


@dataclass
class SharedCache:
    """Between everybody and the app: keeps whatever HTTP lets a shared cache keep, as long as it likes."""

    kept: dict[str, list[tuple[dict[str, str], Response]]] = field(default_factory=dict)
    served: int = 0

    def get(self, person: TestClient, path: str, question: str = "") -> Response:
        """An answer, perhaps an earlier one. `question`: a persisted query, posted; some caches keep answers to those
        by address and body, where the answer lets them."""
        sha256, _, variables = question.partition(" ")
        address, path = path, f"{path} {question}".strip()
        asked = {name.lower(): value for name, value in person.headers.items()}
        for wanted, answer in self.kept.get(path, []):
            if all(asked.get(name, "") == value for name, value in wanted.items()):
                self.served += 1
                return answer
        if question:
            answer = person.post(address, json={"sha256": sha256, "variables": json.loads(variables)})
        else:
            answer = person.get(address)
        told = answer.headers.get("cache-control", "public")  # what says nothing, some caches keep
        if answer.status_code == 200 and "private" not in told and "no-store" not in told and "no-cache" not in told:
            names = [name.strip().lower() for name in answer.headers.get("vary", "").split(",") if name.strip()]
            self.kept.setdefault(path, []).append(({name: asked.get(name, "") for name in names}, answer))
        return answer


@pytest.fixture
def people(session: Session, sign_in: SignIn, api: TestClient) -> dict[str, TestClient]:
    """Two customers, their coaches, and a guest; each customer's name is nowhere but with them and their coach."""
    make_plan(session)
    found = {"guest": api}
    for name in ("Mialinde", "Tomasius"):
        coach = make_coach(session, display_name=f"{name}coach")
        client = make_client(session, coach=coach, display_name=name)
        account_of(session, client).display_name = name
        make_subscription(session, customer_id=client.id)
        make_booking(session, slot=make_slot(session, coach=coach), customer_id=client.id)
        found[name] = sign_in(account_of(session, client))
        found[f"{name}coach"] = sign_in(account_of(session, coach))
    session.flush()
    return found


def graph_questions() -> list[tuple[str, dict[str, object]]]:
    """What people ask the graph about themselves and do by it, the same words for everybody."""
    by_name = {name: sha256 for sha256, (name, _) in persisted.listed().items()}
    quiet = {"preferences": {"allowsNudges": True}, "key": "same"}
    return [
        (by_name["my_training"], {}), (by_name["coach_roster"], {}), (by_name["set_preferences"], quiet),
        (by_name["decide_consents"], {"decisions": [], "key": "other"}),
    ]  # fmt: skip


@pytest.mark.asvs("14.2.2")
def test_nobody_sees_anothers_answer(app: FastAPI, people: dict[str, TestClient]) -> None:
    paths = [
        path for path, operations in app.openapi()["paths"].items()
        if "get" in operations and "{" not in path
        and not any(one.get("required") for one in operations["get"].get("parameters", []))
    ] + ["/home", "/bookings", "/account", "/training", "/plans", "/progress", "/messages", "/", "/sw.js"]  # fmt: skip
    assert len(paths) > 25
    draw, cache = random.Random(20261126), SharedCache()
    questions = [f"{sha256} {json.dumps(variables)}" for sha256, variables in graph_questions()]
    asked = [(path, "") for path in paths] + [("/api/graphql", question) for question in questions]
    requests = [(name, *one) for one in asked for name in people]
    draw.shuffle(requests)
    again = [("guest", path, "") for path in TestWhatIsForAll.PATHS]
    for name, path, question in requests + draw.sample(requests, 20) + again:
        answer = cache.get(people[name], path, question)
        for other in {"Mialinde", "Tomasius"} - {name.removesuffix("coach")}:
            # Coaches are public, whoever trains with them is not.
            leaked = re.findall(rf"{other}(?!coach)\w*", answer.text)
            assert leaked == [], (name, path)
    assert cache.served > 0


def test_answers_about_a_person_are_kept_by_nobody(people: dict[str, TestClient]) -> None:
    for path in ("/api/identity/me", "/api/scheduling/bookings", "/api/bff/customer", "/home", "/bookings"):
        answer = people["Mialinde"].get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == NEVER


class TestWhatIsForAll:
    PATHS = ("/api/commerce/plans", "/api/scheduling/coaches", "/api/graphql/queries", "/oidc/jwks")

    @pytest.mark.parametrize("path", PATHS)
    def test_is_kept_and_asked_about_again(self, people: dict[str, TestClient], path: str) -> None:
        first = people["guest"].get(path)
        assert first.headers["cache-control"].startswith("public, max-age=")
        assert {"Cookie", "Authorization"} <= {name.strip() for name in first.headers["vary"].split(",")}
        assert "ratelimit" not in first.headers
        again = people["guest"].get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert people["guest"].get(path, headers={"If-None-Match": '"other"'}).content == first.content

    @pytest.mark.parametrize("path", ["/", "/plans", "/plans?currency=EUR"])
    def test_first_pages_are_shown_while_a_newer_one_is_fetched(self, app: FastAPI, path: str) -> None:
        guest = TestClient(app, headers={"Accept": "text/html"})
        first = guest.get(path)
        assert first.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=60"
        assert "set-cookie" not in first.headers
        assert "csrf" not in first.text
        assert guest.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
        assert (
            guest.get("/signup").headers["cache-control"] == NEVER
        )  # it has a form, and the browser's half of a token
        assert guest.get(path).headers["cache-control"] == NEVER

    def test_an_edit_is_on_the_next_one_that_is_fetched(self, session: Session, app: FastAPI) -> None:
        make_plan(session, name="Seldom")
        before = TestClient(app).get("/plans")
        make_plan(session, name="Every Day")
        after = TestClient(app).get("/plans", headers={"If-None-Match": before.headers["etag"]})
        assert (after.status_code, "Every Day" in before.text, "Every Day" in after.text) == (200, False, True)

    def test_is_kept_for_themselves_by_who_is_signed_in(self, people: dict[str, TestClient]) -> None:
        for path in ("/api/commerce/plans", "/api/training/exercises"):
            answer = people["Mialinde"].get(path)
            assert answer.headers["cache-control"] == "private, no-cache"
            again = people["Mialinde"].get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == 304

    def test_changes_with_what_it_says(self, session: Session, people: dict[str, TestClient]) -> None:
        path = "/api/commerce/plans"
        before = people["guest"].get(path)
        make_plan(session)
        after = people["guest"].get(path, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert after.headers["etag"] != before.headers["etag"]

    def test_files_are_kept_for_ever_by_their_hash(self, api: TestClient) -> None:
        versioned = api.get("/static/app.css?v=abcd")
        assert versioned.headers["cache-control"] == "public, max-age=31536000, immutable"
        again = api.get("/static/app.css", headers={"If-None-Match": versioned.headers["etag"]})
        assert again.status_code == 304


class TestPolicy:
    @pytest.mark.parametrize("path", ["/api/graphql", "/api/bff/customer", "/api/bff/coach", "/api/bff/admin"])
    def test_the_facade_has_a_row_of_its_own(self, path: str) -> None:
        assert rule_of(path) is not POLICY[-1]
        assert (rule_of(path).guest, rule_of(path).known) == (NEVER, NEVER)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({}, "public, max-age=60"), ({"method": "HEAD"}, "public, max-age=60"), ({"method": "POST"}, NEVER),
            ({"status": 404}, NEVER), ({"status": 206}, NEVER), ({"sets_cookie": True}, NEVER),
            ({"is_guest": False}, "private, no-cache"),
        ],
    )  # fmt: skip
    def test_only_plain_answers_to_guests_are_public(self, change: dict[str, object], told: str) -> None:
        asked = {"method": "GET", "status": 200, "is_guest": True, "sets_cookie": False} | change
        assert cache_control("/api/commerce/plans", **asked) == told  # type: ignore[arg-type]

    def test_what_nobody_thought_of_is_kept_by_nobody(self) -> None:
        assert rule_of("/something/new") is POLICY[-1]
        assert rule_of("/api/commerce/plans/secret").guest == NEVER

    def test_answers_to_posts_are_not_kept(self, api: TestClient) -> None:
        sha256 = next(iter(persisted.listed()))
        assert api.post("/api/graphql", json={"sha256": sha256}).headers["cache-control"] == NEVER


@pytest.mark.asvs("14.3.1")
def test_signing_out_clears_what_the_browser_kept(app: FastAPI) -> None:
    browser = Browser(app)
    browser.get("/login")
    answer = browser.submit("/auth/logout", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["clear-site-data"] == '"cache"'
    assert "clear-site-data" not in browser.get("/plans").headers

"""The limits as shipped, counted in a real Valkey: exact over processes, told in headers, safe without the store."""

import asyncio
import multiprocessing
import re
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core import rate_limit
from operational_api.core.principal import Principal
from operational_api.core.rate_limit import Limiter, who
from operational_api.core.rate_policy import POLICY, Limit, limit_of
from operational_api.core.threads import in_a_turn
from plyo import valkey
from plyo.postgres import free_port
from tests.factories import make_account
from tests.operational_api.conftest import ISSUER, SignIn, service_token

BY_NAME = {limit.name: limit for limit in POLICY}
READ, LOGIN = Limit("read", 25), Limit("sign_in", 25, is_sensitive=True)
WORKERS, TRIES = 4, 20


def fixed() -> float:
    """A moment in the middle of a window that does not end while the test runs."""
    return 1_800_000_030.0


@dataclass
class Store:
    """A Valkey that can be stopped and begun again."""

    command: list[str]
    url: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        client = redis.from_url(self.url)
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)
        client.close()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The server as the local stack configures it."""
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("valkey")
    store = Store(valkey.configure(folder, port, "a-password"), valkey.url(port, "a-password"))
    store.start()
    yield store
    store.stop()


def bucket() -> str:
    return str(new_id())


def _ask(url: str, limit: Limit, name: str, answers: "multiprocessing.Queue[int]") -> None:
    limiter = Limiter(url, clock=fixed)
    verdicts = [limiter.hit(limit, name) for _ in range(TRIES)]
    answers.put(sum(1 for verdict in verdicts if verdict is not None and verdict.is_allowed))


class TestLimiter:
    @pytest.mark.asvs("2.4.1")
    @pytest.mark.parametrize("limit", [READ, LOGIN], ids=lambda limit: limit.name)
    def test_is_exact_over_four_processes(self, store: Store, limit: Limit) -> None:
        forks = multiprocessing.get_context("fork")
        answers, name = forks.Queue(), bucket()
        workers = [forks.Process(target=_ask, args=(store.url, limit, name, answers)) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        allowed = sum(answers.get(timeout=30) for _ in workers)
        for worker in workers:
            worker.join()
        assert allowed == limit.amount

    @pytest.mark.parametrize("url", ["shared", ""], ids=["valkey", "memory"])
    @pytest.mark.parametrize("limit", [READ, LOGIN], ids=lambda limit: limit.name)
    def test_refuses_the_one_beyond_and_says_when(self, store: Store, url: str, limit: Limit) -> None:
        limiter, name = Limiter(store.url if url else "", clock=fixed), bucket()
        verdicts = [limiter.hit(limit, name) for _ in range(limit.amount + 1)]
        last = verdicts[-1]
        assert last is not None
        assert all(verdict and verdict.is_allowed for verdict in verdicts[:-1])
        assert not last.is_allowed
        assert 1 <= last.reset_seconds <= limit.seconds + 1
        assert last.headers()["Retry-After"] == str(last.reset_seconds)
        other = limiter.hit(limit, bucket())
        assert other is not None
        assert other.is_allowed

    def test_forgets_what_is_over(self, store: Store) -> None:
        limiter, name = Limiter(store.url), bucket()
        limiter.hit(READ, name)
        with redis.from_url(store.url) as client:
            [key] = client.keys(f"*{name}*")
            assert 0 < client.ttl(key) <= READ.seconds

    def test_a_factor_of_nothing_counts_nothing(self) -> None:
        assert Limiter(factor=0).hit(LOGIN, "x") is None


class TestTally:
    """Counting many at once, for whoever waits in an event loop."""

    def test_is_the_same_count_as_one_by_one(self, store: Store) -> None:
        limiter, name = Limiter(store.url, clock=fixed), bucket()

        async def together(buckets: list[str]) -> list[int]:
            tally = limiter.tally()
            try:
                return [told.remaining for told in await tally.hit([(READ, one) for one in buckets]) if told]
            finally:
                await tally.close()

        first = limiter.hit(READ, name)
        assert first is not None
        assert first.remaining == 24
        assert asyncio.run(together([name, f"{name}-other", name])) == [23, 24, 22]
        last = limiter.hit(READ, f"{name}-other")
        assert last is not None
        assert last.remaining == 23
        left = redis.from_url(store.url).ttl(f"plyo:rate:{name}-other:{int(fixed()) // 60}")
        assert 0 < int(left) <= 60

    def test_leaves_to_others_what_guessing_pays_for_and_all_while_the_store_is_down(self, store: Store) -> None:
        async def asked(limiter: Limiter) -> list[bool]:
            tally = limiter.tally()
            told = [one is not None for _ in range(2) for one in await tally.hit([(LOGIN, "a"), (READ, "b")])]
            await tally.close()
            return told

        assert asyncio.run(asked(Limiter(store.url, clock=fixed))) == [False, True] * 2
        assert asyncio.run(asked(Limiter("redis://127.0.0.1:1/0", clock=fixed))) == [False] * 4

    def test_without_a_store_a_process_counts_for_itself(self) -> None:
        limiter = Limiter(clock=fixed)
        found = asyncio.run(limiter.tally().hit([(READ, "a"), (READ, "a")]))
        assert [one.remaining for one in found if one is not None] == [24, 23]


class TestWithoutTheStore:
    """What ADR 0023 promises: reads go on, guessing stays bounded, and one request a second pays for finding out."""

    @pytest.fixture
    def gone(self, store: Store) -> Iterator[Store]:
        store.stop()
        yield store
        store.start()

    def test_reads_go_on_and_guessing_gets_a_stricter_limit(self, gone: Store) -> None:
        limiter, name = Limiter(gone.url), bucket()
        assert all(limiter.hit(READ, name, method="GET") is None for _ in range(2 * READ.amount))
        verdicts = [limiter.hit(LOGIN, name) for _ in range(LOGIN.amount)]
        allowed = sum(1 for verdict in verdicts if verdict is not None and verdict.is_allowed)
        assert allowed == LOGIN.amount // rate_limit.LOCAL_SHARE
        assert limiter.outcomes["uncounted"] == 2 * READ.amount
        assert limiter.outcomes["local"] == LOGIN.amount

    def test_counting_is_shared_again_once_it_is_back(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rate_limit, "ASK_AGAIN_SECONDS", 0.0)
        limiter, name = Limiter(store.url), bucket()
        store.stop()
        assert limiter.hit(READ, name, method="GET") is None
        store.start()
        found = limiter.hit(READ, name, method="GET")
        assert found is not None
        assert found.remaining == READ.amount - 1

    def test_one_that_hangs_costs_one_request_and_no_more(self, store: Store) -> None:
        limiter, name = Limiter(store.url), bucket()
        limiter.hit(READ, name)
        assert store.process is not None
        store.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for _ in range(100):
            limiter.hit(READ, name, method="GET")
        took = time.monotonic() - began
        store.process.send_signal(signal.SIGCONT)
        # Each of a hundred would have waited its whole patience.
        assert took < 20 * rate_limit.PATIENCE_SECONDS


class TestPolicy:
    def test_every_route_has_a_class_and_guessing_is_never_free(self, app: FastAPI) -> None:
        for path, operations in app.openapi()["paths"].items():
            for method in operations:
                assert limit_of(method.upper(), path).name in BY_NAME

    @pytest.mark.parametrize(
        ("method", "path", "name"),
        [
            ("POST", "/login", "sign_in"), ("POST", "/login/code", "sign_in"), ("GET", "/login", "read"),
            ("POST", "/signup", "sign_up"), ("POST", "/api/identity/accounts", "sign_up"),
            ("POST", "/api/identity/password-resets/{token}", "recovery"), ("POST", "/reset-password", "recovery"),
            ("POST", "/book/{slot_id}", "booking"), ("POST", "/api/scheduling/bookings", "booking"),
            ("POST", "/api/scheduling/slots/{slot_id}/waitlist", "booking"),
            ("POST", "/api/commerce/checkout-sessions", "checkout"), ("POST", "/checkout", "checkout"),
            ("POST", "/oidc/token", "token"), ("GET", "/live", "free"), ("GET", "/oidc/jwks", "free"),
            ("PUT", "/api/scheduling/availability", "write"), ("GET", "/api/training/clients", "read"),
            ("POST", "/webhooks/stripe", "webhook"), ("GET", "/gateway/authorize", "gate"),
        ],
    )  # fmt: skip
    @pytest.mark.asvs("6.3.1")
    def test_classes(self, method: str, path: str, name: str) -> None:
        assert limit_of(method, path).name == name

    def test_a_household_is_one_guest(self) -> None:
        assert who(None, "2001:db8:1:2:aaaa::1") == who(None, "2001:db8:1:2:bbbb::2")
        assert who(None, "2001:db8:1:3::1") != who(None, "2001:db8:1:2::1")
        assert who(None, "10.0.0.1") != who(None, "10.0.0.2")

    def test_people_are_counted_by_account_and_where_guessing_pays_by_address(self) -> None:
        mia = Principal(role="customer", client_id="plyo-app", account_id=new_id())
        assert who(mia, "10.0.0.1") == who(mia, "10.0.0.2") == str(mia.account_id)
        assert who(mia, "10.0.0.1", by_address=True) == "address:10.0.0.1"


class TestOverHttp:
    @pytest.fixture
    def shipped(self, app: FastAPI, store: Store) -> FastAPI:
        app.state.limiter = Limiter(store.url)
        with redis.from_url(store.url) as client:
            client.flushall()
        return app

    @pytest.mark.asvs("2.4.1")
    def test_the_one_beyond_is_refused_with_a_problem(self, shipped: FastAPI, api: TestClient) -> None:
        limit = BY_NAME["sign_up"]
        answers = [api.post("/api/identity/accounts", json={}) for _ in range(limit.amount + 1)]
        assert {answer.status_code for answer in answers[:-1]} == {422}
        refused = answers[-1]
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "core.rate_limited"
        assert refused.json()["retry_after"] == int(refused.headers["retry-after"])
        assert refused.headers["ratelimit-policy"] == f'"sign_up";q={limit.amount};w=60'
        assert re.fullmatch(r'"sign_up";r=0;t=\d+', refused.headers["ratelimit"])
        assert refused.headers["x-trace-id"]

    def test_the_page_and_its_api_are_one_budget(self, shipped: FastAPI, api: TestClient) -> None:
        for _ in range(BY_NAME["sign_up"].amount):
            api.post("/api/identity/accounts", json={})
        page = TestClient(shipped, base_url=ISSUER, headers={"Authorization": "Bearer x"}).post("/signup", data={})
        assert page.status_code == 429

    def test_each_person_and_route_has_a_budget_of_their_own(
        self, shipped: FastAPI, session: Session, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipped.state.limiter = Limiter(factor=3 / BY_NAME["read"].amount, clock=fixed)
        mia, tom = (sign_in(make_account(session)) for _ in range(2))
        assert [mia.get("/api/identity/me").status_code for _ in range(4)] == [200, 200, 200, 429]
        assert tom.get("/api/identity/me").status_code == 200
        assert mia.get("/api/identity/sessions").status_code == 200

    def test_who_brings_a_token_takes_no_turn_to_be_counted(
        self, shipped: FastAPI, session: Session, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shipped.state.limiter = Limiter(clock=fixed)
        turns = list[object]()

        def counted(do: Callable[..., object], *about: object) -> Awaitable[object]:
            turns.append(do)
            return in_a_turn(do, *about)

        monkeypatch.setattr(rate_limit, "in_a_turn", counted)
        mia = sign_in(make_account(session))
        left = [mia.get("/api/identity/me").headers["RateLimit"].split(";")[1] for _ in range(3)]
        most = BY_NAME["read"].amount
        assert left == [f"r={most - n}" for n in (1, 2, 3)]
        assert not turns
        refused = mia.get("/api/identity/me", headers={"Authorization": "Bearer nonsense"})
        assert refused.status_code == 401
        assert turns == [rate_limit.count]  # as a guest, by whoever refuses it

    def test_a_page_says_it_in_words(self, shipped: FastAPI) -> None:
        shipped.state.limiter = Limiter(factor=1 / BY_NAME["read"].amount, clock=fixed)
        guest = TestClient(shipped, base_url=ISSUER, headers={"Accept": "text/html"})
        assert guest.get("/plans").status_code == 200
        refused = guest.get("/plans")
        assert refused.status_code == 429
        assert "That is too often" in refused.text
        assert int(refused.headers["retry-after"]) >= 1

    def test_services_have_room_and_health_is_free(self, shipped: FastAPI, api: TestClient) -> None:
        token = service_token(shipped, "plyo-activation")
        answer = api.get("/api/integrations/wearable-links", headers={"Authorization": f"Bearer {token}"})
        assert answer.headers["ratelimit-policy"] == '"service";q=6000;w=60'
        assert "ratelimit" not in api.get("/live").headers

    def test_a_bad_token_is_counted_as_a_guests(self, shipped: FastAPI, api: TestClient) -> None:
        answer = api.get("/api/identity/me", headers={"Authorization": "Bearer nonsense"})
        assert answer.status_code == 401
        assert answer.headers["ratelimit"].startswith('"read";r=599')


def test_the_shipped_limits_are_the_ones_tested(serve_app: Callable[[str], FastAPI]) -> None:
    """Tests run with a factor, so that they do not meet the limits; the product does not."""
    from operational_api.settings import ApiSettings

    assert ApiSettings.model_fields["rate_limit_factor"].default == 1.0

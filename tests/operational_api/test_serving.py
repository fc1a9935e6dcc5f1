"""The API as two real processes on one address: what one of them learns the other one knows, and each may be killed."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api import serving
from operational_api.identity.clients import ensure_clients
from operational_api.identity.models import Account
from plyo import valkey
from plyo.postgres import PostgresServer, free_port
from tests.conftest import sqlalchemy_url
from tests.forks import Fork, Forks
from tests.operational_api.core.test_rate_limit import BY_NAME, Store
from tests.operational_api.identity.conftest import HASH, PASSWORD, SECRETS

forks = Forks("tests.operational_api.loaded", "tests.operational_api.worker_probe")  # as `test_worker`


def serve(environment: dict[str, str], port: int) -> None:
    """`python -m operational_api.serving` with these settings."""
    os.environ.update(environment)
    sys.argv[1:] = ["--port", str(port)]
    serving.main()


def serve_a_sum(port: int) -> None:
    """An app that adds up, and does not start where it is told of no database."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if port < 0:
            raise RuntimeError("no such database")
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/")
    async def add_up(numbers: list[int]) -> int:
        return sum(numbers)

    serving.serve(app, host="127.0.0.1", port=abs(port), count=2)


def eventually(fact: Callable[[], bool]) -> bool:
    """Whether the fact comes true in time."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.02)
    return False


class To(httpx.HTTPTransport):
    """One connection, to this one of the processes."""

    def __init__(self, url: str, pid: int) -> None:
        super().__init__(limits=httpx.Limits(max_connections=1, keepalive_expiry=None))
        mine = psutil.Process(pid)
        for _ in range(200):
            answer = self.handle_request(httpx.Request("GET", f"{url}/live"))
            answer.read()
            _, port = answer.extensions["network_stream"].get_extra_info("client_addr")
            if port in [one.raddr.port for one in mine.net_connections() if one.raddr]:
                return
            self.close()
        raise TimeoutError(f"no connection of 200 was dealt to {pid}")


class InTurn(httpx.BaseTransport):
    """Each request goes to another process than the one before."""

    def __init__(self, ways: list[To]) -> None:
        self.ways = ways

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """To the next."""
        self.ways.append(self.ways.pop(0))
        return self.ways[0].handle_request(request)


@dataclass
class Served:
    """Two processes on an address of this machine."""

    process: Fork
    url: str
    database: str = ""

    @property
    def pids(self) -> list[int]:
        """Of the processes that serve."""
        assert self.process.pid is not None
        return [one.pid for one in psutil.Process(self.process.pid).children()]

    def in_turn(self, **options: Any) -> httpx.Client:
        """A client that asks each of two processes in turn."""
        transport = InTurn([To(self.url, pid) for pid in self.pids])
        return httpx.Client(base_url=self.url, transport=transport, headers={"Accept": "text/html"}, **options)

    def make_account(self) -> Account:
        account = Account(
            id=new_id(), email=f"{new_id().hex[-8:]}@plyo.test", password_hash=HASH, display_name="Mia Santos",
            role="customer", time_zone="UTC", email_verified_at=datetime.now(UTC), created_at=datetime.now(UTC),
        )  # fmt: skip
        engine = create_engine(sqlalchemy_url(self.database))
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.add(account)
        engine.dispose()
        return account

    def mails_to(self, address: str) -> int:
        with psycopg.connect(self.database) as connection:
            told = "select count(*) from engagement.outgoing_emails where recipient = %s"
            [(count,)] = connection.execute(told, (address,)).fetchall()
        return int(count)


@pytest.fixture(scope="module")
def served(
    postgres: PostgresServer, template_database: str, signing_key_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The API as the local stack runs it, on a database of this module's and a real counter of requests."""
    name, counts, port = f"serving_{new_id().hex}", free_port(), free_port()
    command = valkey.configure(tmp_path_factory.mktemp("valkey"), counts, "a-password")
    store, url = Store(command, valkey.url(counts, "a-password")), f"http://127.0.0.1:{port}"
    store.start()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database}")
    engine = create_engine(sqlalchemy_url(postgres.url(name)))
    with Session(engine) as session, session.begin():
        ensure_clients(session, public_url=url, secrets=SECRETS)
    engine.dispose()
    environment = {
        "PLYO_API_PROCESSES": "2", "PLYO_API_URL": url, "PLYO_PUBLIC_URL": url, "PLYO_REDIS_URL": store.url,
        "PLYO_DATABASE_URL": sqlalchemy_url(postgres.url(name)), "PLYO_SIGNING_KEY_FILE": str(signing_key_file),
        "PLYO_SESSION_SECRET": "test-session-secret-of-32-characters!", "PLYO_RISK_STEP_UP_AT": "9.9",
        "PLYO_APP_CLIENT_SECRET": SECRETS["plyo-app"], "PLYO_RATE_LIMIT_FACTOR": "1",
    }  # fmt: skip
    served = started(serve, environment, port)
    served.database = postgres.url(name)
    yield served
    served.process.terminate()
    served.process.join()
    store.stop()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def started(target: Callable[..., None], *about: object) -> Served:
    """What a function serves on the port that is the last of its arguments, once it does."""
    process = forks.process(target, about)
    process.start()
    served = Served(process, f"http://127.0.0.1:{about[-1]}")
    assert eventually(lambda: process.exitcode is not None or len(served.pids) == 2)
    assert httpx.get(f"{served.url}/live", timeout=60).status_code in (200, 404)
    return served


class TestTwoProcesses:
    def test_a_sign_in_begins_in_one_and_ends_in_the_other_and_so_does_the_session(self, served: Served) -> None:
        person = served.make_account()
        with served.in_turn(follow_redirects=True, timeout=60) as browser:
            page = browser.get("/auth/login?return_to=/account").text
            form = dict(re.findall(r'name="(return_to|csrf_token)" value="([^"]+)"', page))
            form = {name: value.replace("&amp;", "&") for name, value in form.items()}
            token = re.search(r'<meta name="csrf-token" content="(\w+)"', page)
            assert token
            who = {"email": person.email, "password": PASSWORD, "csrf_token": token[1]}
            landed = browser.post("/login", data=form | who)
            assert (landed.url.path, landed.status_code) == ("/account", 200)
            signed_in, csrf = dict(browser.cookies), re.search(r'csrf-token" content="(\w+)"', landed.text)
            assert csrf
            for _ in range(2):
                assert browser.get("/account").url.path == "/account"
            browser.post("/auth/logout", data={"csrf_token": csrf[1]}, follow_redirects=False)
        with served.in_turn(cookies=signed_in) as stolen:
            assert [stolen.get("/account").status_code for _ in range(2)] == [303, 303]

    def test_a_limit_is_counted_once(self, served: Served) -> None:
        most = BY_NAME["recovery"].amount
        with served.in_turn(timeout=60) as guest:
            told = [
                guest.post("/api/identity/password-resets", json={"email": "nobody@plyo.test"}).status_code
                for _ in range(most + 2)
            ]
        assert told == [202] * most + [429] * 2

    def test_an_idempotency_key_holds_for_both(self, served: Served) -> None:
        email = f"{new_id().hex[-8:]}@plyo.test"
        body = {"email": email, "password": PASSWORD, "display_name": "Mia", "time_zone": "UTC"}
        with served.in_turn(timeout=60) as guest:
            told = [
                guest.post("/api/identity/accounts", json=body, headers={"Idempotency-Key": email}) for _ in range(2)
            ]
        assert [one.status_code for one in told] == [202, 202]
        assert served.mails_to(email) == 1


@pytest.fixture
def adding() -> Iterator[Served]:
    served = started(serve_a_sum, free_port())
    yield served
    served.process.kill()
    served.process.join()


class TestServe:
    def test_replaces_one_that_is_killed_and_who_connects_meanwhile_is_answered(self, adding: Served) -> None:
        killed, other = adding.pids
        os.kill(killed, signal.SIGKILL)
        asked = [httpx.post(adding.url, json=[1, 2], timeout=60).text for _ in range(20)]
        assert asked == ["3"] * 20
        assert eventually(lambda: len(adding.pids) == 2)
        assert other in adding.pids
        assert killed not in adding.pids

    @pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone tells kinds of threads apart")
    def test_a_thread_that_is_woken_interrupts_no_other(self, adding: Served) -> None:
        assert httpx.post(adding.url, json=[1, 2]).text == "3"
        kinds = [os.sched_getscheduler(one.id) for pid in adding.pids for one in psutil.Process(pid).threads()]
        assert len(kinds) > 2
        assert set(kinds) == {os.SCHED_BATCH}

    def test_told_to_end_answers_what_it_was_asked(self, adding: Served) -> None:
        place = ("127.0.0.1", int(adding.url.rpartition(":")[2]))
        with socket.create_connection(place) as half:
            half.settimeout(60)
            half.sendall(
                b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 7\r\nExpect: 100-continue\r\n\r\n"
            )
            assert half.recv(100).startswith(b"HTTP/1.1 100")
            adding.process.terminate()
            assert eventually(lambda: refuses(place))
            half.sendall(b"[20,22]")
            assert half.makefile("rb").read().endswith(b"42")
        adding.process.join(60)
        assert adding.process.exitcode == 0

    def test_ends_with_the_one_that_began_it(self, adding: Served) -> None:
        pids = adding.pids
        adding.process.kill()
        adding.process.join()
        assert eventually(lambda: not any(map(psutil.pid_exists, pids)))

    def test_tries_one_that_cannot_start_only_once(self) -> None:
        process = forks.process(serve_a_sum, [-free_port()])
        process.start()
        process.join(60)
        assert process.exitcode == 1

    def test_an_address_that_somebody_has_is_refused(self) -> None:
        port = free_port()
        first = serving.listening("127.0.0.1", port, 2)
        with pytest.raises(OSError, match="in use"):
            serving.listening("127.0.0.1", port, 2)
        for one in first:
            one.close()


def refuses(place: tuple[str, int]) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(place) != 0

"""Bookings and workout logs a second, and how long each takes: python -m benchmarks.api [--requests 1500 --rounds 3]

64 clients at once ask Plyo's API over HTTP, each waiting for its answer. In the same run, as medians of rounds that
alternate, the same number of clients cause the same SQL, learned by watching two requests (`recorded`):

- by a bare FastAPI handler with psycopg, which is sent the same, reads it by the same model, answers as much by the
  same model, and knows no person, no policy and no rule (`ratio_to_bare`);
- by pgbench, which has no HTTP either (`ratio_to_pgbench`).

One PostgreSQL that writes to disk as deployed; as many processes of each server (`--processes`; by default as `plyo`
runs the API, one to each processor). A customer keeps a token for as long as it lasts, and has asked each process
before anything is counted: the bare handler checks none, and who uses an app asks by one token hundreds of times.
`cpu_ms` is the processor time of a request in the server's processes, `postgres_cpu_ms` in PostgreSQL's: of machines
that others use too, what these two come to beside the bare handler's says more than rates do. The last line is JSON.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import select

from benchmarks import cpu
from benchmarks.api import business, clients, servers
from benchmarks.api.recorded import Recorded, watch
from operational_api.app import create_app
from operational_api.core.database import make_engine, session_factory
from operational_api.core.tokens import AUDIENCE
from operational_api.migrations import run as migrations
from operational_api.training.models import Exercise
from plyo.postgres import BINARIES, PostgresServer, free_port
from plyo.services import api_processes

CLIENTS = 64
UNCOUNTED = servers.CONNECTIONS * 16
"""Requests to the bare handler before those that count: from then on each connection has its statements planned."""
GREETINGS = 3
"""For each process, of which the system chooses one: of two, one in sixty has not met a customer then."""
ISSUER = "http://127.0.0.1"
Body = Callable[[int], dict[str, object]]
PATHS = {"booking": "/api/scheduling/bookings", "workout_log": "/api/training/workouts"}


def token(key: RSAKey, number: int) -> str:
    """The access token of the customer of a request."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": str(business.named(business.PERSON, number % business.CUSTOMERS)),
        "role": "customer", "client_id": "plyo-app", "scope": "openid", "sid": str(uuid4()), "name": "Customer",
        "iat": now, "exp": now + 7200,
    }  # fmt: skip
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)


def booking(number: int) -> dict[str, object]:
    """A session of one's own."""
    return {"slot_id": str(business.named(business.SLOT, number))}


def workout(exercises: list[int]) -> Body:
    """Three exercises of five sets."""
    sets = [{"exercise_id": one, "reps": 5, "weight_kg": 60 + n, "rpe": 8} for one in exercises[:3] for n in range(5)]

    def body(_: int) -> dict[str, object]:
        done_at = datetime.now(UTC).isoformat()
        return {"id": str(uuid4()), "title": "Strength", "completed_at": done_at, "duration_minutes": 50, "sets": sets}

    return body


@dataclass(frozen=True)
class Measured:
    """A round. CPU in milliseconds of one request, of the server and of PostgreSQL."""

    load: clients.Load
    cpu_ms: float
    postgres_cpu_ms: float


class Bench:
    """One database, and what is asked of it."""

    def __init__(self, server: PostgresServer, key_file: Path, requests: int, processes: int = api_processes()) -> None:
        self.server, self.key_file, self.requests, self.processes = server, key_file, requests, processes
        self._tokens: dict[int, str] = {}
        self.url = server.url("plyo").replace("postgresql://", "postgresql+psycopg://", 1)
        self._next = 0
        app = create_app(servers.settings(self.url, key_file))
        self.key: RSAKey = app.state.keys.active()
        engine = make_engine(self.url, application_name="benchmark")
        with session_factory(engine, viewer=lambda: None).begin() as session:
            business.make(session)
            exercises = list(session.scalars(select(Exercise.id).order_by(Exercise.id).limit(3)))
        with psycopg.connect(server.url("plyo"), autocommit=True) as connection:
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")
        self.bodies: dict[str, Body] = {"booking": booking, "workout_log": workout(exercises)}
        self.answers: dict[str, str] = {}
        self.recorded = {kind: self._record(app, kind) for kind in PATHS}
        engine.dispose()
        app.state.sessions.kw["bind"].dispose()

    def take(self, count: int) -> range:
        """Numbers of requests that nobody has asked yet."""
        self._next += count
        return range(self._next - count, self._next)

    def _record(self, app: object, kind: str) -> Recorded:
        api = TestClient(app, base_url=ISSUER)  # type: ignore[arg-type]
        watched, at = {}, {}
        for number in self.take(4)[1:]:  # the first of each finds caches empty
            at[number] = datetime.now(UTC)
            heads = {"Authorization": f"Bearer {self.token(number)}"}

            def ask(number: int = number, heads: dict[str, str] = heads) -> None:
                answer = api.post(PATHS[kind], json=self.bodies[kind](number), headers=heads)
                if answer.status_code != 201:
                    raise SystemExit(f"{kind}: {answer.status_code} {answer.text}")
                self.answers[kind] = answer.text

            watched[number] = watch(app.state.sessions.kw["bind"], ask)  # type: ignore[attr-defined]
        first, second = list(watched)[1:]
        return Recorded(first, watched[first], watched[second], said_at=at[first])

    def token(self, number: int) -> str:
        """The access token of the customer of a request: the same one each time."""
        customer = number % business.CUSTOMERS
        if customer not in self._tokens:
            self._tokens[customer] = token(self.key, number)
        return self._tokens[customer]

    def greet(self, port: int) -> None:
        """Every customer asks Plyo who they are, so often that hardly a process has not met one."""
        asked = [clients.get("/api/identity/me", self.token(number)) for number in range(business.CUSTOMERS)]
        told = clients.run(port, asked * GREETINGS * self.processes, concurrency=CLIENTS)
        if set(told.statuses) != {200}:
            raise SystemExit(f"Not everybody was told who they are: {told.statuses}")

    def plyo(self, port: int, pid: int, kind: str) -> Measured:
        """Asks Plyo."""
        asked = [
            clients.post(PATHS[kind], json.dumps(self.bodies[kind](n)).encode(), self.token(n))
            for n in self.take(self.requests)
        ]
        return self._measured(port, pid, kind, asked)

    def bare(self, kind: str) -> Measured:
        """Asks the bare handler."""
        about, port = servers.KINDS[kind], free_port()
        bodies = {number: self.bodies[kind](number) for number in self.take(UNCOUNTED + self.requests)}
        prepared = {
            UUID(str(body[about.named_by])): self.recorded[kind].bound(number) for number, body in bodies.items()
        }
        asked = [clients.post("/", json.dumps(body).encode()) for body in bodies.values()]
        told = (port, self.server.url("plyo"), about, self.answers[kind], prepared)
        with servers.running(self.processes, servers.serve_bare, *told) as pid:
            clients.run(port, asked[:UNCOUNTED], concurrency=CLIENTS)
            return self._measured(port, pid, f"bare {kind}", asked[UNCOUNTED:])

    def _measured(self, port: int, pid: int, kind: str, asked: Sequence[bytes]) -> Measured:
        postgres = self.server.process
        assert postgres is not None  # noqa: S101 - it was started
        before = cpu.seconds_of([pid]), cpu.seconds_of([postgres.pid])
        load = clients.run(port, asked, concurrency=CLIENTS)
        after = cpu.seconds_of([pid]), cpu.seconds_of([postgres.pid])
        if set(load.statuses) != {201}:
            raise SystemExit(f"{kind}: not everything was done: {load.statuses}")
        own, sql = ((now - then) * 1000 / len(asked) for then, now in zip(before, after, strict=True))
        return Measured(load, own, sql)

    def pgbench(self, kind: str, folder: Path) -> float:
        """Transactions a second of pgbench."""
        per = self.requests // CLIENTS
        numbers = self.take(per * (CLIENTS + 1))
        script = folder / f"{kind}.sql"
        with psycopg.connect(self.server.url("plyo")) as connection:
            script.write_text(self.recorded[kind].for_pgbench(connection))
        done = subprocess.run(
            [BINARIES / "pgbench", "--no-vacuum", "-c", str(CLIENTS), "-j", "2", "-t", str(per), "-f", script,
             "-D", "i=-1", "-D", f"start={numbers[0]}", "-D", f"per={per}", self.server.url("plyo")],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode or f"{per * CLIENTS}/{per * CLIENTS}" not in done.stdout:
            raise SystemExit(f"pgbench: {done.stdout}{done.stderr}")
        return float(done.stdout.split("tps = ")[1].split(" ")[0])


def measure(bench: Bench, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Both kinds of requests, each by all three."""
    found: dict[str, dict[str, float]] = {}
    for kind, recorded in bench.recorded.items():
        ours, bares, sqls, port = list[Measured](), list[Measured](), list[float](), free_port()
        with servers.running(bench.processes, servers.serve_plyo, port, bench.url, bench.key_file) as pid:
            bench.greet(port)
            for number in range(rounds + 1):
                own, bare, sql = bench.plyo(port, pid, kind), bench.bare(kind), bench.pgbench(kind, folder)
                if not number:  # caches are warm, plans are made
                    continue
                ours.append(own)
                bares.append(bare)
                sqls.append(sql)
                for name, one in ((kind, own), ("  bare", bare)):
                    print(
                        f"{name}: {one.load.per_second:,.0f}/s; CPU of a request {one.cpu_ms:.2f} ms, "
                        f"in PostgreSQL {one.postgres_cpu_ms:.2f} ms"
                    )
                print(f"  pgbench: {sql:,.0f}/s")
        p50, p95, p99 = (statistics.median(one.load.percentile(p) for one in ours) for p in (50, 95, 99))
        print(f"{kind}: {len(recorded.statements)} statements; p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms")
        rates, peers = ([one.load.per_second for one in side] for side in (ours, bares))
        found[kind] = {
            "per_second": statistics.median(rates),
            "ratio_to_pgbench": statistics.median(a / b for a, b in zip(rates, sqls, strict=True)),
            "ratio_to_bare": statistics.median(a / b for a, b in zip(rates, peers, strict=True)),
            "p50_ms": p50, "p95_ms": p95, "p99_ms": p99,
            "cpu_ms": statistics.median(one.cpu_ms for one in ours),
            "postgres_cpu_ms": statistics.median(one.postgres_cpu_ms for one in ours),
            "bare_cpu_ms": statistics.median(one.cpu_ms for one in bares),
            "bare_postgres_cpu_ms": statistics.median(one.postgres_cpu_ms for one in bares),
        }  # fmt: skip
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The API under 64 clients, against the same SQL with less around it.")
    parser.add_argument("--requests", type=int, default=1500, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=api_processes(), help="of each server")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "signing.pem"
        key_file.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", durable=True, dies_with_parent=True)
        server.create()
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("create database plyo")
            migrations.upgrade(server.url("plyo").replace("postgresql://", "postgresql+psycopg://", 1))
            found = measure(Bench(server, key_file, asked.requests, asked.processes), Path(folder), asked.rounds)
        finally:
            server.stop()
    print(json.dumps(found | {"p99_ms": max(one["p99_ms"] for one in found.values())}))


if __name__ == "__main__":
    main()

"""The twenty questions that screens ask, by sixteen clients at once: over HTTP, bare in DuckDB, and on PostgreSQL.

Each is asked as its screen asks it: numbers as JSON, rows as Arrow and no more of them than are drawn, an admin's by an
admin, a coach's by the coach who has the most clients.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from secrets import token_hex
from statistics import median, quantiles
from typing import Any

import duckdb
import pyarrow as pa
from joserfc import jwt
from joserfc.jwk import RSAKey

from benchmarks.warehouse import on_postgres
from benchmarks.warehouse.business import Business
from benchmarks.warehouse.load import Client, together
from contracts import warehouse
from contracts.ids import new_id
from plyo import valkey
from plyo.postgres import free_port

CLIENTS = 16
ISSUER = "http://127.0.0.1"

METRICS = (
    "mrr", "active_members", "attrition", "member_retention", "arpm", "net_member_movement", "net_revenue",
    "no_show_rate", "late_cancel_rate", "utilisation", "fill_rate", "adherence",
)  # fmt: skip
DATASETS = ("mrr_daily", "payments_daily", "cohort_retention", "automation_effects")
DRAWN_DAYS = {"stages_daily": 365, "coach_utilisation": 56}
"""Of datasets of which a screen draws the last days: how many."""
OF_A_CLIENT = ("client_training_days", "client_progress", "client_workouts", "client_wearables", "client_activities")
ARROW = "application/vnd.apache.arrow.stream"
_MOST_ROWS = 9_999


@dataclass(frozen=True)
class Question:
    """A path that is answered, the SQL that its answer names as its own, and who asks."""

    path: str
    sql: str
    asker: "Asker"

    def anew(self, number: int) -> str:
        """The same question so that nobody has asked it before: until another far day, or of a row fewer at most."""
        if "/metrics/" in self.path:
            return f"{self.path}to=2{100 + number % 800:03d}-01-01"
        return f"{self.path}limit={_MOST_ROWS - number % 500}"


@dataclass(frozen=True)
class Asker:
    """Who asks, and what they read."""

    role: str
    account_id: str = ""
    accept: str = "application/json"


@contextmanager
def served(business: Business, folder: Path, manifest: Path) -> Iterator[tuple[int, Callable[[Asker], list[Client]]]]:
    """The analytics service in a process of its own, with its store: its pid, and sixteen clients for anybody.

    Sixteen admins are sixteen people, a coach has sixteen sessions.
    """
    key, port = RSAKey.generate_key(2048), free_port()
    key.ensure_kid()
    keys = folder / "jwks.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))

    def token(asker: Asker) -> str:
        claims = {
            "iss": ISSUER, "aud": "plyo-analytics", "sub": asker.account_id or str(new_id()), "role": asker.role,
            "client_id": "benchmark",
            "sid": str(new_id()), "gid": str(new_id()), "iat": int(time.time()), "exp": int(time.time()) + 7200,
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)

    with ExitStack() as ends, (folder / "analytics.log").open("wb") as log:
        counts = free_port()
        ends.enter_context(_process(valkey.configure(folder / "valkey", counts, "benchmark"), counts, log=log))
        known = os.environ | business.environment | {
            "PLYO_PUBLIC_URL": ISSUER, "PLYO_DBT_MANIFEST": str(manifest), "PLYO_BENCHMARK_KEYS": str(keys),
            "PLYO_AUDIT_DATABASE_URL": business.server.url("plyo").replace("postgresql://", "postgresql+psycopg://"),
            # Every request is counted, and none is too many.
            "PLYO_REDIS_URL": valkey.url(counts, "benchmark"), "PLYO_RATE_LIMIT_FACTOR": "1000000",
            "PLYO_ANALYTICS_ANSWERS_KEY": token_hex(24),
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.warehouse.server", str(port)]
        process = ends.enter_context(_process(command, port, log=log, env=known))
        yield process.pid, lambda asker: [Client(port, token(asker), asker.accept) for _ in range(CLIENTS)]


@contextmanager
def _process(command: list[str], port: int, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    log = options.pop("log")
    process = subprocess.Popen(command, stdout=log, stderr=log, **options)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def twenty(clients: Callable[[Asker], Sequence[Client]], coach: str, customer: str) -> list[Question]:
    """The first twenty questions that are answered."""
    admin, reader, trainer = Asker("admin"), Asker("admin", accept=ARROW), Asker("coach", coach, ARROW)
    today = datetime.now(UTC).date()
    paths = [(f"/api/analytics/datasets/{name}?", reader) for name in DATASETS]
    paths += [
        (f"/api/analytics/datasets/{name}?from={today - timedelta(days)}&", reader) for name, days in DRAWN_DAYS.items()
    ]
    paths.append(("/api/analytics/datasets/coach_clients?", trainer))
    paths += [(f"/api/analytics/datasets/{name}?customer_id={customer}&", trainer) for name in OF_A_CLIENT]
    paths += [(f"/api/analytics/metrics/{name}?", admin) for name in METRICS]
    found: list[Question] = []
    for path, asker in paths:
        status, _, body = clients(asker)[0].ask(path)
        if status == 200 and len(found) < 20:
            found.append(Question(path, _sql(body, asker), asker))
    return found


def _sql(body: bytes, asker: Asker) -> str:
    if asker.accept == ARROW:
        with pa.ipc.open_stream(body) as stream:
            return str((stream.schema.metadata or {})[b"plyo.sql"].decode())
    return str(json.loads(body)["sql"])


def p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1]


_BUSIEST = """
    select coach_id, customer_id
    from marts.core.dim_customers as customer
    inner join (select coach_id, count(*) as clients from marts.core.dim_customers group by all) using (coach_id)
    inner join (select customer_id, count(*) as workouts from marts.training.fct_workouts group by all)
        using (customer_id)
    order by clients desc, coach_id, workouts desc
"""
"""The coach with the most clients, and the client of theirs with the most workouts."""
KINDS = ("again", "unchanged")
ROUNDS, _IN_A_ROW = 4, 2


@dataclass
class Asked:
    """What one question came to, sixteen times at once: milliseconds by kind, and processor seconds of the service."""

    path: str
    bytes: int
    sent: int
    times: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As it is printed: 95th percentiles, and the service's processor milliseconds a request."""
        return (
            {"question": self.path, "bytes": self.bytes, "sent": self.sent}
            | {f"{kind}_ms_p95": round(p95(times), 1) for kind, times in self.times.items()}
            | {"cpu_ms": {kind: round(s * 1000 / len(self.times[kind]), 2) for kind, s in self.cpu.items()}}
        )


def measure(business: Business, folder: Path, manifest: Path) -> dict[str, Any]:
    """What is added to a question by asking it over HTTP, and what a question costs whose answer has not changed.

    Sixteen clients ask each question at once, each over a connection of its own that has asked it before; as many
    cursors ask it bare, each of which has too. What each question came to is a line of its own.

    `added`: no two ask the same (`Question.anew`), so each answer is computed. From each time is taken a bare one of
    that question, the fastest from the fastest and so on, since sixteen that ask two processors at once wait for each
    other on both sides. The two sides take turns, so that what else the machine does meets both. `unchanged`: the
    question that was answered before, asked as consoles ask it, with the ETag of the answer that they have; `again`: by
    who has it not, all of it taken, packed as it is sent (`sent` bytes). `floor`: as many from a service that does
    nothing; it is in all of them, and is not taken off. `cpu`: processor milliseconds of the service a request, and of
    DuckDB `bare`; `client_cpu` the client's.
    `postgres`: the same SQL on the `postgres` target, which must give the same rows.
    """
    with warehouse.reading(business.cdc) as lake:
        row = lake.execute(_BUSIEST).fetchone()
        coach, customer = (str(one) for one in row or ("", ""))
    found: list[Asked] = []
    client_cpu = 0.0
    with (
        served(business, folder, manifest) as (pid, clients_of), _floor(folder) as (floor_port, floor_pid),
        warehouse.reading(business.cdc) as lake,
    ):  # fmt: skip
        known = cache(clients_of)
        idle = [Client(floor_port) for _ in range(CLIENTS)]
        cursors = [lake.cursor() for _ in idle]
        asked = twenty(known, coach, customer)
        for question in asked:
            clients = known(question.asker)
            for client in [*clients, *clients]:  # an answer is packed once it was told again
                _warm(client, question.path)
            tags, size, sent = zip(*(_warm(client, question.path) for client in clients), strict=True)
            one = Asked(question.path, size[-1], sent[-1])
            found.append(one)
            for cursor in cursors:
                _bare(cursor, question.sql)
            again = ROUNDS * 4
            nothing = [[client.request(f"/{one.sent}")] * again for client in idle]
            before = _cpu(floor_pid)
            one.times["floor"] = together(idle, nothing, status=[200] * CLIENTS).times
            one.cpu["floor"] = _cpu(floor_pid) - before
            requests = {
                "again": [[client.request(question.path)] * again for client in clients],
                "unchanged": [
                    [client.request(question.path, tag)] * again for client, tag in zip(clients, tags, strict=True)
                ],
            }  # fmt: skip
            for kind in KINDS:
                expected = [304 if kind == "unchanged" and tag else 200 for tag in tags]
                before = _cpu(pid)
                took = together(clients, requests[kind], status=expected)
                one.cpu[kind], one.times[kind] = _cpu(pid) - before, took.times
                client_cpu += took.cpu
            _added(one, question, clients, cursors, pid)
            print(json.dumps(one.told()), flush=True)
        rows = [cursors[0].execute(question.sql).fetchall() for question in asked]
    compared = on_postgres.measure(business, [one.sql for one in asked], rows, clients=CLIENTS, rounds=_IN_A_ROW)
    told = {kind: [each for one in found for each in one.times[kind]] for kind in found[0].times}
    return {
        "asked": len(asked),
        "added_ms_p95": round(p95(told["added"]), 1),
        "unchanged_ms_p95": round(p95(told["unchanged"]), 1),
        "again_ms_p95": round(p95(told["again"]), 1),
        "floor_ms_p95": round(p95(told["floor"]), 1),
        "cold_ms_median": round(median(told["cold"]), 1),
        "bare_ms_median": round(median(told["bare"]), 1),
        "bare_ms_p95": round(p95(told["bare"]), 1),
        "cpu_ms": {
            kind: round(sum(one.cpu[kind] for one in found) * 1000 / len(told[kind]), 2)
            for kind in (*KINDS, "cold", "bare", "floor")
        },
        "client_cpu_ms": round(client_cpu * 1000 / sum(len(told[kind]) for kind in KINDS), 2),
    } | compared


def _added(
    one: Asked, question: Question, clients: Sequence[Client], cursors: Sequence[duckdb.DuckDBPyConnection], pid: int
) -> None:
    """Ask what nobody has asked before and the same bare, in turns."""
    for kind in ("cold", "bare"):
        one.times[kind], one.cpu[kind] = [], 0.0
    for turn in range(ROUNDS // _IN_A_ROW):
        requests = [
            [client.request(question.anew((turn * CLIENTS + place) * _IN_A_ROW + n)) for n in range(_IN_A_ROW)]
            for place, client in enumerate(clients)
        ]
        before = _cpu(pid)
        one.times["cold"] += together(clients, requests, status=[200] * CLIENTS).times
        one.cpu["cold"] += _cpu(pid) - before
        before = time.process_time()
        one.times["bare"] += _all_bare(cursors, question.sql, _IN_A_ROW)
        one.cpu["bare"] += time.process_time() - before
    both = zip(sorted(one.times["cold"]), sorted(one.times["bare"]), strict=True)
    one.times["added"] = [told - bare for told, bare in both]


@contextmanager
def _floor(folder: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    with (folder / "floor.log").open("wb") as log:
        command = [sys.executable, "-m", "benchmarks.warehouse.floor", str(port)]
        with _process(command, port, log=log) as process:
            yield port, process.pid


def _cpu(pid: int) -> float:
    """Processor seconds that all threads of a process have had, by its own clock (`clock_getcpuclockid`)."""
    return time.clock_gettime((~pid << 3) | 2)


def _warm(client: Client, path: str) -> tuple[str, int, int]:
    """Ask once; the tag of the answer, empty where it has none, its bytes, and those that came over the line."""
    status, headers, body = client.ask(path)
    if status != 200:
        raise RuntimeError(body.decode()[:500])
    return headers.get("etag", ""), len(body), int(headers["content-length"])


def _all_bare(cursors: Sequence[duckdb.DuckDBPyConnection], sql: str, times: int) -> list[float]:
    """Milliseconds of the question asked so often by each of the cursors, all of them at once."""
    gate = threading.Barrier(len(cursors))

    def measured(cursor: duckdb.DuckDBPyConnection) -> list[float]:
        gate.wait()
        return [_bare(cursor, sql) for _ in range(times)]

    with ThreadPoolExecutor(len(cursors)) as pool:
        return [one for times in pool.map(measured, cursors) for one in times]


def _bare(cursor: duckdb.DuckDBPyConnection, sql: str) -> float:
    began = time.perf_counter()
    cursor.execute(sql).to_arrow_table()
    return (time.perf_counter() - began) * 1000

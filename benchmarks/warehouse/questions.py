"""The twenty questions that screens ask, by sixteen clients at once: over HTTP, bare in DuckDB, and on PostgreSQL."""

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
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal

import duckdb
import psutil
from joserfc import jwt
from joserfc.jwk import RSAKey

from benchmarks.warehouse import on_postgres
from benchmarks.warehouse.business import Business
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
DATASETS = (
    "stages_daily", "mrr_daily", "mrr_movements", "payments_daily", "cohort_retention", "coach_utilisation",
    "coach_clients", "automation_effects",
)  # fmt: skip
OF_A_CLIENT = ("client_training_days", "client_progress", "client_workouts", "client_wearables", "client_activities")
_PAGE = 1000


@dataclass(frozen=True)
class Question:
    """A path that is answered, and the SQL that its answer names as its own."""

    path: str
    sql: str

    def anew(self, number: int) -> str:
        """The same question so that nobody has asked it before: until another far day, or of a row fewer a page."""
        if "/metrics/" in self.path:
            return f"{self.path}to=2{100 + number % 800:03d}-01-01"
        return f"{self.path}limit={_PAGE - 1 - number % 500}"


class Client:
    """One who asks over a connection that stays open, and does no more with an answer than take all of it."""

    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._told = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"

    def ask(self, path: str, tag: str = "") -> tuple[float, int, dict[str, str], bytes]:
        """Milliseconds until the last byte was there; status, headers and body."""
        known = f"If-None-Match: {tag}\r\n" if tag else ""
        asked = f"GET {path} {self._told}{known}\r\n".encode()
        began = time.perf_counter()
        self._socket.sendall(asked)
        head, _, body = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        pieces, missing = [body], int(headers.get("content-length", 0)) - len(body)
        while missing > 0:
            pieces.append(self._socket.recv(min(missing, 1 << 20)))
            missing -= len(pieces[-1])
        took = (time.perf_counter() - began) * 1000
        return took, int(lines[0].split(" ")[1]), headers, b"".join(pieces)

    def _until(self, mark: bytes) -> bytes:
        told = self._socket.recv(1 << 16)
        while mark not in told:
            if not (more := self._socket.recv(1 << 16)):
                raise ConnectionError("the service hung up")
            told += more
        return told


@contextmanager
def served(business: Business, folder: Path, manifest: Path) -> Iterator[tuple[int, int, list[str]]]:
    """The analytics service in a process of its own, with its store: its port and pid, and sixteen admins' tokens."""
    key, port = RSAKey.generate_key(2048), free_port()
    key.ensure_kid()
    keys = folder / "jwks.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))

    def token() -> str:
        claims = {
            "iss": ISSUER, "aud": "plyo-analytics", "sub": str(new_id()), "role": "admin", "client_id": "benchmark",
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
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.warehouse.server", str(port)]
        process = ends.enter_context(_process(command, port, log=log, env=known))
        yield port, process.pid, [token() for _ in range(CLIENTS)]


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


def twenty(client: Client, customer: str) -> list[Question]:
    """The first twenty questions that are answered."""
    paths = [f"/api/analytics/datasets/{name}?" for name in DATASETS]
    paths += [f"/api/analytics/datasets/{name}?customer_id={customer}&" for name in OF_A_CLIENT]
    paths += [f"/api/analytics/metrics/{name}?" for name in METRICS]
    found: list[Question] = []
    for path in paths:
        _, status, _, body = client.ask(path)
        if status == 200 and len(found) < 20:
            found.append(Question(path, json.loads(body)["sql"]))
    return found


def together(work: Sequence[Callable[[], list[float]]]) -> list[float]:
    """Milliseconds that all measured, working at once from the same moment on."""
    gate = threading.Barrier(len(work))

    def measured(measure: Callable[[], list[float]]) -> list[float]:
        gate.wait()
        return measure()

    with ThreadPoolExecutor(len(work)) as pool:
        return [one for times in pool.map(measured, work) for one in times]


def p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1]


def measure(business: Business, folder: Path, manifest: Path, *, rounds: int = 2) -> dict[str, Any]:
    """What is added to a question by asking it over HTTP, and what a question costs whose answer has not changed.

    Sixteen clients ask each question at once, each over a connection of its own that has asked it before; as many
    cursors ask it bare, each of which has too.

    `added`: no two ask the same (`Question.anew`), so each answer is computed. From each time is taken a bare one of
    that question, the fastest from the fastest and so on, since sixteen that ask two processors at once wait for each
    other on both sides. `unchanged`: the question that was answered before, all of the answer taken; `known`: with its
    ETag. `cpu`: processor milliseconds of the service a request. `postgres`: the same SQL on the `postgres` target.
    """
    with warehouse.reading(business.cdc) as lake:
        busiest = "select customer_id from marts.training.fct_workouts group by 1 order by count(*) desc"
        row = lake.execute(busiest).fetchone()
    told: dict[str, list[float]] = {"cold": [], "added": [], "unchanged": [], "known": [], "bare": []}
    spent = {"cold": 0.0, "unchanged": 0.0, "known": 0.0}
    with served(business, folder, manifest) as (port, pid, tokens), warehouse.reading(business.cdc) as lake:
        clients = [Client(port, token) for token in tokens]
        cursors = [lake.cursor() for _ in clients]
        asked, service = twenty(clients[0], str(row[0] if row else "")), psutil.Process(pid)
        for question in asked:
            tags = [_warm(client, question.path) for client in clients]
            for cursor in cursors:
                _bare(cursor, question.sql)
            for kind, times in (("unchanged", rounds * 4), ("known", rounds * 4), ("cold", rounds)):
                before = _cpu(service)
                found = together([
                    _asking(client, question, kind, tag, times, count(place * times))
                    for place, (client, tag) in enumerate(zip(clients, tags, strict=True))
                ])  # fmt: skip
                spent[kind] += _cpu(service) - before
                told[kind] += found
                if kind == "cold":
                    bare = together([_asking_bare(cursor, question.sql, times) for cursor in cursors])
                    told["bare"] += bare
                    told["added"] += [t - b for t, b in zip(sorted(found), sorted(bare), strict=True)]
    compared = on_postgres.measure(business, [question.sql for question in asked], clients=CLIENTS, rounds=rounds)
    return {
        "asked": len(asked),
        "added_ms_p95": round(p95(told["added"]), 1),
        "unchanged_ms_p95": round(p95(told["unchanged"]), 1),
        "known_ms_p95": round(p95(told["known"]), 1),
        "cold_ms_median": round(median(told["cold"]), 1),
        "bare_ms_median": round(median(told["bare"]), 1),
        "bare_ms_p95": round(p95(told["bare"]), 1),
        "cpu_ms": {kind: round(seconds * 1000 / len(told[kind]), 2) for kind, seconds in spent.items()},
    } | compared


def _cpu(service: psutil.Process) -> float:
    times = service.cpu_times()
    return float(times.user + times.system)


def _warm(client: Client, path: str) -> str:
    """Ask once; the tag of the answer, empty where it has none."""
    _, status, headers, body = client.ask(path)
    if status != 200:
        raise RuntimeError(body.decode()[:500])
    return headers.get("etag", "")


def _asking(
    client: Client, question: Question, kind: Literal["cold", "unchanged", "known"] | str, tag: str, times: int,
    numbers: Iterator[int],
) -> Callable[[], list[float]]:  # fmt: skip
    def work() -> list[float]:
        found = []
        for _ in range(times):
            path = question.anew(next(numbers)) if kind == "cold" else question.path
            took, status, _, body = client.ask(path, tag if kind == "known" else "")
            if status != (304 if kind == "known" and tag else 200):
                raise RuntimeError(f"{status} to {path}: {body[:300].decode()}")
            found.append(took)
        return found

    return work


def _asking_bare(cursor: duckdb.DuckDBPyConnection, sql: str, times: int) -> Callable[[], list[float]]:
    return lambda: [_bare(cursor, sql) for _ in range(times)]


def _bare(cursor: duckdb.DuckDBPyConnection, sql: str) -> float:
    began = time.perf_counter()
    cursor.execute(sql).to_arrow_table()
    return (time.perf_counter() - began) * 1000

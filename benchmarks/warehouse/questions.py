"""The twenty questions that screens ask, by sixteen clients at once: through HTTP, and bare in DuckDB."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import duckdb
from joserfc import jwt
from joserfc.jwk import RSAKey

from benchmarks.warehouse.business import Business
from contracts import warehouse
from contracts.ids import new_id
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


@contextmanager
def served(business: Business, folder: Path, manifest: Path) -> Iterator[tuple[int, str]]:
    """The analytics service in a process of its own: its port, and an admin's token."""
    key, port = RSAKey.generate_key(2048), free_port()
    key.ensure_kid()
    keys = folder / "jwks.json"
    keys.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    claims = {
        "iss": ISSUER, "aud": "plyo-analytics", "sub": str(new_id()), "role": "admin", "client_id": "benchmark",
        "sid": str(new_id()), "exp": int(time.time()) + 7200,
    }  # fmt: skip
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)
    known = os.environ | business.environment | {
        "PLYO_PUBLIC_URL": ISSUER, "PLYO_DBT_MANIFEST": str(manifest), "PLYO_RATE_LIMIT_FACTOR": "0",
        "PLYO_AUDIT_DATABASE_URL": business.server.url("plyo").replace("postgresql://", "postgresql+psycopg://"),
        "PLYO_BENCHMARK_KEYS": str(keys),
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.warehouse.server", str(port)]
    with (folder / "analytics.log").open("wb") as log:
        process = subprocess.Popen(command, env=known, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, token
    finally:
        process.terminate()
        process.wait()


def ask(connection: http.client.HTTPConnection, token: str, path: str) -> tuple[float, int, bytes]:
    """Milliseconds, status and body of one question."""
    began = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    return (time.perf_counter() - began) * 1000, answer.status, body


def twenty(port: int, token: str, customer: str) -> list[tuple[str, str]]:
    """The first twenty paths that are answered, each with the SQL that the answer names as its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    paths = [f"/api/analytics/datasets/{name}?" for name in DATASETS]
    paths += [f"/api/analytics/datasets/{name}?customer_id={customer}&" for name in OF_A_CLIENT]
    paths += [f"/api/analytics/metrics/{name}?" for name in METRICS]
    found: list[tuple[str, str]] = []
    for path in paths:
        _, status, body = ask(connection, token, path)
        if status == 200 and len(found) < 20:
            found.append((path, json.loads(body)["sql"]))
    return found


def together(work: Callable[[int], list[float]]) -> list[float]:
    """Milliseconds that all clients measured, working at once."""
    found: list[float] = []

    def one(number: int) -> None:
        found.extend(work(number))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1]


def measure(business: Business, folder: Path, manifest: Path, *, rounds: int = 2) -> dict[str, Any]:
    """Added and unchanged milliseconds at the 95th percentile, and the medians of both sides.

    `added`: the answers of one question differ by a period's end far in the future, so none is remembered; from each
    is taken a bare time of that question, measured with as many clients: the fastest from the fastest, and so on, since
    sixteen that ask two processors at once wait for each other on both sides. `unchanged`: the same question again.
    """
    with warehouse.reading(business.cdc) as lake:
        busiest = "select customer_id from marts.training.fct_workouts group by 1 order by count(*) desc"
        row = lake.execute(busiest).fetchone()
    with served(business, folder, manifest) as (port, token):
        asked = twenty(port, token, str(row[0] if row else ""))
        counter = iter(range(10**6))

        def over_http(path: str, *, is_new: bool) -> Callable[[int], list[float]]:
            def work(_: int) -> list[float]:
                connection, times = http.client.HTTPConnection("127.0.0.1", port), []
                for _ in range(rounds if is_new else rounds * 4):
                    end = f"to=2{next(counter) % 800 + 100:03d}-01-01" if is_new else ""
                    took, status, _body = ask(connection, token, path + end)
                    if status == 200:
                        times.append(took)
                return times

            return work

        cold, unchanged, bare_times = {}, {}, {}
        with warehouse.reading(business.cdc) as lake:
            for path, sql in asked:
                cold[path] = together(over_http(path, is_new=True))
                ask(http.client.HTTPConnection("127.0.0.1", port), token, path)  # remembered from here on
                unchanged[path] = together(over_http(path, is_new=False))
                bare_times[path] = together(_bare(lake, sql, rounds))
    added = [
        t - b for path, times in cold.items() for t, b in zip(sorted(times), sorted(bare_times[path]), strict=False)
    ]
    return {
        "asked": len(asked),
        "added_ms_p95": round(p95(added), 1),
        "unchanged_ms_p95": round(p95([t for times in unchanged.values() for t in times]), 1),
        "bare_ms_median": round(median([t for times in bare_times.values() for t in times]), 1),
    }


def _bare(lake: duckdb.DuckDBPyConnection, sql: str, rounds: int) -> Callable[[int], list[float]]:
    def work(_: int) -> list[float]:
        cursor, times = lake.cursor(), []
        for _ in range(rounds):
            began = time.perf_counter()
            cursor.execute(sql).to_arrow_table()
            times.append((time.perf_counter() - began) * 1000)
        return times

    return work

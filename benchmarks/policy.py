"""How fast the policy decides: decisions a second and the 99th percentile, against the bare library in the same run.

    python -m benchmarks.policy [--decisions 5000]

`decide` is what every request pays: our question built, asked of all policies. `bare` is one cedarpy call with one
policy and the same entities, already built. `gate` is a route's demand, remembered per role and action. Times are of
the process's own work (CPU), because a busy machine says nothing about us; wall clock is printed beside them. The last
line is JSON.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import cedarpy

from operational_api.core import policy
from operational_api.core.policy import Resource
from operational_api.core.principal import ROLES

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def timed(ask: Callable[[int], Any], times: int) -> dict[str, float]:
    """Microseconds of `ask(n)`: of the CPU (median and 99th percentile), and of the clock."""
    cpu, clock = [], []
    for n in range(times):
        began, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
        ask(n)
        cpu.append(time.thread_time_ns() - began_cpu)
        clock.append(time.perf_counter_ns() - began)
    cpu.sort()
    clock.sort()
    return {
        "median_us": cpu[times // 2] / 1000,
        "p99_us": cpu[times * 99 // 100] / 1000,
        "clock_median_us": clock[times // 2] / 1000,
        "clock_p99_us": clock[times * 99 // 100] / 1000,
        "per_second": times / (sum(cpu) / 1e9),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Decisions of the policy a second, and their 99th percentile.")
    parser.add_argument("--decisions", type=int, default=5000)
    times: int = parser.parse_args().decisions
    rng = random.Random(1)  # noqa: S311 - reproducible requests, not secrets
    actions, people = sorted(policy.actions()), [UUID(int=n) for n in range(1, 30)]
    asked = [
        (
            rng.choice(ROLES),
            rng.choice(people),
            rng.choice(actions),
            Resource("Booking", UUID(int=n), customer_id=rng.choice(people), coach_id=rng.choice(people)),
        )
        for n in range(times)
    ]
    permit_all = cedarpy.PolicySet.from_str("permit (principal, action, resource);")
    built = [policy.question(*one, now=NOW) for one in asked]

    def decide(n: int) -> None:
        policy.decide(*asked[n], now=NOW)

    def bare(n: int) -> None:
        cedarpy.is_authorized(built[n][0], permit_all, built[n][1])

    def gate(n: int) -> None:
        policy.may(asked[n][0], asked[n][2])

    for warm in (decide, bare, gate):
        timed(warm, times)
    measured = {"decide": timed(decide, times), "bare": timed(bare, times), "gate": timed(gate, times)}
    for name, found in measured.items():
        print(f"{name:>7}: " + "  ".join(f"{key} {value:,.1f}" for key, value in found.items()))
    ratio = measured["decide"]["median_us"] / measured["bare"]["median_us"]
    print(f"a decision of ours costs {ratio:.2f} of the bare call; its 99th percentile is to stay under 1,000 us")
    print(
        json.dumps(
            {
                "benchmark": "policy",
                "decisions_per_second": round(measured["decide"]["per_second"]),
                "p99_us": round(measured["decide"]["p99_us"]),
                "ratio_to_bare": round(ratio, 2),
                "gates_per_second": round(measured["gate"]["per_second"]),
            }
        )
    )


if __name__ == "__main__":
    main()

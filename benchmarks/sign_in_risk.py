"""How many attackers who know the password are asked for a second proof, how often real people are, and how long a
score takes.

`make bench-sign-in-risk`, about a minute. The log is generated (`tests/operational_api/identity/sign_in_log.py`): it
knows shared offices, changing addresses, trips, new devices and cleared cookies, but nobody's real sign-ins, so the
figures say what the model does with such people, not what it will do with yours. No generated attacker has the owner's
cookie, and none is hasty: velocity adds nothing here.

The thresholds in use were chosen on the seeds of `CALIBRATION`; what is printed is of another seed. The shares come
from the model over all rows at once; a sample of rows goes through the real function on PostgreSQL, which must say the
same and is what is timed.
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import structlog
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from operational_api.identity.settings import RiskSettings
from operational_api.migrations import run as migrations
from plyo.postgres import PostgresServer, free_port
from tests.operational_api.identity.sign_in_log import (
    KINDS,
    Stored,
    first_after,
    generate,
    judged,
    scores_of,
    threshold_for,
)

CALIBRATION = (1, 2, 3)
BUDGETS = (0.05, 0.02, 0.01)
SAMPLE = 1500


def main() -> None:
    """Print the figures; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--users", type=int, default=4000)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if asked.seed in CALIBRATION:
        parser.error("that seed chose the thresholds: judge by another")
    told = RiskSettings()
    log = generate(asked.seed, users=asked.users)
    late = (log.attack == 0) & (log.day >= 180)
    print(f"{(log.attack == 0).sum():,} sign-ins of {asked.users:,} people in 9 months, seed {asked.seed}; judged: the")
    print(f"last 3 months, {late.sum():,} honest, {1 - log.is_known_device[late].mean():.1%} from a new browser,")
    print(f"{(log.attack > 0).sum():,} attacks. Every attacker has the right password, none has the cookie.\n")
    print(f"{'places known':13} {'real people asked':>18} {'threshold':>10}" + "".join(f"{kind:>10}" for kind in KINDS))
    answer: dict[str, object] = {"benchmark": "sign_in_risk", "seed": asked.seed, "users": asked.users}
    for has_places in (True, False):
        scores = scores_of(log, has_places=has_places)
        rows = [("in use", told.step_up_at), *((f"<= {b:.0%}", threshold_for(log, scores, b)) for b in BUDGETS)]
        rows.append(("refused", told.refuse_at))
        for name, threshold in rows:
            seen = judged(log, scores, threshold)
            print(
                f"{'yes' if has_places else 'no':13} {name:>9} {seen.asked:>8.3%} {threshold:>10.2f}"
                + "".join(f"{seen.caught[kind]:>10.2%}" for kind in KINDS)
            )
            answer[f"{'with' if has_places else 'without'}_places.{name}"] = {"asked": round(seen.asked, 5)} | {
                kind: round(share, 5) for kind, share in seen.caught.items()
            }
    print("\ncalibration: the same at the threshold in use on the seeds that chose it")
    for seed in CALIBRATION:
        other = generate(seed, users=asked.users)
        seen = judged(other, scores_of(other), told.step_up_at)
        print(f"seed {seed}: asked {seen.asked:.2%}  " + "  ".join(f"{k} {v:.2%}" for k, v in seen.caught.items()))
    print()
    answer |= _timed(first_after(log, 200.0, SAMPLE))
    print(json.dumps(answer))


def _timed(log) -> dict[str, float]:  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "bench", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        try:
            url = server.url().replace("postgresql://", "postgresql+psycopg://", 1)
            migrations.upgrade(url)
            engine = create_engine(url, connect_args={"options": "-c timezone=UTC"})
            with Session(engine, expire_on_commit=False) as session:
                stored = Stored(session, log)
                session.commit()
                rows = np.flatnonzero(log.attack > 0)
                model, real, spent = scores_of(log)[rows], [], []
                worked = time.process_time()
                for row in rows:
                    began = time.perf_counter()
                    real.append(stored.assess(int(row)).score)
                    spent.append((time.perf_counter() - began) * 1000)
                worked = (time.process_time() - worked) * 1000 / rows.size
            engine.dispose()
        finally:
            server.stop()
    apart = float(np.abs(np.array(real) - model).max())
    median, p99 = float(np.median(spent)), float(np.quantile(spent, 0.99))
    print(f"{rows.size:,} scores by the real function on PostgreSQL, {(log.attack == 0).sum():,} sign-ins stored:")
    print(f"{median:.2f} ms median, {p99:.2f} ms p99, of which {worked:.2f} ms are Python's own work and the rest is")
    print(f"waiting for PostgreSQL and for the machine. Furthest from the model over all rows: {apart:.5f}")
    return {
        "ms_of_python": round(worked, 3), "ms_median": round(median, 3), "ms_p99": round(p99, 3),
        "furthest_from_model": round(apart, 6),
    }  # fmt: skip


if __name__ == "__main__":
    main()

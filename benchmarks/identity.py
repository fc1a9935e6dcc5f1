"""How fast people sign in and tokens are believed: python -m benchmarks.identity [--runs 5]

Logins and token checks, each beside the bare cryptographic call it cannot do without, in the same run: Argon2id
verification by `argon2-cffi` with the parameters that the stored hash names, and decoding with claims' validation by
`joserfc`. A login is `service.login` on a real PostgreSQL in a transaction of its own: throttle, account, password,
session, event, commit. A token check is the app's authenticator: header, signature, claims, who it is. `asked` is the
same with the question whether the session has ended, which is the first statement of the request's transaction; its
figure is a round trip to PostgreSQL and has no bare call beside it.

Times are of this process's own work (CPU; Argon2's threads count, PostgreSQL's processes do not), because a busy
machine says nothing about us; ratios by the clock, which have both, are printed beside them. Each figure is the median
of several runs that alternate with the bare call. The last line is JSON.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy.orm import Session

from contracts.ids import new_id
from contracts.tokens import ALGORITHMS, API
from operational_api.core.database import make_engine, session_factory
from operational_api.core.principal import bearer
from operational_api.core.tokens import TokenVerifier
from operational_api.core.viewer import show_as
from operational_api.identity import passwords
from operational_api.identity.models import Account, LoginSession, OAuthClient
from operational_api.identity.oidc import claims
from operational_api.identity.service import login
from operational_api.migrations import run as migrations
from plyo.postgres import PostgresServer, free_port

ISSUER, PASSWORD, EMAIL = "https://plyo.test", "correct horse battery", "mia@plyo.test"


def spent(times: int, do: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of one `do()`, over so many: of the CPU, and by the clock."""
    began, began_clock = time.process_time(), time.perf_counter()
    for _ in range(times):
        do()
    return (time.process_time() - began) / times, (time.perf_counter() - began_clock) / times


def alternating(runs: int, times: int, ours: Callable[[], Any], bare: Callable[[], Any]) -> dict[str, float]:
    """Medians of both, and the median of the ratios of neighbouring runs (1 is as fast as the bare call)."""
    spent(max(1, times // 10), ours), spent(max(1, times // 10), bare)
    pairs = [(spent(times, ours), spent(times, bare)) for _ in range(runs)]
    return {
        "per_second": 1 / statistics.median(one[0] for one, _ in pairs),
        "bare_per_second": 1 / statistics.median(other[0] for _, other in pairs),
        "ratio": statistics.median(other[0] / one[0] for one, other in pairs),
        "ratio_by_clock": statistics.median(other[1] / one[1] for one, other in pairs),
    }


def request_with(token: str) -> Request:
    """A request that carries the token."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "app": FastAPI()})


def logins(engine: Any, runs: int, times: int) -> dict[str, float]:
    """Signing in, beside verifying the password."""
    sessions = session_factory(engine, viewer=lambda: None)
    browser = login.Browser(address="198.51.100.7", user_agent="benchmark")

    def sign_in() -> None:
        now = datetime.now(UTC)
        with sessions.begin() as session:
            account = login.authenticate(session, email=EMAIL, password=PASSWORD, browser=browser, now=now)
            login.start(session, account=account, browser=browser, amr=("pwd",), now=now)

    known = passwords.hashed(PASSWORD)
    hasher = PasswordHasher()  # what it verifies by is in the hash
    return alternating(runs, times, sign_in, lambda: hasher.verify(known, PASSWORD))


def token_checks(session: Session, runs: int, times: int) -> tuple[dict[str, float], float]:
    """Believing a token that was not believed before, beside decoding it; and asking whether it holds, a second."""
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    public = KeySet([RSAKey.import_key(key.as_dict(private=False))])
    account = session.query(Account).one()
    row = session.query(LoginSession).limit(1).one()
    client = OAuthClient(client_id="plyo-coach", audiences=[API], access_token_seconds=3600)
    token = claims.access_token(
        claims.Issuer(ISSUER, key), client, scope="openid", now=datetime.now(UTC), account=account, login=row,
        grant_id=new_id(),
    )  # fmt: skip
    fetched = itertools.cycle((public, KeySet(list(public.keys))))  # with other keys nothing is known from before
    authenticate = bearer(TokenVerifier(lambda _refresh: next(fetched), issuer=ISSUER))
    request = request_with(token)
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": API}, exp={"essential": True}
    )

    def bare() -> None:
        registry.validate(jwt.decode(token, public, algorithms=ALGORITHMS).claims)

    found = alternating(runs, times, lambda: authenticate(request), bare)
    principal = authenticate(request)
    asked = statistics.median(spent(times, lambda: show_as(principal, session))[0] for _ in range(runs))
    return found, 1 / asked


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Logins and token checks, as ratios to the bare calls.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--logins", type=int, default=10, help="a run")
    parser.add_argument("--checks", type=int, default=2000, help="a run")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data", free_port(), "benchmark", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        try:
            url = server.url().replace("postgresql://", "postgresql+psycopg://", 1)
            migrations.upgrade(url)
            engine = make_engine(url, application_name="benchmark", pool_size=1)
            with session_factory(engine, viewer=lambda: None).begin() as session:
                session.add(
                    Account(
                        id=new_id(), email=EMAIL, password_hash=passwords.hashed(PASSWORD), display_name="Mia",
                        role="coach", time_zone="UTC", email_verified_at=datetime.now(UTC),
                        created_at=datetime.now(UTC),
                    )
                )  # fmt: skip
            signed_in = logins(engine, asked.runs, asked.logins)
            with session_factory(engine, viewer=lambda: None)() as session:
                believed, questions = token_checks(session, asked.runs, asked.checks)
            engine.dispose()
        finally:
            server.stop()
    work = passwords.PasswordSettings()
    print(f"Argon2id: {work.memory_kib} KiB, {work.passes} passes, {work.lanes} lanes; RS256, 2048 bits")
    for name, found in (("logins", signed_in), ("token checks", believed)):
        print(
            f"{name:>12}: {found['per_second']:,.1f} a CPU second, bare call {found['bare_per_second']:,.1f}, "
            f"ratio {found['ratio']:.2f} ({found['ratio_by_clock']:.2f} by the clock)"
        )
    print(f"{'still holds?':>12}: {questions:,.0f} questions a CPU second of the API")
    print(
        json.dumps(
            {
                "benchmark": "identity",
                "logins_per_cpu_second": round(signed_in["per_second"], 1),
                "logins_ratio_to_bare_argon2": round(signed_in["ratio"], 2),
                "logins_ratio_by_clock": round(signed_in["ratio_by_clock"], 2),
                "token_checks_per_cpu_second": round(believed["per_second"]),
                "token_checks_ratio_to_bare_jwt": round(believed["ratio"], 2),
                "questions_per_cpu_second": round(questions),
            }
        )
    )


if __name__ == "__main__":
    main()

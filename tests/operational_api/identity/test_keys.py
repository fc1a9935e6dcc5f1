"""Signing keys: which one signs, what is published, and that rotating one costs nobody their session."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from contracts.tokens import API, InvalidToken, KeysUnavailable, RemoteKeys, Verifier
from operational_api.app import create_app
from operational_api.core.models import AuditEntry
from operational_api.identity.keys import ring, service
from operational_api.identity.keys.errors import KeyNotFound, LastKey, RotationUnderWay
from operational_api.identity.models import Account, SigningKey
from plyo.postgres import PostgresServer, free_port
from tests.operational_api.conftest import ISSUER, access_token
from tests.operational_api.identity.conftest import Relying, enter
from tests.operational_api.identity.served import serve

MakeAccount = Callable[..., Account]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEALER = Sealer.of("a-secret-for-sealing-of-32-characters")


@cache
def seed() -> RSAKey:
    return ring.with_kid(RSAKey.generate_key(2048))


def states(session: Session, now: datetime) -> list[str]:
    return [state for _, state in ring.read(session, seed=seed(), sealer=SEALER).states(now)]


def rotated(session: Session, now: datetime, **given: Any) -> str:
    return service.rotate(session, seed=seed(), sealer=SEALER, now=now, **given).kid


class TestRing:
    def test_a_key_is_published_before_it_signs_and_until_its_last_token_is_dead(self, session: Session) -> None:
        assert states(session, NOON) == ["active"]
        rotated(session, NOON)
        assert states(session, NOON) == ["active", "next"]
        assert states(session, NOON + HOUR - timedelta(seconds=1)) == ["active", "next"]
        assert states(session, NOON + HOUR) == ["retired", "active"]
        assert states(session, NOON + HOUR + timedelta(seconds=600)) == ["retired", "active"]
        assert states(session, NOON + HOUR + HOUR + timedelta(minutes=3)) == ["over", "active"]

    def test_the_longest_token_of_any_client_decides(self, session: Session) -> None:
        session.execute(
            text(
                "insert into identity.oauth_clients"
                " (client_id, name, redirect_uris, allowed_roles, access_token_seconds)"
                " values ('slow', 'Slow', '{}', '{}', 7200)"
            )
        )
        rotated(session, NOON, at_once=True)
        assert states(session, NOON + 2 * HOUR) == ["retired", "active"]

    def test_an_old_id_token_still_says_who_signs_out(self, session: Session) -> None:
        rotated(session, NOON, at_once=True)
        found = ring.read(session, seed=seed(), sealer=SEALER)
        assert found.remembered(NOON + 29 * DAY)[0].kid == seed().kid
        assert [one.kid for one in found.published(NOON + 29 * DAY)] != [seed().kid]
        assert len(found.remembered(NOON + 31 * DAY)) == 1

    def test_one_rotation_at_a_time_but_a_hurried_one(self, session: Session) -> None:
        kid = rotated(session, NOON)
        with pytest.raises(RotationUnderWay):
            rotated(session, NOON + timedelta(minutes=5))
        assert rotated(session, NOON + timedelta(minutes=5), at_once=True) == kid
        assert states(session, NOON + timedelta(minutes=5)) == ["retired", "active"]

    def test_a_withdrawn_key_is_nobodys(self, session: Session) -> None:
        with pytest.raises(LastKey):
            service.withdraw(session, kid=seed().kid or "", seed=seed(), now=NOON)
        kid = rotated(session, NOON, at_once=True)
        service.withdraw(session, kid=seed().kid or "", seed=seed(), now=NOON, reason="laptop lost")
        assert states(session, NOON) == ["over", "active"]
        with pytest.raises(LastKey):
            service.withdraw(session, kid=kid, seed=seed(), now=NOON)
        with pytest.raises(KeyNotFound):
            service.withdraw(session, kid="unknown", seed=seed(), now=NOON)
        told = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert told[-2:] == ["identity.rotate_key", "identity.withdraw_key"]

    def test_private_halves_lie_sealed_and_are_forgotten(self, session: Session) -> None:
        kid = rotated(session, NOON)
        row = session.get_one(SigningKey, kid)
        assert b"PRIVATE" not in (row.sealed_private or b"")
        assert b"PRIVATE" in SEALER.open(row.sealed_private or b"")
        assert not {"d", "p", "q"} & row.public.keys()
        rotated(session, NOON + 10 * DAY)
        service.tend(session, seed=seed(), sealer=SEALER, oldest=timedelta(0), now=NOON + 11 * DAY)
        session.expire_all()
        assert session.get_one(SigningKey, kid).sealed_private is None
        service.tend(session, seed=seed(), sealer=SEALER, oldest=timedelta(0), now=NOON + 60 * DAY)
        session.expire_all()
        assert session.get(SigningKey, kid) is None

    def test_rotates_by_age_and_not_before(self, session: Session) -> None:
        def tend(day: int) -> list[str]:
            service.tend(session, seed=seed(), sealer=SEALER, oldest=90 * DAY, now=NOON + day * DAY)
            return states(session, NOON + day * DAY)

        assert tend(0) == ["active"]
        assert tend(89) == ["active"]
        assert tend(91) == ["active", "next"]
        assert tend(92) == ["over", "active"]

    def test_the_settings_files_key_may_be_replaced(self, session: Session) -> None:
        service.note_seed(session, seed=seed(), now=NOON)
        other = ring.with_kid(RSAKey.generate_key(2048))
        service.note_seed(session, seed=other, now=NOON + DAY)
        found = ring.read(session, seed=other, sealer=SEALER)
        assert [state for _, state in found.states(NOON + DAY)] == ["retired", "active"]
        assert found.active(NOON + DAY).kid == other.kid


@pytest.fixture(scope="module")
def served(postgres: PostgresServer, template_database: str, signing_key_file: Path) -> Iterator[FastAPI]:
    with serve(postgres, template_database, signing_key_file) as app:
        yield app


def remote(app: FastAPI, **given: Any) -> RemoteKeys:
    return RemoteKeys(f"{app.state.settings.api_url}/oidc/jwks", **given)


def made_up(claims: dict[str, Any]) -> str:
    key = ring.with_kid(RSAKey.generate_key(1024))
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)


class TestRotation:
    @pytest.mark.asvs("9.1.3")
    def test_under_a_live_verifying_client_no_token_is_refused(self, served: FastAPI) -> None:
        """A verifier far away, with keys of its own memory, while the key changes twice: once in a hurry."""
        origin = served.state.settings.public_url
        keys = remote(served, cooldown_seconds=0)  # what is planned is published an hour before it signs
        verifier, tokens = Verifier(keys, issuer=origin, audience=API), []
        form, auth = {"grant_type": "client_credentials"}, ("plyo-activation", "plyo-activation-secret-of-high-entropy")
        asked_before = served.state.counts["/oidc/jwks"]
        with httpx.Client(base_url=origin) as client:
            kids = []
            for turn in range(30):
                if turn in (10, 20):
                    with served.state.sessions.begin() as session:
                        service.rotate(
                            session, seed=ring.seed_of(served.state.settings),
                            sealer=ring.sealer_of(served.state.settings), now=datetime.now(UTC), at_once=True,
                        )  # fmt: skip
                    served.state.keys.reread()
                tokens.append(client.post("/oidc/token", data=form, auth=auth).json()["access_token"])
                assert verifier.claims(tokens[-1])["sub"] == "plyo-activation"
                kids.append(jwt.decode(tokens[-1], keys(False), algorithms=["RS256"]).header["kid"])
            assert len(set(kids)) == 3
            assert [verifier.claims(token)["role"] for token in tokens] == ["service"] * 30
        assert served.state.counts["/oidc/jwks"] - asked_before == 3

    def test_made_up_key_ids_do_not_make_it_hammer(self, served: FastAPI) -> None:
        origin = served.state.settings.public_url
        verifier = Verifier(remote(served), issuer=origin, audience=API)
        forged = [made_up({"iss": origin, "aud": API, "sub": "x", "exp": int(time.time()) + 60}) for _ in range(4)]
        before = served.state.counts["/oidc/jwks"]

        def accepted(turn: int) -> bool:
            try:
                verifier.claims(forged[turn % 4])
            except InvalidToken:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert not any(pool.map(accepted, range(200)))
        assert served.state.counts["/oidc/jwks"] - before == 1

    @pytest.mark.asvs("7.4.1")
    def test_costs_nobody_their_session(self, app: FastAPI, make_account: MakeAccount) -> None:
        account = make_account(role="admin", display_name="Ada Admin")
        browser, client = enter(app, account), Relying(app)
        client.sign_in(account)
        tokens = client.trade(client.answer()["code"]).json()
        old = app.state.keys.active().kid
        headers = {"X-CSRF-Token": browser.csrf_token, "Accept": "application/json"}
        done = browser.post(
            "/api/identity/signing-keys", json={"at_once": True, "reason": "A laptop was lost"}, headers=headers
        )
        assert (done.status_code, [one["state"] for one in done.json()["items"]]) == (201, ["retired", "active"])
        assert app.state.keys.active().kid != old
        assert browser.get("/account").status_code == 200
        api = TestClient(app, base_url=ISSUER)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert api.get("/api/identity/me", headers=bearer).status_code == 200
        assert api.get("/oidc/userinfo", headers=bearer).status_code == 200
        fresh = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
        header = jwt.decode(fresh["id_token"], app.state.keys.public(), algorithms=["RS256"]).header
        assert header["kid"] == app.state.keys.active().kid != old
        published = {key["kid"] for key in api.get("/oidc/jwks").json()["keys"]}
        assert published == {old, app.state.keys.active().kid}
        # Withdrawn, the old key's tokens are worth nothing from now on.
        gone = browser.post(
            f"/api/identity/signing-keys/{old}/withdrawal", json={"reason": "A laptop was lost"}, headers=headers
        )
        assert [one["state"] for one in gone.json()["items"]] == ["over", "active"]
        assert api.get("/api/identity/me", headers=bearer).status_code == 401
        renewed = {"Authorization": f"Bearer {fresh['access_token']}"}
        assert api.get("/api/identity/me", headers=renewed).status_code == 200
        assert browser.get("/account").status_code == 200

    def test_another_worker_believes_a_key_that_it_has_not_heard_of(
        self, app: FastAPI, make_account: MakeAccount
    ) -> None:
        other = create_app(app.state.settings)
        account = make_account(role="admin")
        known = {"Authorization": f"Bearer {access_token(app, account)}"}
        there = TestClient(other, base_url=ISSUER)
        assert there.get("/api/identity/me", headers=known).status_code == 200
        settings = app.state.settings
        with app.state.sessions.begin() as session:
            service.rotate(
                session, seed=ring.seed_of(settings), sealer=ring.sealer_of(settings), now=datetime.now(UTC),
                at_once=True,
            )  # fmt: skip
        app.state.keys.reread()
        other.state.keys._read_at -= 2  # two seconds ago
        new = {"Authorization": f"Bearer {access_token(app, account)}"}
        assert there.get("/api/identity/me", headers=new).status_code == 200
        other.state.sessions.kw["bind"].dispose()

    def test_asks_for_a_fresh_proof(self, app: FastAPI, make_account: MakeAccount) -> None:
        bearer = {"Authorization": f"Bearer {access_token(app, make_account(role='admin'))}"}
        api = TestClient(app, base_url=ISSUER)
        refused = api.post("/api/identity/signing-keys", json={"reason": "why not"}, headers=bearer)
        assert (refused.status_code, refused.json()["code"]) == (401, "identity.step_up_required")
        assert api.get("/api/identity/signing-keys", headers=bearer).status_code == 200


class TestRemoteKeys:
    def test_an_issuer_that_is_down_is_asked_once_a_while_and_what_is_known_still_counts(self, served: FastAPI) -> None:
        keys = remote(served, ttl_seconds=0, cooldown_seconds=30)
        first = keys(False)
        keys.url = f"http://127.0.0.1:{free_port()}/jwks"
        assert keys(False) is first
        keys._fetched_at -= 7200
        with pytest.raises(KeysUnavailable):
            keys(False)

    def test_without_any_keys_nobody_is_believed(self, signing_key_file: Path) -> None:
        keys = RemoteKeys(f"http://127.0.0.1:{free_port()}/jwks")
        with pytest.raises(KeysUnavailable):
            Verifier(keys, issuer=ISSUER, audience=API).claims(made_up({}))

    def test_that_is_withdrawn_takes_the_tokens_with_it_that_were_believed(self) -> None:
        key, next_key = (ring.with_kid(RSAKey.generate_key(1024)) for _ in range(2))
        known = [KeySet([key])]
        verifier = Verifier(lambda _: known[0], issuer=ISSUER, audience=API)
        claims = {"iss": ISSUER, "aud": API, "sub": "x", "exp": int(time.time()) + 60}
        token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)
        told = verifier.claims(token)
        told["role"] = "admin"
        assert "role" not in verifier.claims(token)
        known[0] = KeySet([next_key])
        with pytest.raises(InvalidToken):
            verifier.claims(token)

    def test_a_token_that_was_believed_runs_out_all_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        key = ring.with_kid(RSAKey.generate_key(1024))
        known, clock = KeySet([key]), time.time
        verifier = Verifier(lambda _: known, issuer=ISSUER, audience=API)
        claims = {"iss": ISSUER, "aud": API, "sub": "x", "exp": int(time.time()) + 60}
        token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)
        assert verifier.claims(token)["sub"] == "x"
        monkeypatch.setattr(time, "time", lambda: clock() + 66)
        with pytest.raises(InvalidToken):
            verifier.claims(token)

    def test_a_token_is_believed_at_once_by_the_keys_at_hand_and_nobody_is_asked(self) -> None:
        key, next_key = (ring.with_kid(RSAKey.generate_key(1024)) for _ in range(2))
        known, asked = [KeySet([key])], list[bool]()

        def keys(refresh: bool) -> KeySet:
            asked.append(refresh)
            return known[0]

        at_hand = [True]
        verifier = Verifier(
            keys, issuer=ISSUER, audience=API, at_hand=lambda: known[0] if at_hand[0] else None
        )  # fmt: skip

        def signed(by: RSAKey, **about: object) -> str:
            claims = {"iss": ISSUER, "aud": API, "sub": "x", "exp": int(time.time()) + 60} | about
            return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": by.kid}, claims, by)

        token = signed(key)
        told = verifier.at_once(token)
        assert told is not None
        told["role"] = "admin"  # what is done with them changes nothing for who asks next
        assert verifier.at_once(token) == verifier.claims(token)
        assert "role" not in verifier.claims(token)
        asked.clear()
        refused = (signed(key, aud="another"), signed(key, exp=int(time.time()) - 60), token[:-8] + "AAAAAAAA", "none")
        for one in (*refused, signed(next_key)):
            assert verifier.at_once(one) is None
        assert not asked
        at_hand[0] = False
        assert verifier.at_once(token) is None
        at_hand[0], known[0] = True, KeySet([next_key])
        assert verifier.at_once(token) is None

    def test_a_token_must_name_its_key(self) -> None:
        key = ring.with_kid(RSAKey.generate_key(1024))
        claims = {"iss": ISSUER, "aud": API, "sub": "x", "exp": int(time.time()) + 60}
        verifier = Verifier(lambda _: KeySet([key]), issuer=ISSUER, audience=API)
        assert verifier.claims(jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key))
        with pytest.raises(InvalidToken):
            verifier.claims(jwt.encode({"alg": "RS256", "typ": "at+jwt"}, claims, key))

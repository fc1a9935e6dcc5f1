"""The signing keys as one process sees them: read from the database every few seconds, decided by the clock.

Of the keys that were not withdrawn, the youngest whose time has come signs. One whose time is still to come is
published already; one that signed before is published until its last token has expired.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import Literal

from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.identity.models import OAuthClient, SigningKey
from operational_api.identity.service.sessions import LONGEST
from operational_api.settings import ApiSettings

State = Literal["next", "active", "retired", "over"]
RELOAD_SECONDS = 10.0
"""How long a process may not know of a key that was made, or withdrawn, elsewhere."""
_AGAIN_AFTER_SECONDS = 1.0
_SLACK = timedelta(minutes=2)
"""Clocks that differ, and processes that sign with the key before until they hear of the next."""
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `private` is None where this process cannot sign with it. `stops_at`: when a younger one takes over."""

    kid: str
    public: RSAKey
    private: RSAKey | None
    active_from: datetime
    withdrawn_at: datetime | None
    stops_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All keys, oldest first, and how long a token of theirs may live."""

    keys: Sequence[Key]
    longest_token: timedelta

    def active(self, now: datetime) -> Key:
        """The key that signs."""
        return [one for one in self.keys if one.private and not one.withdrawn_at and one.active_from <= now][-1]

    def published(self, now: datetime) -> list[Key]:
        """The keys whose tokens may be alive, or will be."""
        return self._until(now - self.longest_token - _SLACK)

    def remembered(self, now: datetime) -> list[Key]:
        """Those, and the keys of sessions that may be alive: an old id_token still says who wants to sign out."""
        return self._until(now - max(self.longest_token, LONGEST) - _SLACK)

    def states(self, now: datetime) -> list[tuple[Key, State]]:
        """Every key and what it does now."""
        active, published = self.active(now).kid, {one.kid for one in self.published(now)}
        found: list[tuple[Key, State]] = []
        for one in self.keys:
            state: State = "over" if one.kid not in published else "next" if one.active_from > now else "retired"
            found.append((one, "active" if one.kid == active else state))
        return found

    def _until(self, then: datetime) -> list[Key]:
        return [one for one in self.keys if not one.withdrawn_at and (one.stops_at is None or one.stops_at > then)]


def seed_of(settings: ApiSettings) -> RSAKey:
    """The key of the settings file."""
    return _parsed(settings.signing_key_file.read_bytes())


@lru_cache(maxsize=1)
def _parsed(pem: bytes) -> RSAKey:
    """Checking the primes of a key takes as long as making a whole app, and apps of one process have one key."""
    return with_kid(RSAKey.import_key(pem))


def with_kid(key: RSAKey) -> RSAKey:
    """The key, named by its thumbprint (RFC 7638)."""
    key.ensure_kid()
    return key


def public_half(key: RSAKey) -> RSAKey:
    """What is published of a key."""
    return RSAKey.import_key(key.as_dict(private=False), {"use": "sig", "alg": "RS256", "kid": str(key.kid)})


def sealer_of(settings: ApiSettings) -> Sealer:
    """What seals private keys in the database."""
    return Sealer.of(settings.signing_seal_keys.get_secret_value() or settings.session_secret.get_secret_value())


def read(session: Session, *, seed: RSAKey, sealer: Sealer, known: dict[str, Key] | None = None) -> Snapshot:
    """The keys as the database has them, and the settings file's, which is the oldest unless it was noted there.

    Args:
        known: Keys read before, so that none is opened and parsed twice.
    """
    rows = session.scalars(select(SigningKey).order_by(SigningKey.active_from, SigningKey.created_at)).all()
    longest = session.scalar(select(func.max(OAuthClient.access_token_seconds))) or 0
    found = [_key(row, seed, sealer, (known or {}).get(row.kid)) for row in rows]
    if all(one.kid != seed.kid for one in found):
        assert seed.kid is not None  # noqa: S101 - `with_kid`
        found.insert(0, Key(seed.kid, public_half(seed), seed, _BEGINNING, None))
    return Snapshot(_with_ends(found), timedelta(seconds=max(longest, 600)))


def _key(row: SigningKey, seed: RSAKey, sealer: Sealer, known: Key | None) -> Key:
    if known is not None and (known.private is None) == (row.sealed_private is None and row.kid != seed.kid):
        return Key(row.kid, known.public, known.private, row.active_from, row.withdrawn_at)
    private = seed if row.kid == seed.kid else None
    if row.sealed_private is not None:
        private = with_kid(RSAKey.import_key(sealer.open(row.sealed_private)))
    return Key(row.kid, RSAKey.import_key(row.public), private, row.active_from, row.withdrawn_at)


def _with_ends(keys: list[Key]) -> list[Key]:
    able = [one for one in keys if not one.withdrawn_at]
    ends = {older.kid: younger.active_from for older, younger in pairwise(able)}
    return [Key(one.kid, one.public, one.private, one.active_from, one.withdrawn_at, ends.get(one.kid)) for one in keys]


class KeyRing:
    """The keys of this process. Nobody waits for the database once it was read, and its failure changes nothing.

    Args:
        seed: The settings file's key.
        sealer: Opens the others.
        sessions: Makes database sessions.
    """

    def __init__(self, *, seed: RSAKey, sealer: Callable[[], Sealer], sessions: Callable[[], Session]) -> None:
        self._seed, self._sealer, self._sessions = seed, sealer, sessions
        self._lock = Lock()
        self._snapshot: Snapshot | None = None
        self._read_at = float("-inf")
        self._sets: dict[tuple[str, ...], KeySet] = {}

    @classmethod
    def of(cls, settings: ApiSettings, sessions: Callable[[], Session]) -> "KeyRing":
        """The ring of a process with these settings."""
        return cls(seed=seed_of(settings), sealer=lambda: sealer_of(settings), sessions=sessions)

    def warm(self) -> None:
        """Read the keys before the first request needs them; a database that is not up yet is asked again then."""
        with suppress(SQLAlchemyError):
            self.snapshot()

    def reread(self) -> None:
        """Ask the database again with the next use: this process has just changed it."""
        self._read_at = float("-inf")

    def active(self) -> RSAKey:
        """The key that signs now."""
        found = self.snapshot().active(datetime.now(UTC)).private
        assert found is not None  # noqa: S101 - what makes it able to be the active one
        return found

    def public(self, refresh: bool = False) -> KeySet:
        """The keys published now (a `contracts.tokens.KeySource`)."""
        return self._set(self.snapshot(refresh).published(datetime.now(UTC)))

    def at_hand(self) -> KeySet | None:
        """The keys published now, unless the database is to be asked for them."""
        known = self._snapshot
        if known is None or time.monotonic() - self._read_at >= RELOAD_SECONDS:
            return None
        return self._set(known.published(datetime.now(UTC)))

    def remembered(self, refresh: bool = False) -> KeySet:
        """The keys whose id_tokens still say who wants to sign out."""
        return self._set(self.snapshot(refresh).remembered(datetime.now(UTC)))

    def snapshot(self, refresh: bool = False) -> Snapshot:
        """The keys as they were read last.

        Args:
            refresh: Read them again unless that was within the last second.

        Raises:
            SQLAlchemyError: they were never read, and cannot be.
        """
        known, read_at = self._snapshot, self._read_at
        if known is not None and time.monotonic() - read_at < (_AGAIN_AFTER_SECONDS if refresh else RELOAD_SECONDS):
            return known
        # Whoever waits here may hold a connection that the reader needs: so nobody does, but at the very first.
        if not self._lock.acquire(blocking=known is None):
            assert known is not None  # noqa: S101 - else we would have waited
            return known
        try:
            if self._read_at == read_at:
                self._read(known)
            assert self._snapshot is not None  # noqa: S101 - read just now, or before
            return self._snapshot
        finally:
            self._lock.release()

    def _read(self, known: Snapshot | None) -> None:
        try:
            with self._sessions() as session:
                before = {one.kid: one for one in known.keys} if known else None
                self._snapshot = read(session, seed=self._seed, sealer=self._sealer(), known=before)
        except SQLAlchemyError:
            if known is None:
                raise
        self._read_at = time.monotonic()

    def _set(self, keys: Sequence[Key]) -> KeySet:
        names = tuple(one.kid for one in keys)
        if names not in self._sets:
            self._sets = {**dict(list(self._sets.items())[-4:]), names: KeySet([one.public for one in keys])}
        return self._sets[names]

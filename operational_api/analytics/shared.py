"""Answers of all processes, sealed, in the store that also counts requests: each is made once for all of them.

An answer's key says all that it depends on, who may see which rows too, so who may not see the same never has the same
key. What lies in the store cannot be read without the secret of the analytics processes, the names of entries neither;
how many there are and how long each is can be told. What one process remembers is `remembered`.
"""

import hmac
import os
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

import pyarrow as pa
import redis
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts.ids import new_id
from contracts.telemetry import get_logger
from operational_api.analytics import asking
from operational_api.analytics.errors import Abandoned

log = get_logger(__name__)
_LOOK_SECONDS = 0.01
"""Between two looks whether what another process makes is there."""
_CLAIM_SECONDS, _RENEWED_SECONDS = 4.0, 0.5
"""How long a claim lasts of a process that is not heard of any more, and between two times that it is heard of."""
_SHORTEST_KEY, _NONCE_BYTES = 32, 12
_NOTHING, _TOO_LARGE = b"", b"-"
"""What is kept of an answer that is None, and of one that each process has to make."""


class Shared:
    """The answers. Without a store or a key, or while the store is down, each process makes its own.

    Who makes an answer says so again and again while they do: of a process that was killed the others hear nothing, and
    one of them makes it instead.

    Args:
        url: `redis://` address; empty for none.
        key: A secret of at least 32 characters, the same in all processes; empty for none. Those with another one
            neither find these answers nor can open them.
        seconds: How long an answer is kept since a process had it last.
        making_seconds: How long one process may take to make it.
        largest_bytes: Of an answer that is kept, packed.

    Raises:
        ValueError: the key is too short.
    """

    def __init__(
        self, url: str, key: str, *, seconds: int = 3600, making_seconds: float = 15, largest_bytes: int = 4 * 2**20
    ) -> None:
        if key and len(key) < _SHORTEST_KEY:
            raise ValueError(f"PLYO_ANALYTICS_ANSWERS_KEY must have at least {_SHORTEST_KEY} characters")
        self._key = key.encode()
        self._seconds, self._making_ms, self._largest = seconds, int(making_seconds * 1000), largest_bytes
        self._left_alone_until, self._has_warned = 0.0, False
        self._lock, self._closed = Lock(), Event()
        self._claims: dict[bytes, str] = {}
        self._renewing: Thread | None = None
        self._store = (
            redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25, retry=Retry(NoBackoff(), 0))
            if url and key
            else None
        )
        if self._store is not None:
            self._begin, self._renew = self._store.register_script(_BEGIN), self._store.register_script(_RENEW)

    def close(self) -> None:
        """Claim nothing any more."""
        self._closed.set()

    def get(self, key: str, make: Callable[[], pa.Table | None]) -> pa.Table | None:
        """The table of a key: another process's, or made here while the others wait for it. None is an answer too."""
        if self._store is None or time.monotonic() < self._left_alone_until:
            return make()
        name = "plyo:answer:" + hmac.digest(self._key, b"name of " + key.encode(), "sha256").hex()
        token = str(new_id()).encode()
        try:
            found, is_mine = self._find(self._store, name, token)
        except redis.RedisError as error:
            self._leave_alone(error)
            return make()
        opened = self._opened(name, found)
        if opened == _TOO_LARGE:
            return make()
        if opened is not None:
            try:
                return _table(opened) if opened != _NOTHING else None
            except (pa.ArrowException, OSError) as error:  # another version has packed it
                log.warning("answer_not_unpacked", error=type(error).__name__)
        kept = b""
        try:
            table = make()
            kept = self._sealed(name, table)
            return table
        finally:
            with self._lock:
                self._claims.pop(token, None)
            try:
                with self._store.pipeline(transaction=False) as told:
                    if kept:
                        told.set(name, kept, ex=self._seconds)
                    if is_mine:
                        told.eval(_END, 1, _making(name), token)
                    told.execute()
            except redis.RedisError as error:
                self._leave_alone(error)

    def _find(self, store: "redis.Redis", name: str, token: bytes) -> tuple[bytes | None, bool]:
        """What is kept, sealed; or nothing, and whether this process is the one that makes it."""
        me = asking.current()
        until = time.monotonic() + self._making_ms / 1000
        while time.monotonic() < until:
            is_there, is_mine = self._begin([name, _making(name)], [token, int(_CLAIM_SECONDS * 1000)])
            if is_mine:
                self._claim(_making(name), token)
                return None, True
            try:
                found = store.getex(name, ex=self._seconds) if is_there else None
            except redis.ResponseError:  # no text, so none of ours: what is made takes its place
                return b"", False
            if isinstance(found, bytes):
                return found, False
            if me.is_over:
                raise Abandoned
            time.sleep(_LOOK_SECONDS)
        return None, False

    def _sealed(self, name: str, table: pa.Table | None) -> bytes:
        """By AES-256-GCM with a key of the entry's own, so that no nonce meets a key twice; what stands under another
        name does not open. `contracts.sealing` is for what lies in databases: a third larger, and slower."""
        packed = _NOTHING if table is None else _packed(table)
        if len(packed) > self._largest:
            packed = _TOO_LARGE
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._lock_of(name).encrypt(nonce, packed, name.encode())

    def _opened(self, name: str, found: bytes | None) -> bytes | None:
        """What was sealed under this name; None of what was not, or was changed since: it is made anew in its place."""
        if found is None:
            return None
        try:
            return self._lock_of(name).decrypt(found[:_NONCE_BYTES], memoryview(found)[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            if not self._has_warned:
                log.warning("answer_not_opened", meaning="somebody else has written into the store of answers")
            self._has_warned = True
            return None

    def _lock_of(self, name: str) -> AESGCM:
        return AESGCM(hmac.digest(self._key, b"key of " + name.encode(), "sha256"))

    def _claim(self, name: str, token: bytes) -> None:
        with self._lock:
            self._claims[token] = name
            if self._renewing is None:
                self._renewing = Thread(target=self._renew_claims, name="claims", daemon=True)
                self._renewing.start()

    def _renew_claims(self) -> None:
        while not self._closed.wait(_RENEWED_SECONDS):
            with self._lock:
                claims = list(self._claims.items())
            for token, name in claims:
                try:
                    self._renew([name], [token, int(_CLAIM_SECONDS * 1000)])
                except redis.RedisError as error:  # at the worst somebody else makes it too
                    self._leave_alone(error)

    def _leave_alone(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + 1.0
        log.warning("answer_store_down", error=type(error).__name__)


def _making(name: str) -> str:
    return f"{name}:making"


_BEGIN = """
if redis.call('exists', KEYS[1]) == 1 then return {1, 0} end
local left = redis.call('pttl', KEYS[2])
if left >= 0 and left <= tonumber(ARGV[2]) then return {0, 0} end
redis.call('set', KEYS[2], ARGV[1], 'px', ARGV[2])
return {0, 1}
"""
"""Whether it is kept; or the mark that this process makes it, unless another does: one that would last longer than a
claim is none of ours, and nobody waits for it. What is kept goes through no script: that would copy it several times,
and nothing is counted meanwhile."""
_RENEW = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end
"""
"""That whoever has the mark is there still."""
_END = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
"""
"""The mark taken away, where it is ours still."""


# Packed by whoever made it: handing columns of a few kilobytes to other threads takes longer than packing them.
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_PACKED) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _table(packed: bytes) -> pa.Table:
    with pa.ipc.open_stream(packed) as stream:
        return stream.read_all()

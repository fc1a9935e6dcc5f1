"""Every object the local Stripe knows, in memory and, if asked, in a SQLite file. No behaviour of Stripe here."""

import copy
import json
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.stripe.errors import missing

Object = dict[str, Any]
_ALPHABET = string.ascii_letters + string.digits
_NOUNS = {"payment_intent": "payment_intent", "checkout.session": "checkout.session", "payment_method": "PaymentMethod"}


def make_id(prefix: str, length: int = 24) -> str:
    """An id that looks like one of Stripe's."""
    return prefix + "_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Store:
    """Objects by id in order of creation, private facts about them, saved answers and one clock.

    Attributes:
        forbidden: First words of paths that the key may not use, as a restricted key's `payouts`.

    All access happens inside `transaction()`, which saves what changed or, on an exception, leaves memory as it is
    and saves it too: a declined charge stays on record, as at Stripe.
    """

    def __init__(self, path: str | None = None) -> None:
        """Open the file at `path`, made if absent, or start empty in memory."""
        self.lock = threading.RLock()
        self.objects: dict[str, Object] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.replies: dict[str, dict[str, Any]] = {}
        self.request: dict[str, str | None] = {"id": None, "idempotency_key": None}
        self.on_events: Callable[[list[str]], None] = lambda _ids: None
        self.forbidden: set[str] = set()
        self._fresh_events: list[str] = []
        self._depth = 0
        self.clock_offset = 0
        self._dirty: set[str] = set()
        self._dirty_replies: set[str] = set()
        if path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, check_same_thread=False) if path else None
        if self._file:
            self._load(self._file)

    def _load(self, file: sqlite3.Connection) -> None:
        file.execute("pragma journal_mode = wal")
        file.execute("create table if not exists objects (id text primary key, body text not null, secret text)")
        file.execute("create table if not exists replies (key text primary key, body text not null)")
        file.execute(
            "create table if not exists clock (only_row integer primary key check (only_row = 1), shift integer)"
        )
        for id_, body, secret in file.execute("select id, body, secret from objects order by rowid"):
            self.objects[id_] = json.loads(body)
            if secret:
                self.secrets[id_] = json.loads(secret)
        for key, body in file.execute("select key, body from replies"):
            self.replies[key] = json.loads(body)
        for (shift,) in file.execute("select shift from clock"):
            self.clock_offset = shift

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Exclusive access; what changed is saved when the block ends, however it ends."""
        with self.lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    self._save()
                    fresh, self._fresh_events = self._fresh_events, []
                    if fresh:
                        self.on_events(fresh)

    def _save(self) -> None:
        dirty, self._dirty = self._dirty, set()
        replies, self._dirty_replies = self._dirty_replies, set()
        if not self._file:
            return
        with self._file as file:
            for id_ in dirty:
                if id_ not in self.objects:
                    file.execute("delete from objects where id = ?", (id_,))
                    continue
                secret = json.dumps(self.secrets[id_]) if id_ in self.secrets else None
                file.execute(
                    "insert into objects values (?, ?, ?)"
                    " on conflict (id) do update set body = excluded.body, secret = excluded.secret",
                    (id_, json.dumps(self.objects[id_]), secret),
                )
            for key in replies:
                file.execute("insert or replace into replies values (?, ?)", (key, json.dumps(self.replies[key])))
            file.execute("insert or replace into clock values (1, ?)", (self.clock_offset,))

    def close(self) -> None:
        """Save and close the file."""
        with self.lock:
            self._save()
            if self._file:
                self._file.close()
                self._file = None

    def now(self) -> int:
        """Unix seconds on this server's own clock, which only runs forward."""
        return int(time.time()) + self.clock_offset

    def put(self, obj: Object, **secret: Any) -> Object:
        """Keep an object, and facts about it that the API never shows."""
        self.objects[obj["id"]] = obj
        if secret:
            self.secrets[obj["id"]] = self.secrets.get(obj["id"], {}) | secret
        self._dirty.add(obj["id"])
        return obj

    def secret(self, id_: str) -> dict[str, Any]:
        """The private facts of an object; empty when it has none."""
        return self.secrets.get(id_, {})

    def remove(self, id_: str) -> None:
        """Forget an object."""
        self.objects.pop(id_, None)
        self.secrets.pop(id_, None)
        self._dirty.add(id_)

    def save_reply(self, key: str, reply: dict[str, Any]) -> None:
        """Keep the answer to a request under its idempotency key."""
        self.replies[key] = reply
        self._dirty_replies.add(key)

    def find(self, kind: str, id_: str, *, param: str = "id") -> Object:
        """The object of this kind and id.

        Raises:
            StripeError: `resource_missing`; 404 when the id came in the URL, else 400 naming `param`.
        """
        found = self.objects.get(id_) if isinstance(id_, str) else None
        if found is None or found["object"] != kind:
            raise missing(_NOUNS.get(kind, kind), str(id_), param=param)
        return found

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind, oldest first."""
        return [obj for obj in self.objects.values() if obj["object"] == kind]

    def record_event(self, type_: str, obj: Object, previous: Object | None = None) -> Object:
        """An event about `obj` as it is now; `on_events` hears of it when the transaction ends."""
        data: dict[str, Any] = {"object": copy.deepcopy(obj)}
        if previous:
            data["previous_attributes"] = previous
        event: Object = {
            "id": make_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": dict(self.request),
            "type": type_,
        }
        self._fresh_events.append(event["id"])
        return self.put(event)

    @contextmanager
    def changing(self, obj: Object, event_type: str | None = None) -> Iterator[Object]:
        """Change an object in the block; where that changed anything, an event with the old values follows."""
        before = copy.deepcopy(obj)
        yield obj
        self.put(obj)
        previous = {key: before.get(key) for key in obj if obj[key] != before.get(key)}
        if event_type and previous:
            self.record_event(event_type, obj, previous)


API_VERSION = "2026-10-28.endive"

"""The people that are connected and what their devices measured, in memory. No HTTP and no webhooks here."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from tests.fakes.terra.problems import user_not_found

KINDS = ("activity", "athlete", "body", "daily", "menstruation", "nutrition", "sleep")
Item = dict[str, Any]


def stamp() -> str:
    """Now, as Terra writes times."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass
class Store:
    """Users by id, items by user and kind, open widget sessions, and the requests that were made.

    Access is under `lock`. A test may read and change everything.
    """

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: dict[tuple[str, str], list[Item]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[tuple[int, float]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def connect(self, provider: str, reference_id: str | None, scopes: str = "ACTIVITY_EXPORT,HEALTH_EXPORT") -> Item:
        """A new connection of a person to a device maker."""
        with self.lock:
            made: Item = {
                "user_id": str(uuid4()),
                "provider": provider,
                "created_at": stamp(),
                "last_webhook_update": None,
                "scopes": scopes,
                "reference_id": reference_id,
                "active": True,
            }
            self.users[made["user_id"]] = made
            return made

    def user(self, user_id: str | None) -> Item:
        """A connection.

        Raises:
            Problem: 404.
        """
        with self.lock:
            found = self.users.get(user_id or "")
            if found is None:
                raise user_not_found()
            return found

    def forget(self, user_id: str) -> Item:
        """Delete a connection and all its data; returns it as it was, inactive."""
        with self.lock:
            gone = self.user(user_id) | {"active": False}
            del self.users[user_id]
            for kind in KINDS:
                self.items.pop((user_id, kind), None)
            return gone

    def add(self, user_id: str, kind: str, *items: Item) -> None:
        """Have a device measure something; an item replaces the one with the same summary id or start."""
        with self.lock:
            held = self.items.setdefault((self.user(user_id)["user_id"], kind), [])
            for item in items:
                held[:] = [one for one in held if _identity(one) != _identity(item)] + [item]

    def between(self, user_id: str, kind: str, start: date, end: date) -> list[Item]:
        """Items that begin on or after a local date and before or on another, oldest first."""
        with self.lock:
            held = self.items.get((self.user(user_id)["user_id"], kind), [])
            found = [one for one in held if start.isoformat() <= _start(one)[:10] <= end.isoformat()]
            return sorted(found, key=_start)


def _start(item: Item) -> str:
    return str(item.get("metadata", {}).get("start_time", ""))


def _identity(item: Item) -> str:
    return str(item.get("metadata", {}).get("summary_id") or _start(item))

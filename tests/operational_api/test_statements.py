"""How many SQL statements each operation takes, fixed in `statements.json`, and what it announces, in `told.json`.

One statement more is a decision, never an accident, and what changes rows of the four contexts is told as events.
`python -m pytest tests/operational_api/test_statements.py --record-statements` writes what is measured, and review
reads the difference.
What begins a transaction (who looks) is not counted. What an operation needs to be done at all is in `reach` or in
`deeds`.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from tests.fakes.stripe.testing import local_stripe
from tests.operational_api.conftest import joined
from tests.operational_api.deeds import DEEDS
from tests.operational_api.doers import Doers
from tests.operational_api.gates import ROUTES_OF
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.statements import Heard, heard
from tests.operational_api.world import Answer, Asking, asking_of, routes_of

RECORDED, TOLD = (Path(__file__).with_name(name) for name in ("statements.json", "told.json"))
BY_THE_CLOCK = ("identity.signing_keys", "identity.oauth_clients.access_token_seconds")
"""Asked once a while by whichever request comes then."""
CONTEXTS = ("commerce", "scheduling", "training", "engagement")
UNCOUNTED = {
    "GET /api/engagement/attachment-files/{attachment_id}": "a signed address, as GET /messages/files/{attachment_id}",
    "GET /api/scheduling/calendar-feeds/{token}.ics": "a secret address: scheduling/calendars/test_pages.py",
    "GET /api/scheduling/calendar-files/{booking_id}": "a signed address, as GET /bookings/{booking_id}/calendar",
    "GET /api/training/media-files/{media_id}/{edition}/{name}": "out of the object store: training/media",
    "POST /api/training/media": "into the object store: training/media",
    "POST /media/new": "into the object store: training/media",
    "PUT /api/training/media/{media_id}/parts/{number}": "into the object store: training/media",
    "POST /api/commerce/settlements": "a file of a provider's: commerce/test_settlements.py",
    "POST /webhooks/momo": "signed by who sends it: commerce/port/test_notices.py",
    "POST /webhooks/sendgrid": "signed by who sends it: engagement/test_hooks.py",
    "POST /webhooks/stripe": "signed by who sends it: commerce/test_webhooks.py",
    "POST /webhooks/twilio": "signed by who sends it: engagement/test_hooks.py",
    "POST /webhooks/twilio/status": "signed by who sends it: engagement/test_hooks.py",
}
"""Operations of the four contexts that nobody counts here, and why."""
UNTOLD = {
    "commerce.checkout_sessions": "a page at a provider, told once it is paid",
    "commerce.collections": "an attempt that is asked for is told by what comes of it",
    "commerce.customers": "who somebody is at a provider",
    "commerce.plan_prices": "what a price is called at a provider",
    "commerce.retellings": "a look at what was told",
    "engagement.contact_preferences": "quiet hours and language: when and how, not whether",
    "engagement.do_not_disturb": "when, not whether",
    "engagement.inbox_messages": "a second place for what is told once it has left, and whether it was looked at there",
    "engagement.message_templates": "a coach's own wording; what is sent of it is told",
    "engagement.outgoing_emails": "told once it has left",
    "engagement.push_subscriptions": "the devices of a person",
    "engagement.suppressions": "lifted by support, who leave a reason in the audit log",
    "scheduling.calendar_connections": "told once nothing of ours is in it any more",
    "scheduling.calendar_feeds": "a secret address of one's own",
    "scheduling.resources": "rooms and racks; the classes in them are told",
    "training.media": "a title",
    "training.media_positions": "where somebody stopped watching",
    "training.programme_templates": "a coach's own; each programme that is made of one is told",
}
"""Tables whose rows an operation may change without a word, and why."""
ROWS = text(
    "select schemaname || '.' || relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_xact_user_tables "
    "where schemaname = any(:contexts)"
)
"""Rows of each table that this transaction has written, those that a savepoint took back among them."""


class Measured:
    """What each operation says to the database the second time, by who asks, and which tables it changes."""

    def __init__(self, connection: Connection) -> None:
        self.of: dict[str, Heard] = {}
        self.before_deeds: dict[str, Heard] = {}
        self.changed: dict[str, set[str]] = {}
        self._connection = connection

    async def take(self, key: str, who: str, ask: Callable[[], Awaitable[Answer]], *, is_once: bool = False) -> None:
        """Ask twice: caches are warm from the second time on."""
        if not is_once:
            await ask()
        before = self._rows()
        with heard(self._connection.engine) as said:
            answer = await ask()
        if answer.status < 400:
            said[:] = [one for one in said if not any(known in one for known in BY_THE_CLOCK)]
            self.of[f"{key} {who}"] = said
            self.changed[f"{key} {who}"] = {table for table, rows in self._rows().items() if rows > before[table]}

    def _rows(self) -> Counter[str]:
        return Counter(dict(self._connection.execute(ROWS, {"contexts": list(CONTEXTS)}).tuples().all()))


async def ask_all(app: FastAPI, asking: Asking, measured: Measured) -> None:
    """Ask everything with what `reach` has for it, as the first role that may."""
    for route in routes_of(app):
        about, roles = OBJECTS.get(route.key), ROLES_OF[route.action or ""].split()
        if about:
            roles = [one for one in roles if one in (about.own or about.every).split()]
        role = roles[0] if roles[0] != "guest" or "customer" not in roles else "customer"
        id_ = asking.world.own(about.of, role) if about else None
        await measured.take(route.key, role, lambda: asking.ask(route, role, id_, about))  # noqa: B023 - asked at once


@contextmanager
def measuring(
    engine: Engine, serve_app: Callable[[str], FastAPI], plain_role: str, *, of_each: int
) -> Iterator[tuple[FastAPI, Session, Asking, Measured]]:
    """A world of its own with so many rows of each kind, and all that `reach` has words for asked in it."""
    with engine.connect() as connection:
        outer = connection.begin()
        app, found = joined(serve_app, connection, plain_role), Measured(connection)
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            asking = asking_of(app, session, of_each=of_each)
            asyncio.run(ask_all(app, asking, found))
            found.before_deeds = dict(found.of)
            yield app, session, asking, found
        outer.rollback()


@pytest.fixture(scope="module")
def operations(engine: Engine, serve_app: Callable[[str], FastAPI], plain_role: str) -> Iterator[Measured]:
    """Everything that can be asked, and the deeds."""
    with (
        local_stripe() as stripe,
        measuring(engine, serve_app, plain_role, of_each=1) as (app, session, asking, found),
    ):

        async def go() -> None:
            doers = Doers(app, session, asking.world, stripe)
            for key, deed in DEEDS.items():
                await found.take(
                    key, deed.who, lambda: doers.do(asking, key),  # noqa: B023 - asked at once
                    is_once=deed.is_once,
                )  # fmt: skip

        asyncio.run(go())
        yield found


def compared(found: Mapping[str, Any], file: Path, request: pytest.FixtureRequest) -> dict[str, tuple[Any, Any]]:
    """What is otherwise than written down: (now, then). Or write it down."""
    if request.config.getoption("--record-statements"):
        file.write_text(json.dumps(dict(sorted(found.items())), indent=2) + "\n")
    expected = json.loads(file.read_text())
    keys = sorted(found.keys() | expected.keys())
    return {key: (found.get(key), expected.get(key)) for key in keys if found.get(key) != expected.get(key)}


class TestStatements:
    def test_each_operation_takes_as_many_as_written_down(
        self, operations: Measured, request: pytest.FixtureRequest
    ) -> None:
        different = compared({key: len(said) for key, said in operations.of.items()}, RECORDED, request)
        wrong = [
            f"{key}: {now} instead of {then}\n  " + "\n  ".join(operations.of.get(key, []))
            for key, (now, then) in different.items()
        ]
        assert not wrong, "\n".join(wrong)

    def test_no_operation_of_the_four_contexts_is_left_out(self, operations: Measured) -> None:
        """Whoever adds one says in `deeds` how it is done, or here why it is not."""
        counted = {key.rpartition(" ")[0] for key in operations.of}
        served = {
            key for action, keys in ROUTES_OF.items() if action.partition(".")[0] in CONTEXTS for key in keys
        }  # fmt: skip
        wrong = (served - counted) ^ UNCOUNTED.keys()
        assert not wrong, "\n".join(sorted(wrong))

    def test_none_takes_more_where_there_is_more(
        self, operations: Measured, engine: Engine, serve_app: Callable[[str], FastAPI], plain_role: str
    ) -> None:
        """No operation asks once for each row."""
        with measuring(engine, serve_app, plain_role, of_each=5) as (_, _, _, found):
            many = found.before_deeds
        few = operations.before_deeds
        assert few.keys() - many.keys() == {"POST /api/training/screenings/{screening_id}/clearance coach"}, (
            "of several"
        )
        wrong = [
            f"{key}: {len(few[key])}, then {len(said)}\n  " + "\n  ".join(said)
            for key, said in many.items()
            if len(said) > len(few[key])
        ]
        assert not wrong, "\n".join(wrong)


class TestTold:
    def test_each_operation_announces_what_is_written_down(
        self, operations: Measured, request: pytest.FixtureRequest
    ) -> None:
        told = {key: said.told for key, said in operations.of.items() if said.told}
        assert compared(told, TOLD, request) == {}

    def test_every_change_is_an_event(self, operations: Measured) -> None:
        silent = {
            (key.rpartition(" ")[0], table)
            for key, tables in operations.changed.items()
            if not operations.of[key].told
            for table in tables
        }
        wrong = {f"{key}: {table}" for key, table in silent if table not in UNTOLD}
        assert not wrong, "\n".join(sorted(wrong))
        assert UNTOLD.keys() - {table for _, table in silent} == set(), "told, or never changed"

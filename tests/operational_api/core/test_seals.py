"""The chain over the events: the relay makes it, and whoever changes one byte of an event or a link is found out."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from contracts.events.commerce import PlanUpdated
from contracts.ids import new_id
from operational_api.core import seals
from operational_api.core.outbox import publish
from operational_api.core.relay import Routes, relay_due

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Sessions:
    """A session factory whose transactions are savepoints of the test's."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def begin(self) -> "Begun":
        return Begun(self.session)


class Begun:
    def __init__(self, session: Session) -> None:
        self.session, self.nested = session, session.begin_nested()

    def __enter__(self) -> Session:
        self.nested.__enter__()
        return self.session

    def __exit__(self, *error: object) -> None:
        self.nested.__exit__(*error)  # type: ignore[arg-type]


@pytest.fixture
def chain(session: Session) -> Session:
    """Three links: of two events, of two, of one."""
    for number in range(5):
        publish(
            session,
            PlanUpdated(
                occurred_at=NOON, plan_id=new_id(), code=f"p{number} ü", amount_minor=number, currency="EUR",
                valid_from=NOON,
            ),
        )  # fmt: skip
        session.flush()
    while relay_due(Sessions(session), Routes([]), limit=2):  # type: ignore[arg-type]
        pass
    return session


def tamper(session: Session, statement: str, **values: object) -> None:
    """What only an owner who switches triggers off can do."""
    session.execute(text("set local session_replication_role = replica"))
    session.execute(text(statement), values)
    session.execute(text("set local session_replication_role = origin"))


def faults(session: Session) -> list[tuple[int, str | None, str]]:
    return [(one.link, one.event_id, one.what) for one in seals.verify(session).faults]


class TestVerify:
    def test_an_untouched_chain_has_no_fault(self, chain: Session) -> None:
        found = seals.verify(chain)
        assert (found.links, found.events, found.faults, found.unsealed) == (3, 5, (), 0)
        assert len(found.head) == 64

    @pytest.mark.parametrize(
        "change",
        [
            "payload = jsonb_set(payload, '{amount_minor}', '41')", "occurred_at = occurred_at + interval '1 us'",
            "type = 'commerce.plan_updatee'", "aggregate_id = gen_random_uuid()", "version = 7", "traceparent = 'x'",
            "position = position + 1000",
        ],
    )  # fmt: skip
    def test_a_changed_event_is_located(self, chain: Session, change: str) -> None:
        [wanted] = chain.execute(
            text("select event_id::text from platform.outbox_events order by position offset 2 limit 1")
        ).scalars()
        tamper(chain, f"update platform.outbox_events set {change} where event_id = cast(:id as uuid)", id=wanted)
        assert faults(chain) == [(2, wanted, "the event was changed")]

    def test_a_deleted_event_is_missed(self, chain: Session) -> None:
        [wanted] = chain.execute(
            text("select event_id::text from platform.outbox_events order by position desc limit 1")
        ).scalars()
        tamper(chain, "delete from platform.outbox_events where event_id = cast(:id as uuid)", id=wanted)
        assert faults(chain) == [(3, wanted, "the event is gone")]

    def test_a_changed_link_is_located(self, chain: Session) -> None:
        tamper(chain, "update platform.event_seals set events = events - 0 where number = 2")
        assert faults(chain) == [(2, None, "the link was changed")]
        assert seals.verify(chain).unsealed == 1

    def test_one_made_anew_does_not_fit_the_next(self, chain: Session) -> None:
        tamper(
            chain,
            "update platform.event_seals set events = events - 0,"
            " hash = platform.seal_hash(number, previous, events - 0) where number = 2",
        )
        assert (3, None, "the link does not follow the one before") in faults(chain)

    def test_a_link_that_is_gone_is_missed(self, chain: Session) -> None:
        tamper(chain, "delete from platform.event_seals where number = 2")
        assert faults(chain) == [(3, None, "the link does not follow the one before")]

    def test_events_that_no_relay_moved_are_told_and_sealed_on_demand(self, chain: Session) -> None:
        tamper(
            chain,
            "insert into platform.outbox_events"
            " (event_id, type, version, aggregate_id, occurred_at, payload, relayed_at)"
            " select gen_random_uuid(), 'x', 1, gen_random_uuid(), now(), '{}', now() from generate_series(1, 3)",
        )
        assert seals.verify(chain).unsealed == 3
        assert seals.seal_rest(chain, now=NOON) == 1
        assert (seals.verify(chain).unsealed, seals.verify(chain).links, faults(chain)) == (0, 4, [])
        assert seals.seal_rest(chain, now=NOON) == 0

    def test_the_zone_of_who_looks_changes_nothing(self, chain: Session) -> None:
        chain.execute(text("set local time zone 'Asia/Ho_Chi_Minh'"))
        assert faults(chain) == []


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "update platform.outbox_events set payload = '{}'", "delete from platform.outbox_events",
            "update platform.event_seals set hash = ''", "delete from platform.event_seals",
        ],
    )  # fmt: skip
    def test_nothing_of_it_is_changed_or_deleted(self, chain: Session, statement: str) -> None:
        with pytest.raises(DBAPIError, match="append-only"), chain.begin_nested():
            chain.execute(text(statement))


class TestExport:
    def test_tells_every_event_in_order_under_its_link(self, chain: Session) -> None:
        lines = [json.loads(line) for line in seals.export(chain)]
        assert [line.get("link") for line in lines] == [1, None, None, 2, None, None, 3, None]
        assert [line["event"]["payload"]["amount_minor"] for line in lines if "event" in line] == [0, 1, 2, 3, 4]
        assert lines[3]["previous"] == lines[0]["hash"]

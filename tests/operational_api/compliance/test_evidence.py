"""The record of events: looked at by itself and on demand, what was changed in it is named, and others can check it."""

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.events.commerce import PlanUpdated
from contracts.events.training import InjuryReported
from contracts.ids import new_id
from operational_api.compliance.models import EventCheck, Export
from operational_api.compliance.service import evidence, exports
from operational_api.core.outbox import publish
from operational_api.core.relay import Routes, relay_due
from tests.factories import make_account
from tests.operational_api.conftest import SignIn
from tests.operational_api.core.test_seals import Sessions, tamper

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INJURY = new_id()


@pytest.fixture
def chain(session: Session) -> Session:
    """Two links of two events each, one of them about health."""
    price = {"plan_id": new_id(), "code": 'p "ü"', "amount_minor": 4900, "currency": "EUR"}
    for number in range(3):
        publish(session, PlanUpdated(occurred_at=NOW + number * MINUTE, valid_from=NOW, **price))
        session.flush()
    publish(session, InjuryReported(occurred_at=NOW + 3 * MINUTE, injury_id=INJURY, customer_id=new_id()))
    session.flush()
    while relay_due(Sessions(session), Routes([]), limit=2):  # type: ignore[arg-type]
        pass
    return session


def newest(session: Session) -> EventCheck:
    return session.scalars(select(EventCheck).order_by(EventCheck.asked_at.desc()).limit(1)).one()


class TestLook:
    def test_is_taken_once_a_day(self, chain: Session) -> None:
        for minutes in (0, 1, 60, 1439):
            evidence.look(chain, NOW + minutes * MINUTE)
        assert chain.scalars(select(EventCheck.asked_at)).all() == [NOW]
        evidence.look(chain, NOW + timedelta(days=1))
        found = newest(chain)
        assert (found.asked_at, found.links, found.events, found.fault_count) == (NOW + timedelta(days=1), 2, 4, 0)

    def test_is_taken_when_somebody_asks_and_once_for_all_who_do(self, chain: Session) -> None:
        evidence.look(chain, NOW)
        first = evidence.ask(chain, actor_id=new_id(), now=NOW + MINUTE)
        assert evidence.ask(chain, actor_id=new_id(), now=NOW + MINUTE).id == first.id
        assert first.finished_at is None
        evidence.look(chain, NOW + 2 * MINUTE)
        assert (first.finished_at, evidence.faults(chain)) == (NOW + 2 * MINUTE, 0)

    def test_names_the_event_of_which_one_byte_was_changed(self, chain: Session) -> None:
        [id_] = chain.scalars(
            text("select event_id::text from platform.outbox_events order by position offset 2 limit 1")
        )
        tamper(
            chain,
            "update platform.outbox_events set payload = jsonb_set(payload, '{amount_minor}', '4901')"
            " where event_id = cast(:id as uuid)", id=id_,
        )  # fmt: skip
        evidence.look(chain, NOW)
        assert (newest(chain).faults, evidence.faults(chain)) == ([[2, id_, "the event was changed"]], 1)

    def test_misses_the_end_of_a_chain_that_was_cut_short(self, chain: Session) -> None:
        evidence.look(chain, NOW)
        tamper(chain, "delete from platform.event_seals where number = 2")
        evidence.look(chain, NOW + timedelta(days=1))
        assert newest(chain).faults == [[2, None, "the link is gone, or another one than when it was the newest"]]


class TestPage:
    def test_an_admin_asks_and_sees_what_was_found(self, chain: Session, sign_in: SignIn) -> None:
        ada = sign_in(make_account(chain, role="admin"))
        assert "Nobody looked yet" in ada.get("/staff/evidence").text
        assert ada.post("/staff/evidence", follow_redirects=False).status_code == 303
        assert "Being looked at" in ada.get("/staff/evidence").text
        tamper(chain, "delete from platform.event_seals where number = 1")
        evidence.look(chain, datetime.now(UTC))
        page = ada.get("/staff/evidence").text
        assert "1 fault" in page
        assert "The link does not follow the one before" in page
        [told] = ada.get("/api/compliance/event-checks").json()["items"]
        assert told["faults"] == [{"link": 2, "event_id": None, "what": "the link does not follow the one before"}]

    @pytest.mark.parametrize("role", ["support", "finance", "data", "coach", "customer"])
    def test_is_admins_alone(self, session: Session, sign_in: SignIn, role: str) -> None:
        client = sign_in(make_account(session, role=role))
        assert client.get("/api/compliance/event-checks").status_code == 403
        assert client.post("/api/compliance/event-checks").status_code == 403


class TestFile:
    def test_is_checked_without_us_and_tells_nothing_of_health(self, chain: Session) -> None:
        row = Export(
            id=new_id(), status="approved", reason="x", requested_by=new_id(), requested_at=NOW, expires_at=NOW,
            decided_by=new_id(), dataset="events", purpose="legal",
        )  # fmt: skip
        chain.add(row)
        chain.flush()
        exports.write_file(chain, export_id=row.id, to=(file := io.StringIO()))
        content = file.getvalue()
        assert str(INJURY) not in content
        rows = sorted(csv.DictReader(io.StringIO(content)), key=lambda one: (int(one["link"]), int(one["place"])))
        assert [one["payload"] == "" for one in rows] == [False, False, False, True]
        for one in rows:
            if one["payload"]:
                assert hashlib.sha256(_event(one).encode()).hexdigest() == one["digest"]
        before = ""
        for link in ("1", "2"):
            inside = [one for one in rows if one["link"] == link]
            events = [[one["event_id"], one["digest"]] for one in inside]
            said = json.dumps([int(link), before, events])
            assert inside[0]["previous"] == before
            before = hashlib.sha256(said.encode()).hexdigest()
            assert {one["hash"] for one in inside} == {before}


def _event(row: dict[str, str]) -> str:
    """What an event's digest is taken of, by the words of the migration and not by its function."""
    return (
        f'["{row["event_id"]}", {row["position"]}, "{row["type"]}", {row["version"]}, "{row["aggregate_id"]}",'
        f" {row['occurred_us']}, {row['payload']}, {json.dumps(row['traceparent'] or None)}]"
    )

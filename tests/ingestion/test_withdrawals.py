"""What a customer no longer lets us keep leaves no byte in raw; everything else stays."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pyarrow as pa
import pytest

from contracts import warehouse
from ingestion import erasures, forgotten, landing, withdrawals
from ingestion.batch import Batch
from ingestion.postgres_cdc import capture, compare
from tests.ingestion.conftest import Captured
from tests.ingestion.streams import streaming
from tests.ingestion.test_lake_maintenance import MARKER, places

MIA, TOM = UUID(int=1), UUID(int=2)
TABLES = """
    create table compliance.consents (id int generated always as identity primary key, customer_id uuid,
        data_kind text, purpose text, is_given boolean, decided_at timestamptz default clock_timestamp());
    create table integrations.wearable_payloads (id int primary key, customer_id uuid, data_kind text, body bytea);
    create table training.wearable_days (customer_id uuid, day date, sleep_minutes int, hrv_rmssd_ms real,
        resting_heart_rate_bpm int, steps int, primary key (customer_id, day));
"""


def decide(captured: Captured, who: UUID, kind: str, *, is_given: bool, purpose: str = "coaching") -> None:
    captured.source.execute(
        "insert into compliance.consents (customer_id, data_kind, purpose, is_given) values (%s, %s, %s, %s)",
        [who, kind, purpose, is_given],
    )


def measure(captured: Captured, table: str, note: str, *who: UUID, kind: str = "sleep") -> None:
    uuid = pa.uuid()
    ids = pa.ExtensionArray.from_storage(uuid, pa.array([one.bytes for one in who], pa.binary(16)))
    rows = pa.table(
        {
            "payload_id": pa.array([f"{table} {one}" for one in who]), "customer_id": ids,
            "kind": pa.array([kind] * len(who)), "note": pa.array([note] * len(who)),
        }
    )  # fmt: skip
    with landing.pulling(captured.settings, "wearables") as lake:
        landing.land(lake, "wearables", "payloads", Batch(table, rows, ("payload_id",)))


@pytest.fixture
def kept(captured: Captured) -> Captured:
    """Mia's sleep and days and Tom's sleep, all by consent; the marker is in Mia's sleep alone."""
    captured.source.execute(TABLES)
    for who, kind in ((MIA, "sleep"), (MIA, "daily"), (TOM, "sleep")):
        decide(captured, who, kind, is_given=True)
    captured.source.execute(
        "insert into integrations.wearable_payloads values (1, %s, 'sleep', %s), (2, %s, 'sleep', 'tom')",
        [MIA, MARKER.encode(), TOM],
    )
    captured.source.execute(
        "insert into training.wearable_days values (%s, '2026-11-23', 431, 55, 51, 9000), "
        "(%s, '2026-11-23', 400, null, null, null)",
        [MIA, TOM],
    )
    capture.ensure_ready(captured.settings)
    measure(captured, "wearables__sleeps", MARKER, MIA)
    measure(captured, "wearables__sleeps", "tom", TOM)
    measure(captured, "wearables__days", "mia", MIA, kind="daily")
    measure(captured, "wearables__rejections", MARKER, MIA)
    return captured


def test_nothing_is_forgotten_that_may_be_kept(kept: Captured) -> None:
    decide(kept, MIA, "sleep", is_given=False, purpose="modelling")
    capture.run_once(kept.settings)
    assert withdrawals.forget(kept.settings) is None


def test_what_was_withdrawn_leaves_no_byte_and_the_rest_stays(kept: Captured) -> None:
    decide(kept, MIA, "sleep", is_given=False)
    kept.source.execute("update integrations.wearable_payloads set body = null where id = 1")
    kept.source.execute("update training.wearable_days set sleep_minutes = null where customer_id = %s", [MIA])
    capture.run_once(kept.settings)
    assert places(kept.settings) != set()
    erased = withdrawals.forget(kept.settings)
    assert erased is not None
    assert erased.rows == {
        "integrations__wearable_payloads": 1, "training__wearable_days": 1, "wearables__rejections": 1,
        "wearables__sleeps": 1,
    }  # fmt: skip
    assert places(kept.settings) == set()
    with warehouse.reading(kept.settings) as lake:
        assert lake.execute("select customer_id from raw.wearables__sleeps").fetchall() == [(TOM,)]
        assert lake.execute("select customer_id from raw.wearables__days").fetchall() == [(MIA,)]
        assert lake.execute(
            "select count(*) from raw.compliance__consents where customer_id = ?", [MIA]
        ).fetchone() == (3,)
        days = lake.execute("select customer_id, sleep_minutes, steps from raw.training__wearable_days order by 1")
        assert days.fetchall() == [(MIA, None, 9000), (TOM, 400, None)]
    with streaming(kept.settings) as settings:
        assert compare.compare(settings).differing == {}
    assert withdrawals.forget(kept.settings) is None
    with warehouse.reading(kept.settings) as lake:
        begun = forgotten.unfinished(lake)
    assert set(begun.since) == {MIA}, "marts, their past and copies elsewhere have it still: the next night goes on"
    assert {table: one["customer_id"] for table, one in begun.rows.items()} == {key: [str(MIA)] for key in erased.rows}
    erasures.finish(kept.settings)
    with warehouse.reading(kept.settings) as lake:
        assert forgotten.unfinished(lake).rows == {}
        assert {table: rows for _, _, table, rows in forgotten.proofs(lake, [MIA])} == erased.rows


def test_is_not_proved_while_raw_has_it(kept: Captured) -> None:
    decide(kept, MIA, "sleep", is_given=False)
    capture.run_once(kept.settings)
    with warehouse.writing(kept.settings) as lake:
        notes = withdrawals._notes(lake, withdrawals.remains(lake))
        forgotten.begin(lake, notes)  # and was cut off, and again the next night
        forgotten.begin(lake, [replace(one, since=one.since + timedelta(days=1)) for one in notes])
        assert set(forgotten.unfinished(lake).since.values()) == {one.since for one in notes}, "it waits since then"
    with pytest.raises(erasures.StillThere):
        erasures.finish(kept.settings)


def test_it_may_not_be_kept_since_the_word_was_taken_back_or_since_it_came(kept: Captured) -> None:
    def noted() -> set[datetime]:
        return {one.since for one in withdrawals._notes(lake, withdrawals.remains(lake))}

    decide(kept, MIA, "sleep", is_given=False)
    capture.run_once(kept.settings)
    with warehouse.reading(kept.settings) as lake:
        word = lake.execute("select max(decided_at) from raw.compliance__consents where not is_given").fetchone()
        assert noted() == set(word or ())
    withdrawals.forget(kept.settings)
    measure(kept, "wearables__sleeps", MARKER, MIA)
    with warehouse.reading(kept.settings) as lake:
        came = lake.execute("select _landed_at from raw.wearables__sleeps where customer_id = ?", [MIA]).fetchone()
        assert noted() == set(came or ())


def test_what_was_given_again_is_kept(kept: Captured) -> None:
    decide(kept, MIA, "sleep", is_given=False)
    decide(kept, MIA, "sleep", is_given=True)
    capture.run_once(kept.settings)
    assert withdrawals.forget(kept.settings) is None


def test_a_lake_without_any_of_it_has_nothing_to_forget(captured: Captured) -> None:
    capture.ensure_ready(captured.settings)
    assert withdrawals.forget(captured.settings) is None

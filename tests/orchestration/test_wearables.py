"""From a payload as operations stored it to rows of raw, by Dagster."""

import json
from datetime import UTC, datetime
from uuid import UUID

import dagster as dg
import pytest

from contracts import warehouse
from contracts.sealing import Sealer
from ingestion.postgres_cdc import capture
from ingestion.wearables import tables
from orchestration.defs import wearables
from tests.ingestion.conftest import Captured

KEY = "k" * 48
MIA = UUID(int=1)
NIGHT = {
    "type": "sleep",
    "user": {"user_id": "u1", "provider": "OURA"},
    "data": [
        {
            "metadata": {
                "summary_id": "n1", "start_time": "2026-11-22T23:00:00+01:00", "end_time": "2026-11-23T06:30:00+01:00",
            },
            "sleep_durations_data": {
                "asleep": {"duration_asleep_state_seconds": 25_200},
                "other": {"duration_in_bed_seconds": 27_000},
            },
        }
    ],
}  # fmt: skip


@pytest.fixture
def stored(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> Captured:
    """A source whose only table holds one night, sealed."""
    for name, value in captured.settings.model_dump(exclude_none=True).items():
        told = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        monkeypatch.setenv(f"PLYO_{name.upper()}", told)
    captured.source.execute(
        """create table integrations.wearable_payloads (id uuid primary key, customer_id uuid, source text, kind text,
            data_kind text, provider text, external_user_id text, trace_id text, ordering_at timestamptz,
            received_at timestamptz, is_kept boolean, refusal text, body bytea)"""
    )
    now = datetime(2026, 11, 23, 7, tzinfo=UTC)
    captured.source.execute(
        "insert into integrations.wearable_payloads values "
        "(%s, %s, 'terra', 'sleep', 'sleep', 'OURA', 'u1', 't1', %s, %s, true, null, %s)",
        [UUID(int=7), MIA, now, now, Sealer([KEY]).seal(json.dumps(NIGHT).encode())],
    )
    capture.ensure_ready(captured.settings)
    return captured


def test_the_assets_are_the_tables_of_ingestion() -> None:
    assert set(wearables.TABLES) == {*tables.TABLES, tables.REJECTIONS}


def test_a_stored_night_becomes_a_row_once(stored: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLYO_HEALTH_DATA_KEYS", KEY)
    for _ in range(2):
        assert dg.materialize([wearables.wearable_measurements]).success
    with warehouse.reading(stored.settings) as lake:
        rows = lake.execute("select customer_id, day, asleep_seconds, efficiency from raw.wearables__sleeps").fetchall()
    assert [(str(who), str(day), asleep, round(part, 3)) for who, day, asleep, part in rows] == [
        (str(MIA), "2026-11-23", 25_200, 0.933)
    ]


def test_without_the_key_it_fails_and_skips_nothing(stored: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLYO_HEALTH_DATA_KEYS", "another-key-of-at-least-32-characters")
    failed = dg.materialize([wearables.wearable_measurements], raise_on_error=False)
    assert not failed.success
    monkeypatch.setenv("PLYO_HEALTH_DATA_KEYS", KEY)
    assert dg.materialize([wearables.wearable_measurements]).success
    with warehouse.reading(stored.settings) as lake:
        assert lake.execute("select count(*) from raw.wearables__sleeps").fetchone() == (1,)

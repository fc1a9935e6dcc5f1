"""Asking Terra's API brings what its webhooks missed, once, and nothing that a person did not agree to."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.connectors import Outcome, backfill, pull
from ingestion.wearables.normalise import batches, normalise
from ingestion.wearables.settings import TerraSettings
from ingestion.wearables.terra_api import KINDS, ConnectedUser, TerraApi, spans
from tests.fakes.terra.testing import LocalTerra, local_terra
from tests.ingestion.wearables.conftest import payload, payloads

NOW = datetime(2026, 7, 2, 12, tzinfo=UTC)
ALL = frozenset(KINDS)


@pytest.fixture
def terra() -> Iterator[LocalTerra]:
    with local_terra() as running:
        yield running


@pytest.fixture
def settings(empty_lake: WarehouseSettings) -> WarehouseSettings:
    return empty_lake


def connected(terra: LocalTerra, kinds: frozenset[str] = ALL, customer_id: UUID | None = None) -> ConnectedUser:
    return ConnectedUser(terra.connect(), customer_id or new_id(), "GARMIN", kinds)


def api(terra: LocalTerra, *users: ConnectedUser, at: datetime = NOW, **given: Any) -> TerraApi:
    told: dict[str, Any] = {
        "dev_id": terra.settings.dev_id,
        "api_key": SecretStr(terra.settings.api_key),
        "base_url": terra.base_url,
    }
    return TerraApi(TerraSettings(**told | given), lambda: users, now=lambda: at)


def night(start: str = "2026-06-30", **more: Any) -> dict[str, Any]:
    end = date.fromisoformat(start) + timedelta(days=1)
    times = {"start_time": f"{start}T23:12:00.000000+01:00", "end_time": f"{end}T07:02:00.000000+01:00"}
    return {"metadata": times | {"summary_id": f"n-{start}", "upload_type": 2}} | more


def sleeps(settings: WarehouseSettings) -> list[tuple[Any, ...]]:
    with warehouse.reading(settings) as lake:
        return lake.execute("select identity, score from raw.main.wearables__sleeps order by ordering_at, 1").fetchall()


class TestPull:
    def test_brings_what_no_webhook_told_and_then_only_what_changed(
        self, terra: LocalTerra, settings: WarehouseSettings
    ) -> None:
        mia = connected(terra)
        terra.measure(mia.user_id, "sleep", night(), is_announced=False)
        (first,) = pull(settings, api(terra, mia), streams=["sleep"])
        assert first == Outcome("sleep", 1, NOW.isoformat())
        for hours in (6, 18, 30):  # the window moves on, and the item with it
            (again,) = pull(settings, api(terra, mia, at=NOW + timedelta(hours=hours)), streams=["sleep"])
            assert (again.rows, again.problem) == (0, None)
        terra.measure(mia.user_id, "sleep", night(scores={"sleep": 84}), is_announced=False)
        (changed,) = pull(settings, api(terra, mia, at=NOW + timedelta(hours=36)), streams=["sleep"])
        assert changed.rows == 1
        assert sleeps(settings) == [("n-2026-06-30", None), ("n-2026-06-30", 84)]

    def test_what_a_webhook_brought_is_not_brought_again(self, terra: LocalTerra, settings: WarehouseSettings) -> None:
        mia = connected(terra)
        terra.measure(mia.user_id, "sleep", night(), is_announced=False)
        told = payload({"type": "sleep", "data": [night()]}, "sleep", customer_id=mia.customer_id.bytes)
        with landing.pulling(settings, "wearables") as lake:
            for batch in batches(normalise(payloads(told | {"external_user_id": mia.user_id}))):
                landing.land(lake, "wearables", "payloads", batch)
        assert [one.rows for one in pull(settings, api(terra, mia), streams=["sleep"])] == [0]

    def test_asks_for_nothing_that_a_person_did_not_agree_to(
        self, terra: LocalTerra, settings: WarehouseSettings
    ) -> None:
        mia, ben = connected(terra, frozenset({"sleep"})), connected(terra, frozenset())
        for one in (mia, ben):
            terra.measure(one.user_id, "sleep", night(), is_announced=False)
            terra.measure(one.user_id, "daily", night(), is_announced=False)
        assert [one.rows for one in pull(settings, api(terra, mia, ben))] == [0, 1, 0, 0]
        assert {(path, query["user_id"]) for path, query in terra.store.requests} == {("/v2/sleep", mia.user_id)}

    def test_waits_as_long_as_it_is_told(self, terra: LocalTerra, settings: WarehouseSettings) -> None:
        mia = connected(terra)
        terra.measure(mia.user_id, "sleep", night(), is_announced=False)
        terra.fail(429, 503, 429, retry_after=1)
        (outcome,) = pull(settings, api(terra, mia), streams=["sleep"])
        assert (outcome.rows, outcome.problem) == (1, None)
        assert len(terra.store.requests) == 4

    def test_one_person_who_cannot_be_read_holds_back_no_other_and_is_asked_for_again(
        self, terra: LocalTerra, settings: WarehouseSettings
    ) -> None:
        mia, ben = connected(terra), connected(terra)
        for one in (mia, ben):
            terra.measure(one.user_id, "sleep", night(), is_announced=False)
        terra.fail(500)
        (outcome,) = pull(settings, api(terra, mia, ben, attempts=1), streams=["sleep"])
        assert (outcome.rows, outcome.cursor) == (1, None)
        assert outcome.problem == "TerraIncomplete: 1 people's sleep could not be read, the first for HTTP 500"
        (outcome,) = pull(settings, api(terra, mia, ben), streams=["sleep"])
        assert (outcome.rows, outcome.problem) == (1, None)

    def test_a_person_who_has_gone_is_no_failure(self, terra: LocalTerra, settings: WarehouseSettings) -> None:
        gone = ConnectedUser("nobody", new_id(), "OURA", ALL)
        assert [one.problem for one in pull(settings, api(terra, gone))] == [None] * 4

    def test_a_wrong_key_is_told_and_not_quoted(self, terra: LocalTerra, settings: WarehouseSettings) -> None:
        mia = connected(terra)
        (outcome,) = pull(settings, api(terra, mia, api_key=SecretStr("wrong-key")), streams=["sleep"])
        assert "401" in str(outcome.problem)
        assert "wrong-key" not in str(outcome.problem)

    def test_reaches_back_to_before_the_last_pull_that_succeeded(
        self, terra: LocalTerra, settings: WarehouseSettings
    ) -> None:
        mia = connected(terra)
        pull(settings, api(terra, mia), streams=["sleep"])
        pull(settings, api(terra, mia, at=NOW + timedelta(days=10)), streams=["sleep"])
        asked = [(query["start_date"], query["end_date"]) for _, query in terra.store.requests]
        assert asked == [("2026-06-29", "2026-07-03"), ("2026-06-29", "2026-07-13")]


class TestReauth:
    def test_a_person_who_connects_anew_is_the_same_person(
        self, terra: LocalTerra, settings: WarehouseSettings
    ) -> None:
        mia = connected(terra)
        terra.measure(mia.user_id, "sleep", night(), is_announced=False)
        pull(settings, api(terra, mia), streams=["sleep"])
        new = httpx.post(f"{terra.url}/_fake/users/{mia.user_id}/reauth").raise_for_status().json()["user_id"]
        (outcome,) = pull(settings, api(terra, replace(mia, user_id=new)), streams=["sleep"])
        assert (outcome.rows, outcome.problem) == (0, None)


class TestWindow:
    def test_many_months_are_asked_for_in_pieces_and_land_once(
        self, terra: LocalTerra, settings: WarehouseSettings
    ) -> None:
        mia = connected(terra)
        starts = ("2026-03-01", "2026-03-29", "2026-05-17")  # one of them is in two pieces
        terra.measure(mia.user_id, "sleep", *(night(start) for start in starts), is_announced=False)
        span = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
        for rows in (3, 0):
            assert backfill(settings, api(terra, mia), *span, streams=["sleep"]) == [Outcome("sleep", rows, None)]
        assert {len(query) for _, query in terra.store.requests} == {5}
        assert len(terra.store.requests) == 2 * 4

    def test_pieces_are_no_longer_than_terra_answers_at_once(self) -> None:
        pieces = spans(date(2026, 1, 1), date(2026, 12, 31))
        assert all((end - start).days <= 28 for start, end in pieces)
        assert [pieces[0][0], *[end for _, end in pieces]] == [*[start for start, _ in pieces], date(2026, 12, 31)]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DEV_ID": "d", "API_KEY": "k", "LOOKBACK_DAYS": "5"}.items():
        monkeypatch.setenv(f"PLYO_TERRA_{name}", value)
    found = TerraSettings()
    assert (found.dev_id, found.lookback_days, found.base_url) == ("d", 5, "https://api.tryterra.co/v2")
    assert "k" not in repr(found.api_key)

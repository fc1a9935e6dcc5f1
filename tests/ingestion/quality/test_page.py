"""The pages of quality stand alone, count and tell no value; what was landed is looked at a second time."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest

from ingestion import landing
from ingestion.batch import Batch
from ingestion.connectors import pull
from ingestion.quality import landed, page, pulled
from ingestion.quality.drift import Distance
from ingestion.quality.judge import judge
from ingestion.quality.judged import Judged
from ingestion.wearables.tables import SCHEMAS, TABLES
from tests.ingestion.conftest import Captured
from tests.ingestion.quality.test_quarantine import OneStream, charges

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TABLE = "stripe__charges"


def judged(*changes: dict) -> Judged:
    rows = charges(*changes).rows
    return Judged.of(rows.num_rows, judge(pulled.SUITES[TABLE], rows), NOW)


class TestWrite:
    def test_a_table_has_the_librarys_page_and_an_entry_in_the_summary(self, tmp_path: Path) -> None:
        one = judged({}, {"status": "hush-hush"}, {"status": "hush-hush"})
        moved = Distance(date(2026, 11, 26), "marts.a.b", "c", 200, 200, 0.3, 0.2, "x: 1% before, 20% now")
        aside = {TABLE: {"status is none of these": 2}}
        summary = json.loads(page.write(tmp_path, {TABLE: one}, aside, [moved], now=NOW).read_text())
        assert summary["judged_at"] == NOW.isoformat()
        (told,) = summary["tables"]
        assert told == {
            "table": TABLE, "rows": 3, "newest": NOW.isoformat(), "aside": aside[TABLE], "has_page": True,
            "reasons": {"status is none of succeeded, pending, failed": 2},
        }  # fmt: skip
        assert (summary["distances"][0]["day"], summary["distances"][0]["is_drift"]) == ("2026-11-26", True)
        html = (tmp_path / summary["pages"] / f"{TABLE}.html").read_text()
        assert "2 unexpected values found" in html
        said = " ".join(re.sub(r"<[^>]+>", " ", html).split())
        assert f"Data asset: {TABLE}" in said
        assert "None" not in said.split("Statistics")[0]

    def test_no_page_asks_others_runs_script_or_tells_a_value(self, tmp_path: Path) -> None:
        summary = json.loads(page.write(tmp_path, {TABLE: judged({"status": "hush-hush"})}, {}, []).read_text())
        html = (tmp_path / summary["pages"] / f"{TABLE}.html").read_text()
        for foreign in ("hush-hush", "<script", "<link", "<img", "https://", 'href="../'):
            assert foreign not in html
        assert f'href="{page.HOME}"' in html
        assert (Path(page.__file__).parent / "page.css").read_text() in html

    def test_a_table_without_rows_has_no_page(self, tmp_path: Path) -> None:
        summary = json.loads(page.write(tmp_path, {TABLE: Judged(0, 0, {}, None)}, {}, []).read_text())
        assert [one["has_page"] for one in summary["tables"]] == [False]

    def test_the_pages_before_stay_for_who_reads_them_and_older_ones_go(self, tmp_path: Path) -> None:
        for hour in range(4):
            rows = [{}, *({"status": "hush-hush"},) * hour]
            page.write(tmp_path, {TABLE: judged(*rows)}, {}, [], now=NOW + timedelta(hours=hour))
        folders = sorted(one.name for one in tmp_path.iterdir() if one.is_dir())
        assert folders == ["20261126T140000000000", "20261126T150000000000"]
        summary = json.loads((tmp_path / page.SUMMARY).read_text())
        assert summary["pages"] == folders[-1]
        assert list(summary["tables"][0]["reasons"].values()) == [3]  # and they say what was found last
        said = [(tmp_path / one / f"{TABLE}.html").read_text() for one in folders]
        assert ["3 unexpected values found" in one for one in said] == [False, True]


class TestLanded:
    def test_good_rows_and_those_aside_are_looked_at_together(self, captured: Captured) -> None:
        pull(captured.settings, OneStream(charges({}, {"amount": -1}, {})))
        found = dict(landed.judged(captured.settings))
        assert set(found) == {TABLE}
        assert (found[TABLE].rows, found[TABLE].reasons) == (3, {"amount is less than 0": 1})

    def test_rows_of_wearables_are_held_to_their_ranges(self, captured: Captured) -> None:
        schema = SCHEMAS["wearables__sleeps"]
        night = {
            "payload_id": UUID(int=1).bytes, "customer_id": UUID(int=2).bytes, "started_at": NOW, "ended_at": NOW,
            "asleep_seconds": 1000.0,
        }  # fmt: skip
        rows = pa.Table.from_pylist(
            [night | {"position": "0"}, night | {"position": "1", "asleep_seconds": -5.0}], schema=schema
        )
        with landing.pulling(captured.settings, "wearables") as lake:
            landing.land(lake, "wearables", "payloads", Batch("wearables__sleeps", rows, ("position",), None))
        found = dict(landed.judged(captured.settings))["wearables__sleeps"]
        assert found.reasons == {"asleep_seconds is outside 0 to 172800": 1}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_suite_of_wearables_follows_from_columns(table) -> None:
    suite = landed.measured(table)
    looked_at = {one.arguments["column"] for one in suite.expectations}
    assert looked_at >= {*table.required, *(one.name for one in table.columns if one.kind in ("number", "count"))}

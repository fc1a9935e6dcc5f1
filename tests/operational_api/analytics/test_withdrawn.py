"""A consent that is withdrawn between two snapshots: nothing of the person is told from then on by any way that was
open before, in any format: pages begun, answers kept, tags, the past, and what was restated since."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from contracts import warehouse
from contracts.metrics import METRICS
from operational_api.analytics.catalogue import DATASETS
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.analytics.withheld import COLUMN_KINDS
from plyo.postgres import PostgresServer
from tests.operational_api.analytics.conftest import (
    ANNA,
    MIA,
    NOAH,
    OLGA,
    decide,
    fill,
    fill_the_rest,
    make_marts,
    new_lake,
    person,
    serve,
)
from tests.operational_api.analytics.test_rows_and_columns import FORMATS, rows

pytestmark = pytest.mark.usefixtures("one_loop")

EVERY = ("activity", "sleep", "daily", "body", "training", "injuries")
READERS = ("coach", "lead_coach")
OF_CLIENTS = [name for name, one in DATASETS.items() if one.subject == "client" and one.kinds]
LISTS = ("coach_clients", "watchlist", "core.dim_customers")
World = tuple[FastAPI, AnalyticsSettings]


@pytest.fixture(scope="module")
def world(
    postgres: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    settings = new_lake(postgres, tmp_path_factory.mktemp("withdrawn"), template_database)
    with warehouse.writing(settings) as lake:
        make_marts(lake)
        fill(lake)
        fill_the_rest(lake)
    for customer in (MIA, NOAH, OLGA):
        decide(settings, customer, dict.fromkeys(EVERY, True))
    app = serve(settings)
    yield app, settings
    app.state.lake.close()


def withdrawn(settings: AnalyticsSettings) -> int:
    """Mia withdraws everything, and there is a newer snapshot; gives the one of before."""
    with warehouse.writing(settings) as lake:
        [(before,)] = lake.execute("select max(snapshot_id) from marts.snapshots()").fetchall()
        decide(settings, MIA, dict.fromkeys(EVERY, False))
        lake.execute("update marts.core.fct_builds set landed_at = landed_at + to_seconds(1)")
    return int(before)


@pytest.fixture(autouse=True)
def given_back(world: World) -> Iterator[None]:
    yield
    decide(world[1], MIA, dict.fromkeys(EVERY, True))


@pytest.mark.parametrize("role", READERS)
class TestOneClient:
    def test_is_told_in_no_format_now_nor_as_it_was(self, world: World, role: str) -> None:
        app, settings = world
        reader = person(app, role, ANNA)
        told = [name for name in OF_CLIENTS if all(rows(reader, name, form)[1] for form in FORMATS)]
        assert len(told) > 3
        before = withdrawn(settings)
        for name, form in itertools.product(told, FORMATS):
            for asked in ({}, {"as_of": str(before)}):
                assert rows(reader, name, form, **asked) == (404, []), (name, form, asked)

    def test_goes_on_by_no_cursor_and_is_kept_under_no_tag(self, world: World, role: str) -> None:
        app, settings = world
        reader = person(app, role, ANNA)
        with warehouse.writing(settings) as lake:  # a second day, so that there is another page
            lake.execute(
                f"""insert into marts.training.fct_wearable_days by name select * replace (day + 1 as day)
                from marts.training.fct_wearable_days where customer_id = '{MIA}'"""
            )
        path = f"/api/analytics/datasets/client_wearables?customer_id={MIA}&limit=1"
        first = [reader.get(path) for _ in range(3)][-1]
        cursor, tag = first.json()["next"], first.headers["ETag"]
        assert cursor
        assert reader.get(f"{path}&cursor={cursor}").status_code == 200
        withdrawn(settings)
        assert reader.get(f"{path}&cursor={cursor}").status_code == 404
        assert reader.get(path).status_code == 404
        assert reader.get(path, headers={"If-None-Match": tag}).status_code == 404

    def test_is_in_no_number_about_them_alone(self, world: World, role: str) -> None:
        app, settings = world
        reader = person(app, role, ANNA)
        asked = {"customer_id": str(MIA)}
        told = [
            name for name in METRICS
            if reader.get(f"/api/analytics/metrics/{name}", params=asked).status_code == 200
        ]  # fmt: skip
        before = withdrawn(settings)
        gone = [name for name in told if reader.get(f"/api/analytics/metrics/{name}", params=asked).status_code == 404]
        assert "adherence" in gone
        for name in gone:
            path = f"/api/analytics/metrics/{name}"
            for way in (
                reader.get(path, params=asked | {"as_of": str(before)}), reader.get(f"{path}/rows", params=asked),
                reader.get(f"{path}/rows", params=asked | {"as_of": str(before), "format": "arrow"}),
                reader.get(f"{path}/restatements", params=asked | {"since": "2026-01-01T00:00:00+00:00"}),
            ):  # fmt: skip
                assert way.status_code == 404, (name, way.url, way.text[:200])


@pytest.mark.parametrize("role", READERS)
class TestLists:
    def test_have_empty_cells_in_every_format_also_of_then(self, world: World, role: str) -> None:
        app, settings = world
        reader = person(app, role, ANNA)
        before_of = {name: _of_mia(rows(reader, name, "json")[1]) for name in LISTS}
        assert any(value is not None for told in before_of.values() for value in told.values())
        before = withdrawn(settings)
        for name, form in itertools.product(LISTS, FORMATS):
            for asked in ({}, {"as_of": str(before)}):
                status, found = rows(reader, name, form, **asked)
                assert status == 200, (name, form, asked)
                assert set(_of_mia(found).values()) <= {None}, (name, form, asked)

    def test_go_on_without_what_was_withdrawn_between_two_pages(self, world: World, role: str) -> None:
        app, settings = world
        reader = person(app, role, ANNA)
        path = "/api/analytics/datasets/watchlist?limit=1"
        page = reader.get(path).json()
        [first], later = page["items"], []
        withdrawn(settings)
        while page["next"]:
            page = reader.get(f"{path}&cursor={page['next']}").json()
            later += page["items"]
        assert str(MIA) in {row["customer_id"] for row in later} - {first["customer_id"]}
        assert set(_of_mia(later).values()) == {None}


def _of_mia(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What is told of her by columns that a consent can empty."""
    return {
        column: row[column] for row in found if str(row.get("customer_id")) == str(MIA)
        for column in COLUMN_KINDS if column in row
    }  # fmt: skip

"""One source stops: the numbers made of it turn late, then stale, and no others. For every source and every metric."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import panel as pn
import pytest

from consoles.admin.tiles import tile
from consoles.admin.views.data import Data
from consoles.client import Plyo
from consoles.theme import colour
from contracts import warehouse
from contracts.metrics import METRICS
from ingestion.registry import CONNECTORS
from ingestion.wearables.payloads import StoredPayloads
from operational_api.analytics import freshness
from operational_api.analytics.freshness import STREAM, Clock, Freshness
from operational_api.analytics.lake import Lake
from operational_api.analytics.lineage import Manifest
from tests.operational_api.analytics.conftest import ISSUER, build, fill, make_marts, new_lake, person, serve, stream

MODELS = Path(__file__).parents[3] / "dbt_project" / "models"
NOW = datetime.now(UTC)


@cache
def manifest_of_the_models() -> str:
    """What dbt would write of refs and sources, out of the models' own SQL."""
    files = {file.stem: file for file in MODELS.rglob("*.sql")}
    declared = set(re.findall(r"name: (\w+__\w+)", "".join(one.read_text() for one in MODELS.rglob("_*sources.yml"))))
    nodes, sources = {}, {}
    for name, file in files.items():
        layer = file.relative_to(MODELS).parts[0]
        schema = file.parent.name if layer == "marts" else layer
        text = file.read_text()
        parents = [f"model.plyo.{one}" for one in re.findall(r"ref\(\s*'(\w+)'\s*\)", text) if one in files]
        # Read by `source` or by a macro that is given the raw table's name.
        named = {*re.findall(r"'(\w+__\w+)'", text)}
        named |= {f"wearables__{one}" for one in re.findall(r"newest_measurements\('(\w+)'", text)}
        for table in sorted(declared & named):
            key = f"source.plyo.raw.{table}"
            sources[key] = {
                "resource_type": "source", "schema": "main", "identifier": table, "name": table, "source_name": "raw",
                "description": "", "fqn": ["plyo", "raw"], "columns": {},
            }  # fmt: skip
            parents.append(key)
        nodes[f"model.plyo.{name}"] = {
            "resource_type": "model", "name": name, "alias": name, "schema": schema, "fqn": ["plyo", layer, "x", name],
            "depends_on": {"nodes": parents}, "raw_code": text, "description": "", "columns": {},
        }  # fmt: skip
    return json.dumps({"nodes": nodes, "sources": sources})


@pytest.fixture(scope="module")
def world(postgres, template_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    settings = new_lake(postgres, folder, template_database)
    settings.dbt_manifest.write_text(manifest_of_the_models())
    with warehouse.writing(settings) as writer:
        make_marts(writer)
        fill(writer)
        writer.execute(
            """create table raw.main._cdc_tables (slot varchar, raw_table varchar, state varchar, lsn ubigint,
            oid bigint, reason varchar, rows bigint, noted_at timestamptz, gone varchar[])"""
        )
        writer.execute(
            """create table raw.main._ingestion_cursors (connector varchar, stream varchar, cursor varchar, rows bigint,
            batch_id uuid, landed_at timestamptz)"""
        )
        lake, manifest = Lake(settings), Manifest(settings.dbt_manifest)
        yield writer, Clock(lake, settings, manifest), lake, manifest
        lake.close()


@pytest.fixture(autouse=True)
def all_is_well(world, monkeypatch):
    monkeypatch.setattr(freshness, "PULSE_SECONDS", 60)
    monkeypatch.setattr(freshness, "BELIEVED_SECONDS", 60)
    writer = world[0]
    for table in ("_cdc_watermarks", "_cdc_tables", "_ingestion_cursors"):
        writer.execute(f"delete from raw.main.{table}")
    stream(writer, 100, NOW, changes=1)
    build(writer, 100, NOW)


LOOKED = {metric.relation for metric in METRICS.values() if metric.relation.startswith("quality.")}
OF_SOURCES = [metric for metric in METRICS.values() if metric.relation not in LOOKED]


def states(clock: Clock, lake: Lake) -> dict[str, str]:
    clock._heard = None  # look once, now
    at = lake.snapshot_id()
    by_relation = {
        name: clock.of((name,), snapshot_id=at, now=NOW).state for name in {one.relation for one in METRICS.values()}
    }
    assert {by_relation[name] for name in LOOKED} == {"not judged yet"}, "no source's, but ours: nobody has looked"
    return {metric.name: by_relation[metric.relation] for metric in OF_SOURCES}


@cache
def tables_of(mart: str) -> frozenset[str]:
    """The raw tables below a mart, by the refs in the models' SQL and not by the service's own walk."""
    nodes = json.loads(manifest_of_the_models())["nodes"]

    def below(unique: str) -> set[str]:
        if unique not in nodes:
            return {unique.removeprefix("source.plyo.raw.")}
        return set().union(*(below(one) for one in nodes[unique]["depends_on"]["nodes"]))

    model = f"model.plyo.{mart.partition('.')[2]}"
    return frozenset(below(model)) if model in nodes else frozenset()


def made_of(table: str) -> set[str]:
    return {metric.name for metric in OF_SOURCES if table in tables_of(metric.relation)}


def test_every_metric_of_the_page_is_followed() -> None:
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    told = set(re.findall(r"^### .*\(`(\w+)`\)$", page, re.MULTILINE))
    judged = {metric.name for metric in METRICS.values() if metric.relation in LOOKED}
    assert told == {metric.name for metric in OF_SOURCES} | judged
    assert {one.relation for one in OF_SOURCES if not tables_of(one.relation)} == {"engagement.fct_survey_answers"}


class TestWhatIsJudgedByUs:
    """As old as the last look at the data, whatever its sources do; before the first one it says so."""

    def test_is_not_judged_yet_then_fresh_then_late(self, world) -> None:
        writer, clock, lake, _ = world
        relation = "quality.fct_column_distances"

        def told() -> Freshness:
            return clock.of((relation,), snapshot_id=lake.snapshot_id(), now=NOW)

        assert (told().state, told().data_as_of) == ("not judged yet", None), "built, and empty until the first night"
        try:
            for hours, state in ((80, "stale"), (40, "late"), (2, "fresh")):
                writer.execute(
                    f"insert into marts.{relation} by name select ? as measured_at", [NOW - timedelta(hours=hours)]
                )
                assert (told().state, told().because) == (state, relation)
        finally:
            writer.execute(f"delete from marts.{relation}")


class TestWhatIsLearned:
    """As old as the last time it was learned; where there was nothing to learn from, nothing is old."""

    @pytest.mark.parametrize(
        ("relation", "table", "column"),
        [
            ("ml.lifetime_values", "lifetime_models", "fitted_at"),
            ("ml.training_effects", "training_effects", "measured_at"),
        ],
    )
    def test_is_not_judged_yet_then_fresh_then_late(self, world, relation, table, column) -> None:
        writer, clock, lake, _ = world
        settings = clock._settings

        def told() -> str:
            return clock.of((relation,), snapshot_id=lake.snapshot_id(), now=NOW).state

        writer.execute(f"delete from marts.ml.{table}")
        assert told() == "not judged yet"
        ages = (settings.models_stale_seconds, "stale"), (settings.models_late_seconds, "late"), (0, "fresh")
        try:
            for seconds, state in ages:
                writer.execute(
                    f"insert into marts.ml.{table} by name select ? as {column}",
                    [NOW - timedelta(seconds=seconds + 60)],
                )
                assert told() == state
        finally:
            writer.execute(f"delete from marts.ml.{table}")


class TestATableThatStandsStill:
    def test_makes_late_then_stale_what_is_made_of_it_and_nothing_else(self, world) -> None:
        writer, clock, lake, manifest = world
        assert all(manifest.raw_tables(metric.relation) == tables_of(metric.relation) for metric in OF_SOURCES)
        tables = set().union(*(tables_of(metric.relation) for metric in OF_SOURCES))
        assert len(tables) > 8
        touched = set()
        for table in sorted(tables):
            expected = made_of(table)
            for minutes, state in ((5, "fresh"), (20, "late"), (120, "stale")):
                writer.execute("delete from raw.main._cdc_tables")
                since = NOW - timedelta(minutes=minutes)
                writer.execute(
                    """insert into raw.main._cdc_tables by name select unnest([?, ?]) as raw_table,
                    unnest(['live', 'blocked']) as state, unnest([?::timestamptz, ?::timestamptz]) as noted_at""",
                    [table, table, since - timedelta(days=3), since],
                )
                told = states(clock, lake)
                assert {name for name, one in told.items() if one == state} >= expected
                assert {name for name, one in told.items() if one != "fresh"} == (
                    expected if state != "fresh" else set()
                )
            touched |= expected
        assert len(touched) > 0.8 * len(METRICS), "most metrics are made of something that can stop"

    def test_is_named_where_freshness_is_told(self, world) -> None:
        writer, clock, lake, _ = world
        writer.execute(
            """insert into raw.main._cdc_tables by name
            select 'commerce__payments' as raw_table, 'blocked' as state, ?::timestamptz as noted_at""",
            [NOW - timedelta(minutes=20)],
        )
        states(clock, lake)
        told = clock.overview(now=NOW)
        sources = {one["source"]: one for one in told["sources"]}
        assert sources["commerce__payments"]["state"] == told["metrics"]["net_revenue"] == "late"
        assert "net_revenue" in sources["commerce__payments"]["metrics"]
        assert sources[STREAM]["state"] == told["metrics"]["attendances"] == "fresh"


class TestTheStream:
    @pytest.mark.parametrize(("minutes", "state"), [(5, "fresh"), (20, "late"), (120, "stale")])
    def test_that_is_silent_makes_everything_of_the_product_late(self, world, minutes: int, state: str) -> None:
        writer, clock, lake, _ = world
        writer.execute("delete from raw.main._cdc_watermarks")
        ago = NOW - timedelta(minutes=minutes)
        stream(writer, 100, ago, changes=1)
        build(writer, 100, ago)
        assert set(states(clock, lake).values()) == {state}


class TestWhatIsHeard:
    def test_counts_until_something_lands_and_no_longer(self, world, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ten seconds later, too: the sources are asked again only when `raw` has a newer snapshot."""
        writer, clock, lake, _ = world
        monkeypatch.setattr(freshness, "BELIEVED_SECONDS", -1)
        asked, raw = [], lake.raw
        monkeypatch.setattr(lake, "raw", lambda *told: (asked.append(1), raw(*told))[1])
        mart, at = ("scheduling.fct_bookings",), lake.snapshot_id()
        before = clock.of(mart, snapshot_id=at, now=NOW)
        once = len(asked)
        assert clock.of(mart, snapshot_id=at, now=NOW) == before
        assert len(asked) == once
        writer.execute(
            """insert into raw.main._cdc_tables by name
            select 'scheduling__bookings' as raw_table, 'blocked' as state, ?::timestamptz as noted_at""",
            [NOW - timedelta(minutes=20)],
        )
        assert clock.of(mart, snapshot_id=at, now=NOW).because == "scheduling__bookings"
        assert len(asked) > once

    def test_is_not_asked_again_by_those_who_heard_that_nothing_has_landed(self, world) -> None:
        writer, clock, lake, _ = world
        mart, at = ("scheduling.fct_bookings",), lake.snapshot_id()
        clock._heard = None  # look once, now
        clock.of(mart, snapshot_id=at, now=NOW)
        long_ago, landed = time.monotonic() - 3600, lake.raw_snapshot_id()

        def heard_at() -> float:
            clock._heard = (clock._heard[0], long_ago, *clock._heard[2:])
            assert clock.known(mart, snapshot_id=at) is None
            clock.heard(landed, time.monotonic())
            return clock._heard[1]

        assert heard_at() > long_ago
        writer.execute("update raw.main._cdc_watermarks set changes = changes")
        landed = lake.raw_snapshot_id()
        assert heard_at() == long_ago

    def test_is_told_again_without_asking_and_never_as_younger(self, world, monkeypatch: pytest.MonkeyPatch) -> None:
        _, clock, lake, _ = world
        mart, at = ("finance.fct_mrr_daily",), lake.snapshot_id()
        first = clock.latest(mart, snapshot_id=at)
        monkeypatch.setattr(lake, "_cursor", lambda *_: pytest.fail("the lake was asked"))
        known = clock.known(mart, snapshot_id=at)
        assert known is not None
        assert (known.data_as_of, known.state) == (first.data_as_of, first.state)
        assert (known.age_seconds or 0) >= (first.age_seconds or 0)
        assert clock.known(("core.dim_coaches",), snapshot_id=at) is None
        monkeypatch.setattr(freshness, "BELIEVED_SECONDS", -1)
        assert clock.known(mart, snapshot_id=at) is None


@pytest.mark.drill  # half a minute; `TestATableThatStandsStill` says the same of the answers
class TestOnScreen:
    """What people see of it: the tile of every metric, drawn by the console from what the served API answers."""

    @pytest.fixture
    def console(self, world):
        settings = world[2]._settings
        app = serve(settings)
        admin = person(app, "admin")
        token = admin.headers["Authorization"].removeprefix("Bearer ")
        yield app, Plyo(api_url=ISSUER, analytics_url=ISSUER, token=token, transport=admin._transport)
        app.state.lake.close()

    @pytest.mark.parametrize("table", ["scheduling__bookings", "commerce__payments"])
    def test_only_the_tiles_made_of_a_table_turn_amber_then_red(self, world, console, table: str) -> None:
        writer = world[0]
        app, plyo = console
        expected = made_of(table)
        assert 3 < len(expected) < 0.8 * len(METRICS)
        for minutes, token in ((5, "good"), (20, "warn"), (120, "bad")):
            now = datetime.now(UTC)
            for one in ("_cdc_watermarks", "_cdc_tables"):
                writer.execute(f"delete from raw.main.{one}")
            stream(writer, 100, now, changes=1)
            build(writer, 100, now)
            writer.execute(
                """insert into raw.main._cdc_tables by name
                select ? as raw_table, 'blocked' as state, ?::timestamptz as noted_at""",
                [table, now - timedelta(minutes=minutes)],
            )
            app.state.lake._newest, app.state.clock._heard = (-1e9, -1), None
            colours = {one.name: self.dot(tile(plyo.metric(one.name), currency="EUR")) for one in OF_SOURCES}
            assert {name for name, (shown, _) in colours.items() if shown == token} >= expected
            assert {name for name, (shown, _) in colours.items() if shown != "good"} == (
                expected if token != "good" else set()
            )
            waiting_for = {words for shown, words in colours.values() if shown != "good"}
            assert all(f"waits for {table.replace('__', ' ')}" in words for words in waiting_for)
            unseen = {self.dot(tile(plyo.metric(name), currency="")) for name in ("drifted_columns", "judged_columns")}
            assert unseen == {("ink-soft", "● not judged yet")}
            page = Data(plyo, ISSUER, zone="UTC").freshness()
            said = " ".join(str(pane.object) for pane in page.select(pn.pane.HTML))
            assert (f"● {table} is" in said) == (token != "good")

    @staticmethod
    def dot(page: pn.viewable.Viewable) -> tuple[str, str]:
        """The token of the colour of a tile's dot, and the words beside it."""
        [(shown, words)] = [
            found.groups()
            for pane in page.select(pn.pane.HTML)
            if (found := re.search(r'color:([^";]+)"[^>]*>(● [^<]*)<', str(pane.object)))
        ]
        [token] = [one for one in ("good", "warn", "bad", "ink-soft") if colour(one) == shown]
        return token, words


LANDS_IN = {"stripe": "stripe", "momo": "momo", "hubspot": "hubspot", "wearables": "wearables", "terra": "wearables"}


class TestEachConnector:
    """Stripe, MoMo and HubSpot are compared with the product, and no number is made of what they bring."""

    def test_is_one_of_those_that_there_are(self) -> None:
        assert {*LANDS_IN} == {*CONNECTORS, StoredPayloads.name}

    @pytest.mark.parametrize("stopped", LANDS_IN)
    def test_that_stops_makes_late_then_stale_what_is_made_of_it_and_nothing_else(self, world, stopped: str) -> None:
        writer, clock, lake, _ = world
        begin = f"{LANDS_IN[stopped]}__"
        expected = {
            metric.name for metric in OF_SOURCES if any(table.startswith(begin) for table in tables_of(metric.relation))
        }
        assert ({"readiness", "sleep_efficiency"} <= expected) == (begin == "wearables__")
        in_time, late = (7, 13) if stopped == "terra" else (1, 7)  # Terra's is asked every six hours
        for hours, state in ((in_time, "fresh"), (late, "late"), (40, "stale")):
            writer.execute("delete from raw.main._ingestion_cursors")
            for one in LANDS_IN:
                heard_at = NOW - timedelta(hours=hours if one == stopped else 0)
                writer.execute(
                    "insert into raw.main._ingestion_cursors values (?, 's', 'c', 0, uuid(), ?)", [one, heard_at]
                )
            told = states(clock, lake)
            assert {name for name, one in told.items() if one == state} >= expected
            assert {name for name, one in told.items() if one != "fresh"} == (expected if state != "fresh" else set())


class TestAConnector:
    """A mart that is made of a connector's tables alone, told by a manifest of its own: there is none today."""

    @pytest.fixture
    def of_stripe(self, world, tmp_path):
        writer, _, lake, _ = world
        told = json.loads(manifest_of_the_models())
        told["nodes"]["model.plyo.fct_leads"]["depends_on"]["nodes"] = ["source.plyo.stripe.charges"]
        told["sources"]["source.plyo.stripe.charges"] = {
            "resource_type": "source", "schema": "main", "identifier": "stripe__charges", "name": "charges",
            "source_name": "stripe", "description": "", "fqn": ["plyo", "stripe"], "columns": {},
        }  # fmt: skip
        file = tmp_path / "manifest.json"
        file.write_text(json.dumps(told))
        return writer, Clock(lake, lake._settings, Manifest(file)), lake

    @pytest.mark.parametrize(("hours", "state"), [(1, "fresh"), (7, "late"), (40, "stale")])
    def test_that_stops_pulling_makes_its_own_late(self, of_stripe, hours: int, state: str) -> None:
        writer, clock, lake = of_stripe
        writer.execute(
            "insert into raw.main._ingestion_cursors values ('stripe', 'charges', 'c', 0, uuid(), ?)",
            [NOW - timedelta(hours=hours)],
        )
        told = states(clock, lake)
        assert told["lead_conversion"] == state
        assert {one for name, one in told.items() if METRICS[name].relation != "engagement.fct_leads"} == {"fresh"}

    def test_one_that_has_brought_what_no_build_has_read_is_as_old_as_that(self, of_stripe) -> None:
        writer, clock, lake = of_stripe
        build(writer, 100, NOW - timedelta(hours=8))
        stream(writer, 120, NOW, changes=0)
        for hours, rows in ((7, 3), (0, 0)):
            writer.execute(
                "insert into raw.main._ingestion_cursors values ('stripe', 'charges', 'c', ?, uuid(), ?)",
                [rows, NOW - timedelta(hours=hours)],
            )
        assert states(clock, lake)["lead_conversion"] == "late"

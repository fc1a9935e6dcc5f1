"""The local HubSpot in raw: whole at first, then its changes, whatever its searches hide or a kill cuts off."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.connectors import Outcome, backfill, pull
from ingestion.crm.hubspot import ENGAGEMENTS, OBJECTS, HubSpot
from ingestion.crm.settings import HubSpotSettings
from tests.fakes.hubspot.testing import TOKEN, LocalHubSpot, local_hubspot
from tests.ingestion.conftest import Captured

Rows = Callable[[str], list[tuple[Any, ...]]]
QUICK: dict[str, Any] = {"searches_a_second": 1000, "overlap_seconds": 5}


@pytest.fixture
def settings(captured: Captured) -> WarehouseSettings:
    return captured.settings


@pytest.fixture
def local() -> Iterator[LocalHubSpot]:
    with local_hubspot(searches_a_second=1000) as running:
        yield running


def connect(local: LocalHubSpot, **given: Any) -> HubSpot:
    return HubSpot(HubSpotSettings(**{"access_token": TOKEN, "api_base": local.url, **QUICK, **given}))


@pytest.fixture
def connector(local: LocalHubSpot) -> HubSpot:
    return connect(local)


@pytest.fixture
def rows(settings: WarehouseSettings) -> Rows:
    def ask(query: str) -> list[tuple[Any, ...]]:
        with warehouse.reading(settings) as lake:
            return lake.execute(query).fetchall()

    return ask


def names(rows: Rows, kind: str = "contacts") -> dict[str, str]:
    """First name of each living object by id."""
    newest = rows(
        f"""select id, arg_max(document->'properties'->>'firstname', place), arg_max(_deleted, place)
            from (select *, (coalesce(_version, _landed_at), _batch_id) as place from raw.main.hubspot__{kind})
            group by id"""
    )
    return {id_: name for id_, name, is_gone in newest if not is_gone}


def test_every_kind_is_read_whole_once(
    local: LocalHubSpot, connector: HubSpot, settings: WarehouseSettings, rows: Rows
) -> None:
    owner = local.store.make_owner()
    local.store.make_owner(archived=True)
    local.store.make_pipeline("default", "new", "won")
    contact = local.store.make("contacts", firstname="Mía", email="mia@example.test", hubspot_owner_id=owner["id"])
    company = local.store.make("companies", name="Studio Ünlü")
    deal = local.store.make("deals", dealname="Ten sessions", amount="490.50", deal_currency_code="EUR")
    made = {kind: local.store.make(kind, hs_timestamp="2026-11-02T10:00:00.000Z") for kind in ENGAGEMENTS}
    local.store.associate("deals", deal["id"], "contacts", contact["id"])
    local.store.associate("deals", deal["id"], "companies", company["id"])
    local.store.associate("calls", made["calls"]["id"], "contacts", contact["id"])
    outcomes = pull(settings, connector)
    assert [one.problem for one in outcomes] == [None] * len(connector.streams)
    for kind in OBJECTS:
        [(body, is_deleted)] = rows(f"select document::varchar, _deleted from raw.main.hubspot__{kind}")
        [truth] = local.store.objects[kind].values()
        found = json.loads(body)
        filled = {name: value for name, value in found["properties"].items() if value is not None}
        assert found | {"properties": filled} == truth
        assert not is_deleted
    assert rows("select count(*), count(*) filter (where _deleted) from raw.main.hubspot__owners") == [(2, 1)]
    assert rows("select document->>'$.stages[1].id' from raw.main.hubspot__pipelines") == [("won",)]
    to = "select document->>'$.to.contacts[0].toObjectId' from raw.main.hubspot__associations where id = '{}'"
    assert rows(to.format(f"deals/{deal['id']}")) == rows(to.format(f"calls/{made['calls']['id']}")) == [
        (contact["id"],)
    ]  # fmt: skip
    again = pull(settings, connector, resync=True)
    assert {one.stream: one.rows for one in again} == dict.fromkeys(connector.streams, 0)


def test_changes_are_found_and_their_bodies_are_not_those_of_a_late_search(
    local: LocalHubSpot, connector: HubSpot, settings: WarehouseSettings, rows: Rows
) -> None:
    first = local.store.make("contacts", firstname="A")["id"]
    pull(settings, connector, streams=["contacts"])
    local.store.change("contacts", first, firstname="A2")
    local.store.is_indexing = False
    local.store.change("contacts", first, firstname="A3")
    second = local.store.make("contacts", firstname="B")["id"]
    pull(settings, connector, streams=["contacts"])
    assert names(rows) == {first: "A3"}
    local.store.index()  # only now does a search know of B, which is older than the last pull
    pull(settings, connector, streams=["contacts"])
    assert names(rows) == {first: "A3", second: "B"}


def test_a_search_of_more_results_than_hubspot_gives_is_complete(settings: WarehouseSettings, rows: Rows) -> None:
    with local_hubspot(results=20, searches_a_second=1000) as local:
        connector = connect(local, search_page=10, objects_a_batch=25, overlap_seconds=3600)
        pull(settings, connector, streams=["contacts"])
        for n in range(95):
            local.store.make("contacts", firstname=str(n))
        [outcome] = pull(settings, connector, streams=["contacts"])
    assert (outcome.problem, len(names(rows))) == (None, 95)


def test_archived_purged_and_merged_ones_are_deleted_once_all_is_read_again(
    local: LocalHubSpot, connector: HubSpot, settings: WarehouseSettings, rows: Rows
) -> None:
    kept, archived, purged, merged = (local.store.make("contacts", firstname=name)["id"] for name in "KAPM")
    pull(settings, connector, streams=["contacts"])
    local.store.archive("contacts", archived)
    local.store.purge("contacts", purged)
    local.store.merge("contacts", kept, merged)
    pull(settings, connector, streams=["contacts"])
    assert set(names(rows)) == {kept, archived, purged, merged}  # no search tells
    survivor = (
        f"select document->'properties'->>'hs_merged_object_ids' from raw.main.hubspot__contacts where id = '{kept}'"
    )
    assert rows(survivor + " order by _batch_id desc limit 1") == [(merged,)]
    for _ in range(2):
        pull(settings, connector, streams=["contacts"], resync=True)
        assert names(rows) == {kept: "K"}
    assert rows("select count(*) from raw.main.hubspot__contacts where _deleted") == [(3,)]


def test_an_association_that_was_taken_away_is_noticed_at_night(
    local: LocalHubSpot, connector: HubSpot, settings: WarehouseSettings, rows: Rows
) -> None:
    deal = local.store.make("deals")["id"]
    local.store.associate("deals", deal, "contacts", *map(str, range(1, 702)))
    pull(settings, connector, streams=["deals"])
    count = "select json_array_length(document, '$.to.contacts') from raw.main.hubspot__associations order by _batch_id"
    assert rows(count) == [(701,)]
    local.store.associate("deals", deal, "contacts")
    pull(settings, connector, streams=["deals"], resync=True)
    assert rows(count) == [(701,), (0,)]


def test_a_first_read_that_was_killed_goes_on_behind_its_last_page(
    local: LocalHubSpot, settings: WarehouseSettings, rows: Rows
) -> None:
    connector = connect(local, objects_a_batch=100)
    for n in range(250):
        local.store.make("companies", name=str(n))

    def die_at_the_third(_stream: str, _rows: int, seen: list[int] = []) -> None:  # noqa: B006
        seen.append(1)
        if len(seen) == 3:
            raise SystemExit

    with pytest.raises(SystemExit):
        pull(settings, connector, streams=["companies"], on_batch=die_at_the_third)
    changed = next(iter(local.store.objects["companies"]))
    local.store.change("companies", changed, name="changed meanwhile")
    [outcome] = pull(settings, connector, streams=["companies"])
    assert 50 <= outcome.rows <= 150
    pull(settings, connector, streams=["companies"])
    [(count, ids)] = rows("select count(*), count(distinct id) from raw.main.hubspot__companies")
    assert (count, ids) == (251, 250)


def test_searches_keep_to_the_pace_that_hubspot_allows(settings: WarehouseSettings) -> None:
    with local_hubspot() as local:
        connector = connect(local, searches_a_second=4.5, search_page=10, overlap_seconds=3600)
        pull(settings, connector, streams=["contacts"])
        for n in range(80):
            local.store.make("contacts", firstname=str(n))
        assert pull(settings, connector, streams=["contacts"])[0].rows == 160  # with their associations
        assert local.limits.refusals == 0


def test_a_429_is_waited_out_and_a_500_is_tried_again(
    local: LocalHubSpot, connector: HubSpot, settings: WarehouseSettings, rows: Rows
) -> None:
    local.store.make("contacts", firstname="A")
    local.fail(429, 500, retry_after=1)
    assert pull(settings, connector, streams=["contacts"])[0].problem is None
    assert list(names(rows).values()) == ["A"]


def test_a_wrong_token_fails_each_stream_with_hubspots_words(local: LocalHubSpot, settings: WarehouseSettings) -> None:
    wrong = connect(local, access_token="pat-of-another")
    outcomes = pull(settings, wrong, streams=["owners", "deals"])
    assert [one.rows for one in outcomes] == [0, 0]
    assert all(one.problem and "401" in one.problem and "pat-of-another" not in one.problem for one in outcomes)


def test_a_backfill_brings_what_changed_in_a_span_once(
    local: LocalHubSpot, connector: HubSpot, settings: WarehouseSettings
) -> None:
    local.store.make("companies", name="A")
    now = datetime.now(UTC)
    for span, expected in ((timedelta(1), 1), (timedelta(1), 0)):
        [outcome] = backfill(settings, connector, now - span, now + span, streams=["companies"])
        assert outcome == Outcome("companies", expected, None)
    assert backfill(settings, connector, now - timedelta(9), now - timedelta(8), streams=["companies"])[0].rows == 0

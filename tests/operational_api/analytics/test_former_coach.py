"""A client who went to another coach is no client of the one before, nor in the past that the lake remembers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from contracts import warehouse
from contracts.metrics import METRICS
from operational_api.analytics.catalogue import DATASETS
from plyo.postgres import PostgresServer
from tests.operational_api.analytics.conftest import (
    ANNA,
    BORIS,
    MIA,
    NOAH,
    decide,
    fill,
    fill_the_rest,
    make_marts,
    new_lake,
    person,
    serve,
)

pytestmark = pytest.mark.usefixtures("one_loop")


@dataclass
class Moved:
    """The service, and when Mia was a client of Anna's still: the moment and the snapshot. Boris's she is now."""

    app: FastAPI
    then: str
    snapshot: str


@pytest.fixture(scope="module")
def moved(
    postgres: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moved]:
    settings = new_lake(postgres, tmp_path_factory.mktemp("moved"), template_database)
    with warehouse.writing(settings) as lake:
        make_marts(lake)
        fill(lake)
        with warehouse.transaction(lake):
            fill_the_rest(lake)
            lake.execute("update marts.training.fct_workouts set coach_id = ?", [BORIS])
        then, snapshot = datetime.now(UTC).isoformat(), str(warehouse.snapshot_id(lake, "marts"))
        lake.execute("update marts.core.dim_customers set coach_id = ? where customer_id = ?", [BORIS, MIA])
    for customer in (MIA, NOAH):
        decide(settings, customer, dict.fromkeys(("activity", "sleep", "daily", "body"), True))
    app = serve(settings)
    yield Moved(app, then, snapshot)
    app.state.lake.close()


def of_mia(answer: Response) -> bool:
    return answer.status_code == 200 and str(MIA) in answer.text


@pytest.mark.parametrize("form", ["json", "csv"])
def test_no_row_of_the_past_tells_more_than_those_of_now(moved: Moved, form: str) -> None:
    anna, own = person(moved.app, "coach", ANNA), 0
    for name, dataset in DATASETS.items():
        for customer in (MIA, NOAH):
            asked = {"format": form} | ({"customer_id": str(customer)} if dataset.subject == "client" else {})
            now, past = (
                anna.get(f"/api/analytics/datasets/{name}", params=asked | as_of)
                for as_of in ({}, {"as_of": moved.snapshot})
            )
            assert past.status_code == now.status_code, name
            # A session that Anna gave is hers, whoever came.
            assert of_mia(past) <= of_mia(now), name
            own += past.status_code == 200 and str(NOAH) in past.text
    assert own > 10, "of who is hers still the past is told"


def test_pages_that_begin_in_the_past_do_not_either(moved: Moved) -> None:
    anna = person(moved.app, "coach", ANNA)
    path = "/api/analytics/datasets/training.fct_adherence_weeks"
    first = anna.get(path, params={"as_of": moved.snapshot, "limit": "1"}).json()
    told, following = first["items"], first["next"]
    while following:
        page = anna.get(path, params={"limit": "1", "cursor": following}).json()
        told, following = told + page["items"], page["next"]
    assert {one["customer_id"] for one in told} == {str(NOAH)}


def test_no_number_of_the_past_is_of_one_who_went(moved: Moved) -> None:
    anna = person(moved.app, "coach", ANNA)
    refused = 0
    for name, metric in METRICS.items():
        if "customer_id" not in metric.columns:
            continue
        path = f"/api/analytics/metrics/{name}"
        for way, moment in (("", "as_of"), ("/rows", "as_of"), ("/restatements", "since")):
            past = anna.get(path + way, params={"customer_id": str(MIA), moment: moved.then})
            if past.status_code == 200:  # of sessions that she gave
                now = anna.get(path, params={"customer_id": str(MIA)})
                assert now.status_code == 200, name
                assert "coach_id" in metric.columns, name
                continue
            assert past.status_code in (403, 404), (name, past.text)
            refused += past.status_code == 404
            assert anna.get(path + way, params={"customer_id": str(NOAH), moment: moved.then}).status_code in (200, 403)
    assert refused > 10


def test_no_row_is_traced_in_the_past(moved: Moved) -> None:
    asked = {"customer_id": str(MIA), "week_starts_on": "2026-09-07"}
    path = "/api/analytics/rows/training.fct_adherence_weeks"
    anna, boris = (person(moved.app, "coach", one) for one in (ANNA, BORIS))
    assert anna.get(path, params=asked).status_code == 404
    assert anna.get(path, params=asked | {"snapshot": moved.snapshot}).status_code == 404
    assert boris.get(path, params=asked).status_code == 200
    assert anna.get(path, params=asked | {"customer_id": str(NOAH), "snapshot": moved.snapshot}).status_code == 200


def test_what_all_her_clients_did_then_is_told_as_it_was(moved: Moved) -> None:
    anna: TestClient = person(moved.app, "coach", ANNA)
    path = "/api/analytics/metrics/adherence"
    past = anna.get(path, params={"as_of": moved.then}).json()
    assert [one["value"] for one in past["points"]] == [0.75, 0.75]

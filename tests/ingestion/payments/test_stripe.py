"""Stripe's own SDK on the local Stripe: every event and every object in raw, once, whatever fails on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe as sdk

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion import landing
from ingestion.batch import snapshots
from ingestion.connectors import Outcome, backfill, pull
from ingestion.payments.settings import StripeSettings
from ingestion.payments.stripe import OBJECTS, Stripe, document
from tests.dbt_project.lake import ROOT
from tests.fakes.stripe.testing import LocalStripe, local_stripe
from tests.ingestion.conftest import Captured

Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def settings(captured: Captured) -> WarehouseSettings:
    return captured.settings


@pytest.fixture
def local() -> Iterator[LocalStripe]:
    with local_stripe() as running:
        yield running


@pytest.fixture
def api(local: LocalStripe) -> sdk.StripeClient:
    return local.client()


@pytest.fixture
def connector(local: LocalStripe) -> Stripe:
    return Stripe(StripeSettings(secret_key=local.secret_key, api_base=local.url, objects_a_batch=40))


@pytest.fixture
def rows(settings: WarehouseSettings) -> Rows:
    def ask(query: str) -> list[tuple[Any, ...]]:
        with warehouse.reading(settings) as lake:
            return lake.execute(query).fetchall()

    return ask


def business(local: LocalStripe) -> None:
    """One object of every kind, and more than one page of customers."""
    api = local.client()
    product = api.v1.products.create({"name": "Standard"})
    price = api.v1.prices.create(
        {"product": product.id, "unit_amount": 4900, "currency": "eur", "recurring": {"interval": "month"}}
    )
    customer = api.v1.customers.create({"email": "mia@example.test", "name": "Mía Ünlü"})
    method = api.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    api.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    ended = api.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    api.v1.subscriptions.cancel(ended.id)
    charge = local.store.all("charge")[0]["id"]
    api.v1.refunds.create({"charge": charge, "amount": 100})
    local.dispute(charge)
    api.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    api.v1.payouts.create({"amount": 10, "currency": "eur"})
    for n in range(120):
        api.v1.customers.create({"name": f"Customer {n}"})


def problems(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.stream: one.problem for one in outcomes if one.problem}


def test_every_event_and_object_arrives_whole_and_once(
    local: LocalStripe, connector: Stripe, settings: WarehouseSettings, rows: Rows
) -> None:
    business(local)
    first = pull(settings, connector)
    assert problems(first) == {}
    assert all(outcome.rows for outcome in first)
    for stream in ("events", *OBJECTS):
        kind = {"balance_transactions": "balance_transaction"}.get(stream, stream.removesuffix("s"))
        held = dict(rows(f"select id, document::varchar from raw.main.stripe__{stream}"))
        truth = {one["id"]: one for one in local.store.all(kind)}
        assert {id_: json.loads(body) for id_, body in held.items()} == truth, stream
    assert {outcome.stream: outcome.rows for outcome in pull(settings, connector)} == dict.fromkeys(
        connector.streams, 0
    )


def test_only_what_changed_is_landed_again(
    api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings, rows: Rows
) -> None:
    mia, _ = (api.v1.customers.create({"name": name}) for name in ("Mia", "Noa"))
    pull(settings, connector, streams=["events", "customers"])
    api.v1.customers.update(mia.id, {"name": "Mia B."})
    assert [one.rows for one in pull(settings, connector, streams=["events", "customers"])] == [1, 1]
    names = rows("select document->>'name' from raw.main.stripe__customers order by _batch_id, id")
    assert names[-1:] == [("Mia B.",)]
    assert len(names) == 3


def test_an_event_that_differs_only_in_its_deliveries_is_not_landed_again(
    local: LocalStripe, api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings
) -> None:
    api.v1.customers.create({"name": "Mia"})
    pull(settings, connector, streams=["events"])
    event = local.store.all("event")[0]
    local.store.put(event | {"pending_webhooks": 3})
    assert pull(settings, connector, streams=["events"])[0].rows == 0


def test_what_is_gone_is_marked_as_deleted_and_what_is_only_hidden_is_not(
    local: LocalStripe, api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings, rows: Rows
) -> None:
    gone, kept = (api.v1.customers.create({"name": name}) for name in ("Gone", "Kept"))
    product = api.v1.products.create({"name": "Withdrawn"})
    pull(settings, connector, streams=["customers", "products"])
    api.v1.customers.delete(gone.id)
    api.v1.products.delete(product.id)
    for expected in ([1, 1], [0, 0]):
        assert [one.rows for one in pull(settings, connector, streams=["customers", "products"])] == expected
    newest = "select arg_max(_deleted, _batch_id) from raw.main.stripe__customers where id = '{}'"
    assert rows(newest.format(gone.id)) == [(True,)]
    assert rows(newest.format(kept.id)) == [(False,)]
    assert rows("select id from raw.main.stripe__products where _deleted") == [(product.id,)]


def test_events_go_on_after_a_pause_of_weeks_and_begin_where_stripe_still_has_them(
    local: LocalStripe, api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings, rows: Rows
) -> None:
    now = int(datetime.now(UTC).timestamp())
    for days in (29, 12, 3):
        event = local.store.record_event("customer.updated", {"id": f"cus_{days}", "object": "customer"})
        local.store.put(event | {"created": now - days * 86_400})
    [outcome] = pull(settings, connector, streams=["events"])
    assert (outcome.rows, outcome.cursor) == (3, str(now - 3 * 86_400))
    assert rows("select count(distinct id) from raw.main.stripe__events") == [(3,)]
    api.v1.customers.create({"name": "Mia"})
    assert pull(settings, connector, streams=["events"])[0].rows == 1


@pytest.mark.drill
def test_a_pull_that_is_killed_again_and_again_loses_nothing_and_lands_nothing_twice(
    local: LocalStripe, api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings, rows: Rows
) -> None:
    customers = [api.v1.customers.create({"name": f"Customer {n}"}) for n in range(100)]
    code = (
        "from contracts.warehouse import WarehouseSettings\n"
        "from ingestion import connectors, registry\n"
        "connectors.pull(WarehouseSettings(), registry.connector('stripe'), streams=['events', 'customers'])\n"
    )
    environment = os.environ | {
        "PLYO_LAKE_CATALOG_URL": settings.lake_catalog_url.get_secret_value(),
        "PLYO_LAKE_PATH": settings.lake_path,
        "PLYO_STRIPE_SECRET_KEY": local.secret_key,
        "PLYO_STRIPE_API_BASE": local.url,
        "PLYO_STRIPE_OBJECTS_A_BATCH": "5",
    }
    count = "select count(*) from raw.main.stripe__{}"
    pull(settings, connector, streams=[])  # makes the tables
    for table, enough in (("events", 20), ("customers", 40)):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)
        while process.poll() is None and rows(count.format(table))[0][0] < enough:
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    api.v1.customers.update(customers[0].id, {"name": "Later"})
    pull(settings, connector, streams=["events", "customers"])
    assert rows("select count(*), count(distinct id) from raw.main.stripe__events") == [(101, 101)]
    [(held, ids)] = rows("select count(*), count(distinct id) from raw.main.stripe__customers")
    assert ids == 100
    assert held <= 101  # the changed one may have been landed before it changed


def test_a_429_is_waited_out_as_long_as_stripe_asks_and_a_500_is_tried_again(
    local: LocalStripe, api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings
) -> None:
    api.v1.customers.create({"name": "Mia"})
    local.fail(429, 500, 429, retry_after=0.05)
    assert pull(settings, connector, streams=["customers"]) == [Outcome("customers", 1, None)]


def test_a_stream_that_may_not_be_read_fails_alone(local: LocalStripe, settings: WarehouseSettings) -> None:
    wrong = Stripe(StripeSettings(secret_key="rk_test_other", api_base=local.url))
    [outcome] = pull(settings, wrong, streams=["payouts"])
    assert outcome.problem is not None
    assert outcome.problem.startswith("AuthenticationError: ")
    assert "rk_test_other" not in outcome.problem


def test_a_backfill_brings_a_span_once(
    local: LocalStripe, api: sdk.StripeClient, connector: Stripe, settings: WarehouseSettings
) -> None:
    now = datetime.now(UTC)
    old, _ = (api.v1.customers.create({"name": name}) for name in ("Old", "New"))
    local.store.find("customer", old.id)["created"] = int((now - timedelta(days=400)).timestamp())
    span = now - timedelta(days=401), now - timedelta(days=399)
    for expected in (1, 0):
        assert backfill(settings, connector, *span, streams=["customers"]) == [Outcome("customers", expected, None)]


def test_a_list_that_stripe_cuts_short_is_read_to_its_end(
    local: LocalStripe, connector: Stripe, settings: WarehouseSettings, rows: Rows
) -> None:
    business(local)
    invoice = local.store.all("invoice")[0]
    lines = [invoice["lines"]["data"][0] | {"id": f"il_{n}"} for n in range(25)]
    invoice["lines"] |= {"data": lines[:10], "has_more": True}
    local.store.put(invoice, lines=lines)
    pull(settings, connector, streams=["invoices"])
    query = f"select document->>'$.lines.data[*].id' from raw.main.stripe__invoices where id = '{invoice['id']}'"
    assert rows(query) == [([one["id"] for one in lines],)]


def test_every_kind_of_object_of_stripes_own_fixtures_lands_whole(
    settings: WarehouseSettings, shared_data: Path
) -> None:
    resources: dict[str, Any] = json.loads((shared_data / "stripe/fixtures3.json").read_text())["resources"]
    found = {kind: document(body) for kind, body in resources.items()}
    assert {kind: one.id for kind, one in found.items()} == {
        kind: body.get("id") or body["object"] for kind, body in resources.items()
    }
    with landing.pulling(settings, "stripe") as lake:
        named = [replace(one, id=kind) for kind, one in found.items()]  # a deleted one has the id of the living
        landing.land(lake, "stripe", "fixtures", snapshots("stripe__fixtures", named))
        held = lake.execute("select id, document::varchar, _deleted from raw.main.stripe__fixtures").fetchall()
    assert {kind: json.loads(body) for kind, body, _ in held} == resources
    assert {kind for kind, _, is_deleted in held if is_deleted} == {k for k in found if k.startswith("deleted_")}
    assert len(held) == 176

"""Of somebody whose account was closed no byte stays that the product has forgotten; everything else stays."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest

from contracts import warehouse
from contracts.ids import new_id
from ingestion import destinations, erasures, forgotten, landing
from ingestion.batch import Batch, Document, documents
from ingestion.destinations import DestinationSettings
from ingestion.lake_maintenance import forget_past
from ingestion.postgres_cdc import capture, compare, publication
from ingestion.quality import quarantine
from plyo.postgres import PostgresServer
from tests.ingestion.conftest import Captured
from tests.ingestion.streams import streaming
from tests.ingestion.test_lake_maintenance import MARKER, places

MIA, TOM = UUID(int=0xA1 << 96 | 1), UUID(int=0xB2 << 96 | 2)
TABLES = """
    create table platform.outbox_events (event_id uuid primary key, type text, aggregate_id uuid, occurred_at timestamptz);
    create table training.clients (id uuid primary key, display_name text, goal text);
    create table commerce.invoices (id uuid primary key, customer_id uuid, total_minor int);
    create table engagement.channel_choices (customer_id uuid, channel text, purpose text, note text,
        primary key (customer_id, channel, purpose));
    create table commerce.customers (id uuid primary key, stripe_customer_id text);
    create table identity.accounts (id uuid primary key, email text);
    create table engagement.messages (id uuid primary key, customer_id uuid, words text);
"""  # noqa: E501
MIAS = {"invoice": UUID(int=11), "message": UUID(int=12)}
TOMS = UUID(int=21)


def close(captured: Captured, who: UUID, *, ago: timedelta = timedelta(0)) -> None:
    captured.source.execute(
        "insert into platform.outbox_events values (%s, 'identity.account_closed', %s, %s)",
        [new_id(), who, datetime.now(UTC) - ago],
    )


@pytest.fixture
def kept(captured: Captured) -> Captured:
    """Mia with a profile, a choice, a message and an invoice; Tom with a message. Her words are the marker."""
    run = captured.source.execute
    run(TABLES)
    publication.create(captured.source)  # of identity, tables are published by name
    run("insert into training.clients values (%s, %s, %s)", [MIA, MARKER, f"{MARKER} again"])
    run("insert into engagement.channel_choices values (%s, 'sms', 'news', %s)", [MIA, MARKER])
    run("insert into engagement.messages values (%s, %s, %s), (%s, %s, 'hello')",
        [MIAS["message"], MIA, MARKER, TOMS, TOM])  # fmt: skip
    run("insert into commerce.invoices values (%s, %s, 4900)", [MIAS["invoice"], MIA])
    capture.ensure_ready(captured.settings)
    uuid = pa.uuid()
    with landing.pulling(captured.settings, "wearables") as lake:
        rows = pa.table({
            "payload_id": ["mia", "tom"], "note": [MARKER, "tom"],
            "customer_id": pa.ExtensionArray.from_storage(uuid, pa.array([MIA.bytes, TOM.bytes], pa.binary(16))),
        })  # fmt: skip
        landing.land(lake, "wearables", "payloads", Batch("wearables__sleeps", rows, ("payload_id",)))
        quarantine._ensure(lake)
        lake.execute(
            f"""insert into {quarantine.TABLE} select uuidv7(), 'stripe', 'x', 'stripe__charges', ['id'], false, 'x',
            json_object('id', 'ch_1', 'customer', ?::varchar, 'words', ?::varchar), ['odd'], now()""",
            [str(MIA), MARKER],
        )
    return captured


def forget_in_product(captured: Captured) -> None:
    """What the contexts do when the account is closed."""
    run = captured.source.execute
    run("update training.clients set display_name = 'Former client', goal = null where id = %s", [MIA])
    run("delete from engagement.channel_choices where customer_id = %s", [MIA])
    run("delete from engagement.messages where customer_id = %s", [MIA])
    run("update commerce.invoices set total_minor = 4900 where customer_id = %s", [MIA])


class TestForget:
    def test_does_nothing_while_nobody_has_closed_an_account(self, kept: Captured) -> None:
        forget_in_product(kept)
        capture.run_once(kept.settings)
        assert erasures.forget(kept.settings) is None
        assert places(kept.settings) != set()

    def test_leaves_no_byte_of_a_closed_account_and_all_of_the_others(self, kept: Captured) -> None:
        with warehouse.writing(kept.settings) as lake:
            lake.execute("create table marts.people as select * from raw.training__clients")
        close(kept, MIA)
        forget_in_product(kept)
        capture.run_once(kept.settings)
        assert places(kept.settings) > {"bytes of a file", "values of a file"}
        erased = erasures.forget(kept.settings)
        assert erased is not None
        assert erased.aside == 1
        with warehouse.writing(kept.settings) as lake:
            lake.execute("create or replace table marts.people as select * from raw.training__clients")
        forget_past(kept.settings, "marts")
        assert places(kept.settings) == set()
        with warehouse.reading(kept.settings) as lake:
            kept_of = dict.fromkeys(("training__clients", "commerce__invoices"))
            for table in kept_of:
                key = "customer_id" if table == "commerce__invoices" else "id"
                kept_of[table] = lake.execute(f"select count(*) from raw.{table} where {key} = ?", [MIA]).fetchone()
            assert set(kept_of.values()) == {(1,)}, "as the product has it now, once"
            assert lake.execute(
                "select words from raw.engagement__messages where customer_id = ?", [TOM]
            ).fetchone() == ("hello",)
            assert lake.execute("select customer_id from raw.wearables__sleeps").fetchall() == [(TOM,)]
            assert lake.execute("select count(*) from raw.snapshots()").fetchone()[0] <= 3  # type: ignore[index]
        with streaming(kept.settings) as settings:
            assert compare.compare(settings).differing == {}

    def test_is_proved_once_it_is_true(self, kept: Captured) -> None:
        close(kept, MIA)
        forget_in_product(kept)
        capture.run_once(kept.settings)
        with warehouse.writing(kept.settings) as lake:
            for _ in range(2):  # and was cut off, twice
                forgotten.begin(lake, erasures.remains(lake, erasures.keys_of(kept.settings)).notes)
            assert set(forgotten.unfinished(lake).since) == {MIA}
        with pytest.raises(erasures.StillThere):
            erasures.finish(kept.settings)
        with warehouse.reading(kept.settings) as lake:
            assert forgotten.proofs(lake, [MIA]) == []
        erasures.forget(kept.settings)
        erasures.finish(kept.settings)
        with warehouse.reading(kept.settings) as lake:
            told = {table: rows for _, _, table, rows in forgotten.proofs(lake, [MIA, TOM])}
            assert forgotten.unfinished(lake).rows == {}
        assert told == {
            "commerce__invoices": 1, "engagement__channel_choices": 1, "engagement__messages": 1,
            "training__clients": 1, "wearables__sleeps": 1,
        }  # fmt: skip
        assert erasures.forget(kept.settings) is None, "done again it does nothing"

    def test_what_is_forgotten_later_is_erased_later(self, kept: Captured) -> None:
        close(kept, MIA)
        capture.run_once(kept.settings)
        first = erasures.forget(kept.settings)
        assert first is not None
        assert set(first.rows) == {"wearables__sleeps"}, "the product still keeps the rest"
        forget_in_product(kept)
        capture.run_once(kept.settings)
        then = erasures.forget(kept.settings)
        assert then is not None
        assert "training__clients" in then.rows

    def test_says_who_waits_for_too_long(self, kept: Captured) -> None:
        close(kept, MIA, ago=timedelta(days=3))
        forget_in_product(kept)
        capture.run_once(kept.settings)
        erasures.forget(kept.settings)
        with warehouse.reading(kept.settings) as lake:
            found = forgotten.unfinished(lake)
        assert found.overdue(datetime.now(UTC)) == [MIA]
        assert found.overdue(datetime.now(UTC) - timedelta(days=2)) == []


def document(captured: Captured, table: str, id_: str, body: dict[str, object], *, version: int = 1) -> None:
    """A version of a provider's document, landed by itself."""
    at = datetime(2026, 11, version, tzinfo=UTC)
    with landing.pulling(captured.settings, table.partition("__")[0]) as lake:
        landing.land(lake, table.partition("__")[0], table, documents(table, [Document(id_, {"id": id_, **body}, at)]))


@pytest.fixture
def outside(kept: Captured) -> Captured:
    """Mia and Tom as Stripe and HubSpot know them; her name stands in versions of everything."""
    kept.source.execute("insert into commerce.customers values (%s, 'cus_mia'), (%s, 'cus_tom')", [MIA, TOM])
    kept.source.execute("insert into identity.accounts values (%s, 'm@x.test'), (%s, 't@x.test')", [MIA, TOM])
    capture.run_once(kept.settings)
    for customer, name in (("cus_mia", MARKER), ("cus_tom", "tom")):
        document(kept, "stripe__customers", customer, {"name": name})
        document(kept, "stripe__events", f"evt_{customer}", {"data": {"object": {"id": customer, "name": name}}})
        for version in (1, 2):
            charge = {"customer": customer, "amount": version, "billing_details": {"name": name}}
            document(kept, "stripe__charges", f"ch_{customer}", charge, version=version)
        document(
            kept, "stripe__disputes", f"dp_{customer}",
            {"charge": f"ch_{customer}", "amount": 2, "evidence": {"customer_name": name}},
        )  # fmt: skip
    for contact, name, email in (("77", MARKER, "M@x.test"), ("78", "tom", "t@x.test")):
        document(kept, "hubspot__contacts", contact, {"properties": {"firstname": name, "email": email}})
        document(kept, "hubspot__notes", f"9{contact}", {"properties": {"hs_note_body": f"{name} wrote"}})
        document(
            kept, "hubspot__associations", f"notes/9{contact}",
            {"from_type": "notes", "from_id": f"9{contact}", "to": {"contacts": [{"toObjectId": int(contact)}]}},
        )  # fmt: skip
    return kept


class TestProviders:
    def test_their_documents_forget_the_person_and_keep_the_books(self, outside: Captured) -> None:
        close(outside, MIA)
        forget_in_product(outside)
        outside.source.execute("update identity.accounts set email = 'nobody' where id = %s", [MIA])
        capture.run_once(outside.settings)
        for _ in range(2):  # the second time the archived contact came with the nightly reading of all
            erasures.forget(outside.settings)
            erasures.finish(outside.settings)
            assert places(outside.settings) == set()
            with warehouse.reading(outside.settings) as lake:
                for table in ("stripe__customers", "stripe__events", "hubspot__contacts", "hubspot__notes"):
                    held = lake.execute(f"select count(*), any_value(document) from raw.{table}").fetchone()
                    assert held is not None
                    assert held[0] == 1, table
                    assert "tom" in held[1]
                assert lake.execute(
                    "select id, document->>'$.amount', document->>'$.billing_details.name' from raw.stripe__charges "
                    "order by all"
                ).fetchall() == [("ch_cus_mia", "2", None), ("ch_cus_tom", "1", "tom"), ("ch_cus_tom", "2", "tom")]
                assert lake.execute(
                    "select id, document->>'$.amount', document->>'$.evidence.customer_name' from raw.stripe__disputes "
                    "order by all"
                ).fetchall() == [("dp_cus_mia", "2", None), ("dp_cus_tom", "2", "tom")]
            assert erasures.forget(outside.settings) is None
            document(outside, "hubspot__contacts", "77", {"properties": {"firstname": MARKER}}, version=3)


class TestElsewhere:
    def test_copies_of_erased_rows_are_deleted_and_others_stay(self, kept: Captured, postgres: PostgresServer) -> None:
        name = f"elsewhere_{new_id().hex}"
        with psycopg.connect(postgres.url(), autocommit=True) as server:
            server.execute(f"create database {name}")
        url = postgres.url(name)
        target = DestinationSettings(kind="postgres", credentials=url)
        close(kept, MIA)
        forget_in_product(kept)
        capture.run_once(kept.settings)
        tables = ["engagement__messages", "training__clients"]
        destinations.copy(kept.settings, target, tables)
        erasures.forget(kept.settings)
        with warehouse.reading(kept.settings) as lake:
            found = forgotten.unfinished(lake)
        deleted = destinations.forget(kept.settings, target, found.rows)
        assert deleted == {"engagement__messages": 1, "training__clients": 1}
        with psycopg.connect(url) as elsewhere:
            for table in tables:
                held = elsewhere.execute(f"select count(*) from raw.{table} t where t::text like %s", [f"%{MARKER}%"])
                assert held.fetchone() == (0,), table
            rows = elsewhere.execute("select customer_id, words from raw.engagement__messages where words <> ''")
            assert rows.fetchall() == [(TOM, "hello")]
            assert elsewhere.execute("select display_name from raw.training__clients").fetchall() == [
                ("Former client",)
            ]
        assert destinations.forget(kept.settings, target, found.rows) == {
            "engagement__messages": 0, "training__clients": 0
        }  # fmt: skip
        destinations.copy(kept.settings, target, tables)
        with psycopg.connect(url) as elsewhere:
            assert elsewhere.execute("select count(*) from raw.training__clients").fetchone() == (1,), (
                "and none returns"
            )

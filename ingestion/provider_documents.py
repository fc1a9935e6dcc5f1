"""What the documents of Stripe and HubSpot in raw tell of people whose account was closed.

Raw keeps every version of a document. Of these people's, customers, contacts, events and what a CRM wrote about them go
with every version. Documents of money are the books: of each the newest version stays, without whom it names (address,
e-mail, card's holder); Stripe's ids stay, by which books are compared.

Whose a document is, is said by the ids of the person there. Raw forgets how they are known with the person, so they
stand in the note of what was erased: a document that a provider sends once more goes once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import duckdb

from ingestion import forgotten
from ingestion.crm.hubspot import ASSOCIATIONS, ENGAGEMENTS
from ingestion.forgotten import Note
from ingestion.postgres_cdc.land import quoted

PERSON = "plyo_person_id"
"""Property of a contact in which the product writes whose it is (`operational_api.integrations.crm`)."""
CUSTOMERS, CONTACTS = "stripe__customers", "hubspot__contacts"
_ACCOUNTS = "identity__accounts"
_KNOWN: Mapping[str, tuple[frozenset[str], str]] = {
    CUSTOMERS: (
        frozenset(("commerce__customers",)),
        "select stripe_customer_id, id from raw.main.commerce__customers where stripe_customer_id is not null "
        "and list_contains(?, id)",
    ),
    CONTACTS: (
        frozenset((CONTACTS, _ACCOUNTS)),
        "select contact.id, account.id from (select id, lower(document->>'$.properties.email') as email, "
        f"(document->>'$.properties.{PERSON}') as person from raw.main.{CONTACTS}) as contact "
        f"inner join raw.main.{_ACCOUNTS} as account on contact.person = account.id::varchar "
        "or contact.email = lower(account.email) where list_contains(?, account.id)",
    ),
}
"""By the provider's table of people: the raw tables that say who they are with us, and SQL of their ids there and
accounts: the product's customer at Stripe; at HubSpot the contact that we wrote, or that has their address."""

_OF_CUSTOMER = "coalesce(document->>'$.customer.id', document->>'$.customer')"
_ABOUT = ("deals", *ENGAGEMENTS)
GONE: Mapping[str, tuple[str, str]] = {
    CUSTOMERS: (CUSTOMERS, "id"),
    "stripe__events": (
        CUSTOMERS,
        "coalesce(document->>'$.data.object.customer.id', document->>'$.data.object.customer', "
        "document->>'$.data.object.id')",
    ),
    CONTACTS: (CONTACTS, "id"),
    **{
        f"hubspot__{kind}": (CONTACTS, f"(select min(contact) from _associated where kind = '{kind}' and of = id)")
        for kind in _ABOUT
    },
}
"""Tables whose documents go: by whose ids, and SQL of the id that a document names."""
BOOKS: Mapping[str, str] = {
    **{f"stripe__{kind}": _OF_CUSTOMER for kind in ("subscriptions", "invoices", "payment_intents", "charges")},
    "stripe__disputes": (
        f"(select min({_OF_CUSTOMER}) from raw.main.stripe__charges as charge "
        "where charge.id = (told.document->>'$.charge'))"
    ),
}
"""Tables whose documents stay in their newest version: SQL of Stripe's customer."""
PERSONAL = dict.fromkeys((
    "billing_details", "receipt_email", "receipt_number", "shipping", "customer_email", "customer_name",
    "customer_phone", "customer_address", "customer_shipping", "customer_tax_ids", "evidence", "description",
    "payment_method_details",
))  # fmt: skip
"""Members of a document of money that tell of the person."""
_WITHOUT = "json_merge_patch(document, '{" + ", ".join(f'"{name}": null' for name in PERSONAL) + "}')"
_PLACE = "row(coalesce(_version, _landed_at), _batch_id)"


@dataclass
class Told:
    """What is to go.

    Args:
        rows: Raw table to column to values, as `lake_maintenance.erase` takes them.
        only: A further condition by raw table.
        instead: By raw table, SQL of the document that stands for one that stays, where it is another.
        notes: What there is of whom.
    """

    rows: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def told(lake: duckdb.DuckDBPyConnection, closed: Mapping[UUID, datetime], tables: Mapping[str, set[str]]) -> Told:
    """What raw's documents tell of closed accounts.

    Args:
        closed: By account, when it was closed.
        tables: Columns of each raw table there is.
    """
    found = Told()
    people = {one: _people(lake, one, closed, tables) for one in _KNOWN}
    lake.execute(
        f"""create or replace temp table _associated as
            select from_type as kind, from_id as of, contact from (
                select document->>'$.from_type' as from_type, document->>'$.from_id' as from_id,
                    unnest(document->>'$.to.contacts[*].toObjectId') as contact
                from raw.main.{ASSOCIATIONS})
            where list_contains(?, contact)"""
        if ASSOCIATIONS in tables
        else "create or replace temp table _associated (kind varchar, of varchar, contact varchar)",
        [list(people[CONTACTS])] if ASSOCIATIONS in tables else [],
    )
    for table, (by, owner) in GONE.items():
        if table in tables and people[by]:
            _add(lake, found, table, owner, "true", people[by], closed)
    for table, owner in BOOKS.items():
        if table not in tables or not people[CUSTOMERS] or ("charge." in owner and "stripe__charges" not in tables):
            continue
        name = f"raw.main.{quoted(table)}"
        old = f"""(id, {_PLACE}) not in (select id, max({_PLACE}) from {name} group by id)
            and (id, {_PLACE}) not in (select id, max({_PLACE}) from {name} where not _deleted group by id)"""
        tells = f"{_WITHOUT} <> json_merge_patch(document, '{{}}')"
        if _add(lake, found, table, owner, f"(({old}) or {tells})", people[CUSTOMERS], closed):
            found.instead[table] = f"case when not ({old}) then {_WITHOUT} end"
    lake.execute("drop table _associated")
    return found


def _people(
    lake: duckdb.DuckDBPyConnection, of: str, closed: Mapping[UUID, datetime], tables: Mapping[str, set[str]]
) -> dict[str, UUID]:
    """Accounts by the provider's id of them."""
    needed, query = _KNOWN[of]
    found = {value: account for account, value in forgotten.values(lake, of) if account in closed}
    if needed <= tables.keys():
        found |= {value: UUID(str(account)) for value, account in lake.execute(query, [list(closed)]).fetchall()}
    return found


def _add(
    lake: duckdb.DuckDBPyConnection, found: Told, table: str, owner: str, condition: str, people: Mapping[str, UUID],
    closed: Mapping[UUID, datetime],
) -> bool:  # fmt: skip
    rows = lake.execute(
        f"""select owner, id, count(*) from (
                select {owner} as owner, id from raw.main.{quoted(table)} as told where {condition})
            where list_contains(?, owner) group by all order by all""",
        [list(people)],
    ).fetchall()
    if not rows:
        return False
    found.rows[table], found.only[table] = {"id": sorted({id_ for _, id_, _ in rows})}, condition
    found.notes += [
        Note(people[owner], closed[people[owner]], table, "id", number, value=id_) for owner, id_, number in rows
    ]
    return True

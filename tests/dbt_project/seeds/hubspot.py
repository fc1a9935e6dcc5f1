"""Seeds of HubSpot's tables as the objects HubSpot's API would have sent: only members that the staging models read."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ingestion.batch import Document
from ingestion.crm.hubspot import document
from tests.dbt_project.seeds.rows import Row, iso, number, read, text, truth

_OBJECTS = {"contacts": "id", "companies": "id", "deals": "deal_id"}
_SINGULAR = {"contacts": "contact", "companies": "company", "deals": "deal"}
ENGAGEMENTS = ("call", "communication", "email", "meeting", "note", "task")
_NOBODY_SAID = "2020-01-01 00:00:00"


def objects(folder: Path, plural: str) -> list[Document]:
    """Contacts, companies and deals; the properties of a seed are the columns that begin so."""
    merged: dict[str, list[str]] = defaultdict(list)
    if plural == "deals":
        for row in read(folder / "merged_deal_data.csv"):
            merged[row["deal_id"]].append(row["merged_deal_id"])
    return [_object(row, plural, merged) for row in seed(folder, plural)]


def seed(folder: Path, plural: str) -> list[Row]:
    """Rows of the seed of contacts, companies or deals."""
    return read(folder / f"{_SINGULAR[plural]}_data.csv")


def _object(row: Row, plural: str, merged: dict[str, list[str]]) -> Document:
    id_ = row[_OBJECTS[plural]]
    properties: dict[str, Any] = {
        name.removeprefix("property_"): text(value) for name, value in row.items() if name.startswith("property_")
    }
    if plural == "deals":
        properties |= {
            "pipeline": text(row["deal_pipeline_id"]),
            "dealstage": text(row["deal_pipeline_stage_id"]),
            "hubspot_owner_id": text(row["owner_id"]),
            "deal_currency_code": "USD" if row["property_amount"] else None,  # the seed has none
            "hs_merged_object_ids": ";".join(merged[id_]) or None,
        }
    is_deleted = truth(row.get("is_deleted") or row.get("_fivetran_deleted") or "")
    created = iso(row["property_createdate"] or _NOBODY_SAID)
    return document(
        {"id": id_, "properties": properties, "createdAt": created, "updatedAt": created, "archived": is_deleted}
    )


def engagements(folder: Path, kind: str) -> list[Document]:
    """One kind of engagement."""
    found = []
    for row in read(folder / f"engagement_{kind}_data.csv"):
        created = iso(row.get("property_hs_createdate") or row.get("start_time") or _NOBODY_SAID)
        properties = {
            "hs_timestamp": iso(row.get("property_hs_timestamp") or row.get("start_time") or ""),
            "hubspot_owner_id": text(row.get("property_hubspot_owner_id", "")),
            "hs_email_subject": text(row.get("property_hs_email_subject", "")),
            "hs_meeting_title": text(row.get("title", "")),
        }
        is_deleted = truth(row.get("_fivetran_deleted", ""))
        found.append(
            document(
                {
                    "id": row["engagement_id"],
                    "properties": properties,
                    "createdAt": created,
                    "updatedAt": created,
                    "archived": is_deleted,
                }
            )
        )
    return found


def owners(folder: Path) -> list[Document]:
    """Users."""
    return [
        document(
            {
                "id": row["owner_id"],
                "email": row["email"],
                "firstName": row["first_name"],
                "lastName": row["last_name"],
                "createdAt": iso(row["created_at"]),
                "updatedAt": iso(row["updated_at"]),
                "archived": False,
            }
        )
        for row in read(folder / "owner_data.csv")
    ]


def pipelines(folder: Path) -> list[Document]:
    """Pipelines with their stages; some stages of the seed are of pipelines it does not have."""
    stages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read(folder / "deal_pipeline_stage_data.csv"):
        is_closed, probability = str(truth(row["is_closed"])).lower(), row["probability"]
        stages[row["pipeline_id"]].append(
            {
                "id": row["stage_id"],
                "label": row["label"],
                "displayOrder": number(row["display_order"]),
                "metadata": {"isClosed": is_closed, "probability": probability},
                "archived": truth(row["_fivetran_deleted"]),
            }
        )
    known = {row["pipeline_id"]: row for row in read(folder / "deal_pipeline_data.csv")}
    return [
        document(
            {
                "id": id_,
                "label": known.get(id_, {}).get("label"),
                "displayOrder": number(known.get(id_, {}).get("display_order", "")),
                "stages": stages[id_],
                "createdAt": iso(known.get(id_, {}).get("created_at") or _NOBODY_SAID),
                "updatedAt": iso(known.get(id_, {}).get("updated_at") or _NOBODY_SAID),
                "archived": False,
            }
        )
        for id_ in sorted(known.keys() | stages.keys())
    ]


def associations(folder: Path) -> Iterable[Document]:
    """What deals and engagements belong to."""
    bonds: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for kind, plural in (("contact", "contacts"), ("company", "companies"), ("deal", "deals")):
        for row in read(folder / f"engagement_{kind}_data.csv"):
            bonds[f"{row['engagement_type'].lower()}s", row["engagement_id"]][plural].append(_bond(row, f"{kind}_id"))
        if kind != "deal":
            for row in read(folder / f"deal_{kind}_data.csv"):
                bonds["deals", row["deal_id"]][plural].append(_bond(row, f"{kind}_id"))
    for (from_type, from_id), to in bonds.items():
        yield Document(f"{from_type}/{from_id}", {"from_type": from_type, "from_id": from_id, "to": dict(to)})


def _bond(row: Row, to: str) -> dict[str, Any]:
    kind = {"category": row["category"], "typeId": number(row["type_id"]), "label": None}
    return {"toObjectId": number(row[to]), "associationTypes": [kind]}

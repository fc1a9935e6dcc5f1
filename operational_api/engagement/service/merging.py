"""Words used again: a coach's templates, their merge fields, and what they become for one client."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.engagement.errors import EmptyMergeField, TemplateNotFound, TemplateRejected, UnknownMergeField
from operational_api.engagement.models import MessageTemplate
from operational_api.engagement.service.contacts import contacts

FIELDS: Mapping[str, str] = {
    "first_name": "what the client is called",
    "full_name": "the client's whole name",
    "coach_name": "your first name",
}
"""Merge fields, as in `{{first_name}}`, and what each stands for."""
LONGEST = 4000
_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def fields_of(body: str) -> set[str]:
    """Merge fields that a text speaks of.

    Raises:
        UnknownMergeField: one of them is none, or braces are left over: told when it is saved, not when it is sent.
    """
    found = set(_FIELD.findall(body))
    if unknown := found - FIELDS.keys():
        names = ", ".join(f"{{{{{one}}}}}" for one in sorted(unknown))
        raise UnknownMergeField(f"There is no {names}. There are: {', '.join(FIELDS)}.")
    rest = _FIELD.sub("", body)
    if "{{" in rest or "}}" in rest:
        raise UnknownMergeField("A field is written {{first_name}}; some braces have no partner.")
    return found


def fill(body: str, values: Mapping[str, str]) -> str:
    """The text for one client.

    Raises:
        UnknownMergeField: it speaks of a field that there is not.
        EmptyMergeField: the client has no value for one.
    """
    for name in sorted(fields_of(body)):
        if not values.get(name):
            raise EmptyMergeField(f"This client has no {name.replace('_', ' ')}.")
    return _FIELD.sub(lambda found: values[found[1]], body)


def values_for(session: Session, *, customer_id: UUID, coach_id: UUID) -> dict[str, str]:
    """Values of every field for a client and a coach."""
    people = contacts(session, [customer_id, coach_id])
    client, coach = people.get(customer_id), people.get(coach_id)
    return {
        "first_name": client.first_name if client else "",
        "full_name": client.display_name if client else "",
        "coach_name": coach.first_name if coach else "",
    }


def templates_of(session: Session, owner_id: UUID) -> list[MessageTemplate]:
    """A coach's templates by name."""
    found = select(MessageTemplate).where(MessageTemplate.owner_id == owner_id)
    return list(session.scalars(found.order_by(func.lower(MessageTemplate.name))))


def save_template(session: Session, *, owner_id: UUID, name: str, body: str, now: datetime) -> MessageTemplate:
    """Keep a template; one of the same name takes its place.

    Raises:
        TemplateRejected: no name, no words, or too many of either.
        UnknownMergeField: it speaks of a field that there is not.
    """
    name, body = name.strip(), body.strip()
    if not 1 <= len(name) <= 60 or not 1 <= len(body) <= LONGEST or "\0" in name + body:
        raise TemplateRejected
    fields_of(body)
    values = {"name": name, "body": body, "updated_at": now}
    statement = insert(MessageTemplate).values(owner_id=owner_id, **values)
    statement = statement.on_conflict_do_update(
        index_elements=[MessageTemplate.owner_id, func.lower(MessageTemplate.name)], set_=values
    )
    kept = statement.returning(MessageTemplate)
    return session.scalars(kept, execution_options={"populate_existing": True}).one()


def remove_template(session: Session, *, owner_id: UUID, template_id: UUID) -> None:
    """Forget a template of the coach's.

    Raises:
        TemplateNotFound: there is none, or it is another's.
    """
    statement = delete(MessageTemplate).where(
        MessageTemplate.id == template_id, MessageTemplate.owner_id == owner_id
    )  # fmt: skip
    if session.scalar(statement.returning(MessageTemplate.id)) is None:
        raise TemplateNotFound

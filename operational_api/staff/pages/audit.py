"""/staff/audit: who did what to whose data. Reading it is in it, too."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.core.database import DbSession
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.identity import public as identity
from operational_api.staff import words
from operational_api.web.filters import zone
from operational_api.web.rendering import render, time_zone

router = APIRouter(prefix="/staff")
SHOWN, CHOICES = 30, 12
Text = Annotated[str, Query(max_length=200, pattern="^[^\\x00]*$")]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the form says. Days are the reader's own, both included; one that is no day does not narrow."""

    who: str = ""
    what: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    object_type: str = ""
    object_id: str = ""

    def query(self, **more: str) -> str:
        """As the query of an address, without what is empty."""
        known = {name: getattr(self, name) for name in self.__slots__}
        return urlencode({name: value for name, value in (known | more).items() if value})

    @property
    def is_empty(self) -> bool:
        return not self.query()


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found and 1970 <= found.year <= 2200 else None


@router.get("/audit", dependencies=[Allowed("compliance.read_audit")])
def page(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    who: Text = "",
    what: Text = "",
    outcome: Text = "",
    since: Text = "",
    until: Text = "",
    object_type: Text = "",
    object_id: Text = "",
    cursor: Cursor = None,
) -> Response:
    """A page of the log, narrowed by the form; a name that several people have is asked about first."""
    asked = Filters(*(one.strip() for one in (who, what, outcome, since, until, object_type, object_id)))
    person, choices = _person(session, asked.who)
    rows: list[compliance.Noted] = []
    following: str | None = None
    if not asked.who or person is not None:
        rows, following = compliance.read_trail(
            session, _narrowed(request, asked, person), principal=principal, limit=SHOWN, cursor=cursor
        )
    return render(
        request, "staff/audit.html", asked=asked, rows=rows, following=following, words=words, choices=choices,
        is_first=cursor is None, is_unknown=bool(asked.who) and person is None and not choices,
        known=identity.person(session, person) if person else None, names=_names(session, rows),
        object_types=sorted(words.OBJECTS.items(), key=lambda one: one[1]),
        actions=[*words.CONTEXTS.items(), *sorted(words.CHOICES.items(), key=lambda one: one[1])],
    )  # fmt: skip


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _person(session: Session, text: str) -> tuple[UUID | None, list[identity.Person]]:
    """Whom a text means: an id, an address or a name. Several people: they, to choose from."""
    if (id_ := _id(text)) is not None:
        return id_, []
    found = identity.find_people(session, text, customers_only=False, limit=CHOICES) if text else []
    return (found[0].account_id, []) if len(found) == 1 else (None, found)


def _names(session: Session, rows: list[compliance.Noted]) -> dict[str, str]:
    """What to call the people that details speak of by their ids."""
    told = {str(value) for row in rows for key, value in row.details.items() if key.endswith("_by")}
    found = identity.people(session, {id_ for one in told if (id_ := _id(one)) is not None})
    return {str(id_): one.display_name for id_, one in found.items()}


def _narrowed(request: Request, asked: Filters, person: UUID | None) -> compliance.Asked:
    tz = zone(time_zone(request))
    first, last = _day(asked.since), _day(asked.until)
    return compliance.Asked(
        person=person,
        action=asked.what or None,
        outcome=asked.outcome or None,
        since=datetime.combine(first, time(), tz).astimezone(UTC) if first else None,
        until=datetime.combine(last + timedelta(days=1), time(), tz).astimezone(UTC) if last else None,
        object_type=asked.object_type or None,
        object_id=asked.object_id or None,
    )

"""/staff/payers: one pays for many, a company for those who work there: chosen, looked at, and set for all or nobody.

One person's is on their page: `payers`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.identity import public as identity
from operational_api.staff.pages import people
from operational_api.web.rendering import render

SET = "commerce.set_payer"
router = APIRouter(prefix="/staff/payers", route_class=IdempotentRoute, dependencies=[Allowed(SET)])
MOST = 200
Chosen = Annotated[list[UUID], Form(max_length=MOST)]
Email = Annotated[str, Form(max_length=200, pattern="^[^\\x00]*$")]
_BETWEEN = re.compile(r"[\s,;<>\"]+")


@router.get("")
def page(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Whom to choose."""
    return _page(request, session, principal, email="", chosen=[])


@router.post("/looks")
def look(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    email: Email = "",
    addresses: Annotated[str, Form(max_length=20_000, pattern="^[^\\x00]*$")] = "",
    q: Annotated[str, Form(max_length=200, pattern="^[^\\x00]*$")] = "",
    customer_id: Chosen = [],  # noqa: B006  FastAPI copies it
) -> Response:
    """Who was chosen, and what would become of each; nothing changes."""
    typed = list(dict.fromkeys(one.lower() for one in _BETWEEN.split(addresses) if "@" in one))
    known = identity.customers_by_email(session, typed)
    chosen = list(dict.fromkeys([*customer_id, *(known[one].account_id for one in typed if one in known)]))
    return _page(
        request, session, principal, email=email, chosen=chosen[:MOST], q=q.strip(),
        unknown=[one for one in typed if one not in known], is_too_many=len(chosen) > MOST,
    )  # fmt: skip


@router.post("")
def put(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    email: Email = "",
    seen: Email = "",
    customer_id: Chosen = [],  # noqa: B006  FastAPI copies it
) -> Response:
    """Let whoever has that address pay for all who were chosen, or for nobody where one is refused. Where another
    address was looked at, it is a look."""
    is_a_look = email.strip().lower() != seen.strip().lower()
    return _page(request, session, principal, email=email, chosen=customer_id, is_a_look=is_a_look)


def _page(
    request: Request, session: Session, principal: Principal, *, email: str, chosen: list[UUID], q: str = "",
    unknown: list[str] | None = None, is_too_many: bool = False, is_a_look: bool = True,
) -> Response:  # fmt: skip
    typed = email.strip().lower()
    payer = identity.customers_by_email(session, [typed]).get(typed) if typed else None
    made: list[commerce.PayerSet] = []
    known = identity.people(session, chosen) if chosen else {}
    if payer or not typed:
        made = commerce.set_payer_of_many(
            session, customer_ids=[one for one in chosen if one in known and known[one].role == "customer"],
            payer_id=payer.account_id if payer else None, actor_id=account_id_of(principal), now=datetime.now(UTC),
            is_a_look=is_a_look,
        )  # fmt: skip
    former = {one.former_id for one in made if one.former_id} - known.keys()
    searches = may_principal(principal, "identity.look_up_person")
    found = people.find(session, principal, q, customers_only=True)["found"] if searches and q else None
    is_refused = any(one.refusal for one in made)
    return render(
        request, "staff/paying_for.html", status_code=409 if is_refused and not is_a_look else 200, email=email.strip(),
        payer=payer, no_payer=bool(typed) and payer is None, made=made, q=q, unknown=unknown or [],
        is_too_many=is_too_many, most=MOST, is_done=bool(made) and not is_a_look and not is_refused,
        is_refused=is_refused, is_tried=not is_a_look, searches=searches, masked=people.masked,
        found=[one for one in found or [] if one.account_id not in known] if found is not None else None,
        people=known | (identity.people(session, former) if former else {}),
    )  # fmt: skip

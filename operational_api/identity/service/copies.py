"""Copies of all that Plyo knows of a person: who may ask for one, and that the person hears of it. What is in one, and
making it, is `compliance`'s."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal, account_id_of
from operational_api.identity.models import Account
from operational_api.identity.roles.errors import AccountNotFound
from operational_api.identity.service import factors, step_up

PAGE = "/account/data"
_ASKED = "A copy of your data was asked for"


def ask(session: Session, *, principal: Principal, now: datetime) -> compliance.Copy:
    """Have a copy of one's own data made.

    Raises:
        StepUpRequired: they have to prove anew who they are.
        CopyAskedAlready.
    """
    step_up.demand(session, session_id=principal.session_id, now=now, resume=PAGE)
    account = session.get_one(Account, account_id_of(principal))
    made = compliance.request_copy(session, account_id=account.id, requested_by=account.id, now=now)
    factors.notify(
        session, account, what=_ASKED, now=now,
        detail="It is being made. Only somebody who proves to be you can fetch it.",
    )  # fmt: skip
    return made


def ask_for(session: Session, *, account_id: UUID, reason: str, principal: Principal, now: datetime) -> compliance.Copy:
    """Have a copy made for somebody who asked us for it. They alone can fetch it, and they are told.

    Raises:
        AccountNotFound: no such account, or not one that the principal may do this for.
        StepUpRequired: the principal may, and has to prove anew who they are.
        CopyAskedAlready.
    """
    account = session.get(Account, account_id)
    if account is None:
        raise AccountNotFound
    about = Resource("Account", account_id, customer_id=account_id)
    require(principal, "compliance.request_export", about, missing=AccountNotFound)
    step_up.demand(session, session_id=principal.session_id, now=now)
    made = compliance.request_copy(
        session, account_id=account_id, requested_by=account_id_of(principal), reason=reason, now=now
    )
    factors.notify(
        session, account, what=_ASKED, now=now,
        detail="Somebody at Plyo did it for you. Nobody but you can fetch it.",
    )  # fmt: skip
    return made


def path_of(session: Session, *, export_id: UUID, principal: Principal, now: datetime) -> str:
    """Where one's own copy is served, to be signed.

    Raises:
        StepUpRequired: they have to prove anew who they are.
        ExportNotFound, ExportNotReady, ExportGone.
    """
    step_up.demand(session, session_id=principal.session_id, now=now, resume=PAGE)
    return compliance.copy_path(session, export_id=export_id, account_id=account_id_of(principal), now=now)

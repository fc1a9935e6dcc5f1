"""Roles and resets of second factors as the page of requests shows and decides them."""

from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy.orm import Session

from operational_api.core.desks import Desk, Words
from operational_api.core.principal import Principal
from operational_api.identity.factor_resets import service as resets
from operational_api.identity.models import FactorReset, RoleGrant
from operational_api.identity.roles import service as roles

CHECKS = {
    "photo_id": "Saw a passport or ID card",
    "video_call": "Video call, with a document",
    "known_person": "Know them, in person",
}
"""How somebody made sure who a person is."""


def _role(name: str) -> str:
    return name.replace("_", " ")


def _grant(row: RoleGrant) -> Words:
    return Words(f"Make them {_role(row.role)}", row.account_id, [("Was, when asked", _role(row.from_role))])


def _reset(row: FactorReset) -> Words:
    facts = [("Identity", CHECKS[row.identity_check])]
    return Words("Remove their second step and sign them out", row.account_id, facts)


def _approve_role(_: Request, session: Session, id_: UUID, principal: Principal, reason: str, now: datetime) -> object:
    return roles.approve(session, grant_id=id_, principal=principal, reason=reason, now=now)


def _approve_reset(_: Request, session: Session, id_: UUID, principal: Principal, reason: str, now: datetime) -> object:
    return resets.approve(session, reset_id=id_, principal=principal, reason=reason, now=now)


ROLE_DESK = Desk("roles", "Role", "identity.read_role_grants", roles.GRANTS, _grant, _approve_role)
RESET_DESK = Desk(
    "factor-resets", "Second step", "identity.read_factor_resets", resets.RESETS, _reset, _approve_reset
)  # fmt: skip

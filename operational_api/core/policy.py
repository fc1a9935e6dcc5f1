"""Decides by Cedar whether a principal may act on one object. Which rows a list shows is SQL, in the context."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from uuid import UUID

import cedarpy

from contracts.telemetry import get_logger
from operational_api.core import audit
from operational_api.core.errors import NotFound
from operational_api.core.principal import Principal

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted on.

    Args:
        type: Class name of the object, for the decision log.
        id: Its id.
        customer_id: The customer it is about.
        coach_id: The coach responsible for it.
        kind: `health` or `business` where one of the forbidding rules must see it.
    """

    type: str
    id: UUID | str
    customer_id: UUID | None = None
    coach_id: UUID | None = None
    kind: str | None = None


@cache
def _policies() -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_str(files(__package__).joinpath("policies.cedar").read_text())


def is_allowed(principal: Principal, action: str, resource: Resource) -> bool:
    """The decision, logged with its inputs."""
    attributes: dict[str, str] = {}
    if resource.customer_id:
        attributes["customer"] = str(resource.customer_id)
    if resource.coach_id:
        attributes["coach"] = str(resource.coach_id)
    if resource.kind:
        attributes["kind"] = resource.kind
    who, what = {"type": "Principal", "id": principal.key}, {"type": resource.type, "id": str(resource.id)}
    answer = cedarpy.is_authorized(
        {"principal": who, "action": {"type": "Action", "id": action}, "resource": what, "context": {}},
        _policies(),
        [
            {"uid": who, "attrs": {"role": principal.role, "account": principal.key}, "parents": []},
            {"uid": what, "attrs": attributes, "parents": []},
        ],
    )
    log.info(
        "policy_decided", action=action, role=principal.role, principal=principal.key, resource=str(resource.id),
        allowed=answer.allowed,
    )  # fmt: skip
    return bool(answer.allowed)


def require(principal: Principal, action: str, resource: Resource, *, missing: type[NotFound] = NotFound) -> None:
    """Let the principal pass or answer as if the object did not exist.

    Args:
        missing: What the context raises for an object that is not there, so that both answers are the same.

    Raises:
        NotFound: the decision is no. Saying Forbidden would tell that the object exists.
    """
    if not is_allowed(principal, action, resource):
        audit.refused(principal, action, resource.type, resource.id, subject_id=resource.customer_id)
        raise missing

"""Decides by Cedar what a principal may do: to one object, and at all (routes, menus). Lists are filtered in SQL.

The rules are the files of `policies/`, one for all of Plyo. A route names the action it serves (`Allowed`), so that
what a role may ask for is said there and nowhere else.
"""

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

import cedarpy
from fastapi import Depends, Request, params

from contracts.telemetry import get_logger
from operational_api.core import audit
from operational_api.core.errors import Forbidden, NotFound, Unauthenticated
from operational_api.core.principal import ROLES, Principal, demand_standing, known_principal
from operational_api.core.threads import in_a_turn

log = get_logger(__name__)
GUEST = "guest"


class BadPolicy(Exception):
    """The policies speak of an action or attribute that the schema does not know, or cannot be read."""


class UnknownAction(LookupError):
    """No policy speaks of this action: a mistake of ours, which would otherwise be a silent no."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted on.

    Args:
        type: Class name of the object, for the decision log.
        id: Its id.
        customer_id: The person it is about.
        coach_id: The coach responsible for it.
        kind: `health` or `business` where one of the forbidding rules must see it.
        requested_by: Who asked for what is to be decided.
        expires_at: When what was asked for can no longer be decided.
        data_kind: Of a wearable's data, which its customer has to consent to.
        consents: The data kinds that its customer lets their coach see.
        location_id: The studio where it takes place.
        payer_id: Who pays for it where that is not its customer.
        assistants: The coaches who help with it.
    """

    type: str
    id: UUID | str
    customer_id: UUID | None = None
    coach_id: UUID | None = None
    kind: str | None = None
    requested_by: UUID | None = None
    expires_at: datetime | None = None
    data_kind: str | None = None
    consents: frozenset[str] | None = None
    location_id: UUID | None = None
    payer_id: UUID | None = None
    assistants: frozenset[UUID] | None = None

    def attributes(self) -> dict[str, object]:
        """As Cedar sees it."""
        found: dict[str, object] = {}
        if self.customer_id:
            found["customer"] = str(self.customer_id)
        if self.coach_id:
            found["coach"] = str(self.coach_id)
        if self.kind:
            found["kind"] = self.kind
        if self.requested_by:
            found["requested_by"] = str(self.requested_by)
        if self.expires_at:
            found["expires_at"] = int(self.expires_at.timestamp())
        if self.data_kind:
            found["data_kind"] = self.data_kind
        if self.consents is not None:
            found["consents"] = sorted(self.consents)
        if self.location_id:
            found["location"] = str(self.location_id)
        if self.payer_id:
            found["payer"] = str(self.payer_id)
        if self.assistants is not None:
            found["assistants"] = sorted(map(str, self.assistants))
        return found


@cache
def policies() -> cedarpy.PolicySet:
    """The policies, read and checked once.

    Raises:
        BadPolicy: one of them says something that the schema does not know, or looks at more than `_alike` tells.
    """
    text = policy_text()
    checked = cedarpy.validate_policies(text, _file("schema.cedarschema"))
    if not checked.validation_passed:
        raise BadPolicy("; ".join(str(error) for error in checked.errors))
    for policy in _said()["staticPolicies"].values():
        demand_sameness(policy)
    return cedarpy.PolicySet.from_str(text)


@cache
def policies_about(action: str) -> cedarpy.PolicySet:
    """Those of the policies that may say something of an action: Cedar looks at all that it is given.

    A policy that names other actions never holds for this one, and of those that name it, only this one matters.
    """
    policies()  # checked
    said = _said()
    only = {"op": "==", "entity": {"type": "Action", "id": action}}
    about = {}
    for name, policy in said["staticPolicies"].items():
        if (named := _named(policy)) is None:
            about[name] = policy
        elif action in named:
            about[name] = policy | {"action": only}
    return cedarpy.PolicySet.from_json_str(json.dumps(said | {"staticPolicies": about}))


@cache
def _said() -> dict[str, Any]:
    """The policies as Cedar's own JSON."""
    found: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(policy_text()))
    return found


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


def demand_sameness(policy: dict[str, Any]) -> None:
    """That a policy, in Cedar's JSON, only asks whether ids are the same, and for the time where something expires.

    Raises:
        BadPolicy: it names somebody, looks into a text, or looks at the time in general.
    """
    said = json.dumps(policy["conditions"])
    heads = {policy[part]["op"] for part in ("principal", "resource")}
    looks_at_time = '"Var": "context"' in said and '"attr": "expires_at"' not in said
    if heads != {"All"} or '"like"' in said or '"__entity"' in said or looks_at_time or _UUID.search(said):
        raise BadPolicy(f"It looks at more than what is the same as what: {policy['annotations']}")


def _named(policy: dict[str, Any]) -> set[str] | None:
    """The actions that a policy names; None where it is about all of them."""
    head = policy["action"]
    if head["op"] == "All":
        return None
    return {one["id"] for one in head.get("entities") or [head["entity"]]}


def policy_text() -> str:
    """Every policy, in one text."""
    folder = files(__package__) / "policies"
    names = sorted(one.name for one in folder.iterdir() if one.name.endswith(".cedar"))
    return "\n".join(_file(name) for name in names)


def _file(name: str) -> str:
    return (files(__package__) / "policies" / name).read_text()


@cache
def actions() -> frozenset[str]:
    """Every action that a policy permits somebody."""
    found: set[str] = set()
    for policy in _said()["staticPolicies"].values():
        if policy["effect"] == "permit":
            found |= _named(policy) or set()
    return frozenset(found)


def _known(action: str) -> str:
    if action not in actions():
        raise UnknownAction(action)
    return action


def question(
    role: str,
    account: UUID | None,
    action: str,
    resource: Resource,
    *,
    now: datetime,
    locations: frozenset[UUID] | None = None,
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """What Cedar is asked: the request, and the entities it speaks of.

    Args:
        locations: The studios that whoever asks is kept to; None: none in particular.

    Raises:
        UnknownAction: no policy speaks of the action.
    """
    who = {"type": "Principal", "id": f"{role}/{account or ''}"}
    what = {"type": "Object", "id": f"{resource.type}/{resource.id}"}
    person: dict[str, object] = {"role": role, "account": str(account)} if account else {"role": role}
    if locations is not None:
        person["locations"] = sorted(map(str, locations))
    request: dict[str, object] = {
        "principal": who,
        "action": {"type": "Action", "id": _known(action)},
        "resource": what,
        "context": {"now": int(now.timestamp())},
    }
    return request, [
        {"uid": who, "attrs": person, "parents": []},
        {"uid": what, "attrs": resource.attributes(), "parents": []},
    ]


def decide(
    role: str,
    account: UUID | None,
    action: str,
    resource: Resource,
    *,
    now: datetime | None = None,
    locations: frozenset[UUID] | None = None,
) -> cedarpy.AuthzResult:
    """Cedar's answer, with the policies that made it. Nothing is logged: `is_allowed` is for requests.

    It is asked once about questions that are alike.
    """
    asked = None if resource.expires_at else _alike(role, account, action, resource, locations)
    answer = None if asked is None else _answers.get(asked)
    if answer is None:
        request, entities = question(
            role, account, action, resource, now=now or datetime.now(UTC), locations=locations
        )  # fmt: skip
        answer = cedarpy.is_authorized(request, policies_about(action), entities)
        if asked is not None:
            if len(_answers) >= _MOST_ANSWERS:
                _answers.clear()
            _answers[asked] = answer
    return answer


_answers: dict[Hashable, cedarpy.AuthzResult] = {}
_MOST_ANSWERS = 4096


def _alike(
    role: str, account: UUID | None, action: str, resource: Resource, locations: frozenset[UUID] | None
) -> Hashable:
    """What questions have in common that have one answer: all that policies look at, but of ids only which of them are
    the same (`demand_sameness`). Each is told by the place where it was seen first.
    """
    ids = (
        account, resource.customer_id, resource.coach_id, resource.requested_by, resource.location_id, resource.payer_id
    )  # fmt: skip
    same = tuple([one and ids.index(one) + 1 for one in ids])
    among = [
        None if people is None else (len(people), *[one in people for one in ids])
        for people in (locations, resource.assistants)
    ]
    return role, action, same, resource.kind, resource.data_kind, resource.consents, *among


def is_allowed(principal: Principal, action: str, resource: Resource) -> bool:
    """The decision about one object, logged with its inputs."""
    answer = decide(principal.role, principal.account_id, action, resource, locations=principal.locations)
    names = answer.diagnostics.id_annotations_by_reason
    log.info(
        "policy_decided", action=action, role=principal.role, principal=principal.key,
        resource=f"{resource.type}/{resource.id}", allowed=answer.allowed, because=sorted(names.values()),
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


_ME = UUID(int=1)
_SOMEBODY_ELSES = Resource("Any", "other")


@cache
def may(role: str, action: str) -> bool:
    """Whether somebody of the role may do this to anything at all: to what is their own, or to anybody's.

    Asked by routes and menus; what they lead to asks again about the object. `role` is `guest` for nobody.
    """
    account = None if role in (GUEST, "service") else _ME
    own = Resource("Any", "own", customer_id=account, coach_id=account)
    return any(decide(role, account, action, one).allowed for one in (own, _SOMEBODY_ELSES))


def may_principal(principal: Principal | None, action: str) -> bool:
    """`may` of the person who asks, or of a guest."""
    return may(principal.role if principal else GUEST, action)


@cache
def _may_to_anybody(role: str, action: str) -> bool:
    return bool(decide(role, _ME, action, _SOMEBODY_ELSES).allowed)


def may_see_everybody(principal: Principal, action: str) -> bool:
    """Whether a list that serves this action shows the principal everybody's rows, not only their own."""
    return principal.account_id is not None and _may_to_anybody(principal.role, action)


def roles_that_may(action: str) -> tuple[str, ...]:
    """Every role that may do it at all, guests not counted."""
    return tuple(role for role in ROLES if may(role, action))


@dataclass(frozen=True, slots=True)
class Gate:
    """A route's demand: called by FastAPI before anything of the request but who asks is looked at."""

    action: str

    async def __call__(self, request: Request) -> None:
        """Let those pass whose role may do the action.

        Raises:
            Unauthenticated: a guest asks, and guests may not.
            Forbidden: the role may not. It says nothing about any object: none was looked at.
        """
        if may(GUEST, self.action):  # not even a bad credential matters
            return
        found = await known_principal(request)
        if found is None:
            raise Unauthenticated
        if not may(found.role, self.action):
            # Who must sign in again is told that, and not what an old token may not.
            await in_a_turn(demand_standing, request)
            log.info("policy_refused", action=self.action, role=found.role, principal=found.key, path=request.url.path)
            raise Forbidden


def Allowed(action: str) -> params.Depends:
    """The dependency by which a route names its action: `@router.get("/x", dependencies=[Allowed("context.verb")])`.

    On a router it holds for every route of it that names none of its own as well.
    """
    gate: params.Depends = Depends(Gate(_known(action)))
    return gate

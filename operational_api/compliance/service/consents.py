"""Consent per kind of health data and purpose: what was decided, deciding, and the record of it.

Nobody who said nothing consents to what a device sends. What is entered in Plyo is entered for the coach, so that
the coach sees it until the customer says no. The newest decision counts, older ones stay as the record.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, column, select, text
from sqlalchemy.orm import Session

from contracts.events.compliance import ConsentChanged
from contracts.ids import new_id
from operational_api.compliance.errors import ConsentNeeded, NothingToConsent
from operational_api.compliance.models import Consent
from operational_api.core import audit, outbox
from operational_api.core.lines import Line
from operational_api.core.paging import after, cut
from operational_api.core.statements import Statement

POLICY_VERSION = "2026-11"
"""Of the words on the page. Raise it when they change their meaning; who agreed to older ones is asked again."""

DATA_KINDS = ("activity", "sleep", "daily", "body")
"""Of devices: kept by consent only."""
ENTERED = ("training", "injuries")
"""Entered in Plyo: kept in any case, shown to the coach unless the customer says no."""
PURPOSES = ("coaching", "modelling")

Choice = tuple[str, str]
"""A kind of data and a purpose."""
CHOICES: tuple[Choice, ...] = (
    *((kind, purpose) for kind in DATA_KINDS for purpose in PURPOSES),
    *((kind, "coaching") for kind in ENTERED),
)
"""Every choice there is."""


def is_given(choice: Choice, decided: Consent | None) -> bool:
    """How a choice stands, decided or not."""
    return decided.is_given if decided is not None else choice[0] in ENTERED


def current(session: Session, customer_id: UUID) -> dict[Choice, Consent]:
    """The newest decision on each choice; what was never decided is missing."""
    newest = (
        select(Consent)
        .where(Consent.customer_id == customer_id)
        .distinct(Consent.data_kind, Consent.purpose)
        .order_by(Consent.data_kind, Consent.purpose, Consent.decided_at.desc(), Consent.id.desc())
    )
    return {(one.data_kind, one.purpose): one for one in session.scalars(newest)}


def given(session: Session, customer_ids: Iterable[UUID], *, purpose: str) -> set[tuple[UUID, str]]:
    """Customers and the kinds of data that each of them allows for a purpose now. One query for any number."""
    newest = (
        select(Consent.customer_id, Consent.data_kind, Consent.is_given)
        .where(Consent.customer_id.in_(set(customer_ids)), Consent.purpose == purpose)
        .distinct(Consent.customer_id, Consent.data_kind)
        .order_by(Consent.customer_id, Consent.data_kind, Consent.decided_at.desc(), Consent.id.desc())
    )
    return {(customer_id, kind) for customer_id, kind, is_given in session.execute(newest) if is_given}


_DECIDED: Statement[tuple[UUID, list[str] | None, list[str] | None]] = Statement(
    text(
        """
        select customer_id, array_agg(data_kind) filter (where is_given) as given,
            array_agg(data_kind) filter (where not is_given) as refused
        from platform.decided_kinds(:people)
        group by customer_id
        """
    ).columns(column("customer_id", Uuid), column("given", ARRAY(Text)), column("refused", ARRAY(Text)))
)


def shown_kinds(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The kinds of data that each of these customers lets their coach see now. One query for any number.

    It asks with the rights of the tables' owner: also who may not see a consent is bound by it.
    """
    ids = set(customer_ids)
    return _shown(ids, _DECIDED.all(session, {"people": list(ids)})) if ids else {}


async def shown_kinds_alone(line: Line, customer_ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    """The same, in an event loop."""
    return _shown(customer_ids, await line.ask(_DECIDED, {"people": list(customer_ids)}))


def _shown(
    customer_ids: Iterable[UUID], decided: Iterable[tuple[UUID, list[str] | None, list[str] | None]]
) -> dict[UUID, frozenset[str]]:
    always = frozenset(ENTERED)
    found = dict.fromkeys(customer_ids, always)
    for customer_id, given_kinds, refused_kinds in decided:
        found[customer_id] = always.union(given_kinds or ()).difference(refused_kinds or ())
    return found


def decide(
    session: Session, *, customer_id: UUID, decisions: Mapping[Choice, bool], decided_by: UUID, now: datetime
) -> list[Consent]:
    """Record decisions that differ from what counts now, and announce each.

    Withdrawing `coaching` withdraws `modelling` of the same kind: what may not be kept cannot be used either.

    Returns:
        The decisions recorded; none when nothing changed.

    Raises:
        NothingToConsent: an unknown kind or purpose.
        ConsentNeeded: modelling of a kind that may not be kept.
    """
    if unknown := [choice for choice in decisions if choice not in CHOICES]:
        raise NothingToConsent(f"We do not ask for {unknown[0][0]} data for {unknown[0][1]}.")
    # Two decisions of one person at once: the second sees what the first recorded.
    session.execute(text("select pg_advisory_xact_lock(hashtextextended(:who, 7))"), {"who": str(customer_id)})
    counts = {choice: one.is_given for choice, one in current(session, customer_id).items()}
    wanted = counts | dict(decisions)
    for kind in DATA_KINDS:
        if wanted.get((kind, "modelling")) and not wanted.get((kind, "coaching")):
            if decisions.get((kind, "modelling")):
                raise ConsentNeeded
            wanted[kind, "modelling"] = False
    changed = [choice for choice, is_given in wanted.items() if counts.get(choice) is not is_given]
    return [_record(session, customer_id, choice, wanted[choice], decided_by, now) for choice in changed]


def history(session: Session, customer_id: UUID, *, limit: int, cursor: str | None) -> tuple[list[Consent], str | None]:
    """Every decision of a customer, newest first."""
    query = select(Consent).where(Consent.customer_id == customer_id)
    if cursor:
        moment, last = after(cursor, datetime, UUID)
        query = query.where((Consent.decided_at < moment) | ((Consent.decided_at == moment) & (Consent.id < last)))
    rows = session.scalars(query.order_by(Consent.decided_at.desc(), Consent.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda one: (one.decided_at, one.id))


def _record(
    session: Session, customer_id: UUID, choice: Choice, is_given: bool, decided_by: UUID, now: datetime
) -> Consent:
    kind, purpose = choice
    row = Consent(
        id=new_id(),
        customer_id=customer_id,
        data_kind=kind,
        purpose=purpose,
        is_given=is_given,
        policy_version=POLICY_VERSION,
        decided_at=now,
        decided_by=decided_by,
    )
    session.add(row)
    session.flush()
    event = ConsentChanged(
        occurred_at=now, consent_id=row.id, customer_id=customer_id, data_kind=kind, purpose=purpose,
        is_given=is_given, policy_version=POLICY_VERSION,
    )  # fmt: skip
    outbox.publish(session, event)
    audit.record(
        session, "compliance.give_consent" if is_given else "compliance.withdraw_consent", "Consent", row.id,
        actor_id=decided_by, subject_id=customer_id, purpose="own" if decided_by == customer_id else "operations",
        details={"data_kind": kind, "purpose": purpose, "policy_version": POLICY_VERSION}, now=now,
    )  # fmt: skip
    return row

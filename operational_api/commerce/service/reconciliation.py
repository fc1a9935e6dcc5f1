"""The daily comparison: a provider's books fetched and kept, both sides compared, what differs written down."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce import reconcile
from operational_api.commerce.errors import ProviderUnavailable
from operational_api.commerce.models import ProviderMovement, ProviderPayout, ReconciliationRun
from operational_api.commerce.providers.port import Books
from operational_api.commerce.providers.port import ProviderMovement as Movement
from operational_api.commerce.providers.port import ProviderPayout as Payout
from operational_api.commerce.service import findings

log = get_logger(__name__)
LOOKS_BACK = timedelta(days=35)
GRACE = timedelta(hours=6)
"""Younger lines are left for tomorrow: a payment and its message need not arrive together."""
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison came to. `movements`: how many of the provider's lines were compared, whenever it told them."""

    movements: int
    found: int
    new: Sequence[UUID]


def run_due(session: Session, books: Iterable[Books], *, now: datetime) -> list[Outcome]:
    """Compare with every provider whose books were not compared today. One that does not answer is asked with the next
    run, and keeps no other waiting."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    done = set(session.scalars(select(ReconciliationRun.provider).where(ReconciliationRun.ran_at >= midnight)))
    outcomes = []
    for one in books:
        if one.name in done:
            continue
        try:
            with session.begin_nested():
                outcomes.append(run(session, one, now=now))
        except ProviderUnavailable:
            log.warning("books_not_compared", provider=one.name, exc_info=True)
    return outcomes


def run(session: Session, books: Books, *, now: datetime) -> Outcome:
    """Fetch the last weeks of a provider's books and compare; running it again finds the same and adds nothing.

    What was before the first line of the provider's that we know is not compared: the account was another one then.
    """
    since, until = now - LOOKS_BACK, now - GRACE
    keep(session, books.name, books.movements(since, now), books.payouts(since, now))
    first, last = session.execute(
        select(func.min(ProviderMovement.occurred_at), func.max(ProviderMovement.occurred_at)).where(
            ProviderMovement.provider == books.name
        )
    ).one()
    if books.settles_later and last is not None:
        until = min(until, last)
    found, compared = list[findings.Difference](), 0
    if first is not None:
        span = reconcile.Span(books.name, max(since, first), until, books.is_live, books.tells_fees)
        found, compared = reconcile.differences(session, span), _lines_in(session, span)
    new = findings.record(session, found, now=now)
    session.add(
        ReconciliationRun(
            provider=books.name, since=since, until=until, ran_at=now, movements=compared, new_findings=len(new)
        )
    )
    session.flush()
    log.info("reconciled", provider=books.name, movements=compared, found=len(found), new=len(new))
    return Outcome(compared, len(found), new)


def _lines_in(session: Session, span: reconcile.Span) -> int:
    of_it = (
        ProviderMovement.provider == span.provider,
        ProviderMovement.occurred_at >= span.since, ProviderMovement.occurred_at < span.until,
    )  # fmt: skip
    return session.scalar(select(func.count()).where(*of_it)) or 0


def keep(session: Session, provider: str, movements: Iterable[Movement], payouts: Iterable[Payout]) -> None:
    """Store lines and payouts as they are now; a line that came before takes its newest state."""
    _upsert(session, ProviderMovement, [asdict(one) | {"provider": provider} for one in movements])
    _upsert(session, ProviderPayout, [asdict(one) | {"provider": provider} for one in payouts])


def _upsert(session: Session, model: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _AT_ONCE):
        statement = insert(model).values(list(rows[start : start + _AT_ONCE]))
        changed = {name: statement.excluded[name] for name in rows[0] if name not in ("provider", "id")}
        session.execute(statement.on_conflict_do_update(index_elements=["provider", "id"], set_=changed))


def last_runs(session: Session) -> list[ReconciliationRun]:
    """The newest comparison with each provider."""
    query = (
        select(ReconciliationRun)
        .distinct(ReconciliationRun.provider)
        .order_by(ReconciliationRun.provider, ReconciliationRun.ran_at.desc())
    )
    return list(session.scalars(query))

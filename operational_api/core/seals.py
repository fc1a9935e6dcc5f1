"""The chain of seals over the events: each batch that the relay moves is one link, made in the relay's transaction.

Writing an event costs nothing more: its digest is taken when it is relayed. A link holds the digest of each of its
events and the hash of the link before, so whoever changes an event has to change its link and every later one, and the
newest hash, which every line of the relay's log and the copy in the lake have, tells.

`python -m operational_api.core.seals --database URL verify` names what does not agree; `seal` makes links of events
that were loaded in bulk, which no relay moves; `export` writes the chain and its events as lines of JSON, for whoever
wants to check them without us.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from operational_api.core.relay import RELAY_LOCK

_AT_ONCE = 5_000

_BROKEN_LINKS = text(
    """
    select number,
        case when hash <> platform.seal_hash(number, previous, events) then 'the link was changed'
             else 'the link does not follow the one before' end as what
    from (select *, lag(number, 1, 0::bigint) over (order by number) as before_number,
                 lag(hash, 1, '') over (order by number) as before_hash from platform.event_seals) s
    where hash <> platform.seal_hash(number, previous, events)
        or number <> before_number + 1 or previous <> before_hash
    order by number
    """
)
_WRONG_EVENTS = text(
    """
    select s.number, e.event ->> 0 as event_id,
        case when o.event_id is null then 'the event is gone' else 'the event was changed' end as what
    from platform.event_seals s cross join lateral jsonb_array_elements(s.events) e(event)
    left join platform.outbox_events o on o.event_id = (e.event ->> 0)::uuid
    where (o.event_id is null or platform.event_digest(o) <> e.event ->> 1) and not coalesce((
        -- Who registered is forgotten with the account: the one thing that may differ of the one event that says it.
        o.type = 'identity.account_registered' and o.payload ->> 'display_name' = '' and exists (
            select from platform.outbox_events closed
            where closed.aggregate_id = o.aggregate_id and closed.type = 'identity.account_closed')), false)
    order by s.number, 2
    """
)
_LINK = text("select number, hash from platform.event_seals where number = :number")
_UNSEALED = """
    from platform.outbox_events o
    where o.relayed_at is not null and not exists (
        select from (select (e.event ->> 0)::uuid as event_id
                     from platform.event_seals s cross join lateral jsonb_array_elements(s.events) e(event)) sealed
        where sealed.event_id = o.event_id)
"""
_SEAL = text(
    f"""
    insert into platform.event_seals (number, previous, events, hash, sealed_at)
    select last.number + 1, last.hash, b.events, platform.seal_hash(last.number + 1, last.hash, b.events), :now
    from (select jsonb_agg(jsonb_build_array(event_id, digest) order by position) as events
          from (select o.event_id, o.position, platform.event_digest(o) as digest {_UNSEALED}
                order by o.position limit :limit) rest) b
    cross join lateral (
        select number, hash from platform.event_seals union all select 0, '' order by number desc limit 1) last
    where b.events is not null
    returning number
    """  # noqa: S608 - no value of anybody's
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was sealed. `event_id` is None where the link itself is wrong."""

    link: int
    event_id: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification came to. `head` is the newest link's hash: kept elsewhere, it tells of a chain cut short.

    Attributes:
        unsealed: Events that were handed on and are in no link: loaded in bulk, or put there by somebody.
    """

    links: int
    events: int
    head: str
    faults: tuple[Fault, ...]
    unsealed: int


def verify(session: Session, *, known: tuple[int, str] | None = None) -> Verdict:
    """Compare every link with the one before it, and every event with its digest.

    Args:
        known: Number and hash of a link that was the newest once: a chain that has it no longer was cut short, or made
            anew from there.
    """
    faults = [Fault(row.number, None, row.what) for row in session.execute(_BROKEN_LINKS)]
    if known is not None and known != tuple(session.execute(_LINK, {"number": known[0]}).one_or_none() or ()):
        faults.append(Fault(known[0], None, "the link is gone, or another one than when it was the newest"))
    faults += [Fault(row.number, row.event_id, row.what) for row in session.execute(_WRONG_EVENTS)]
    links, events, head = session.execute(
        text(
            "select count(*), coalesce(sum(jsonb_array_length(events)), 0),"
            " coalesce((select hash from platform.event_seals order by number desc limit 1), '')"
            " from platform.event_seals"
        )
    ).one()
    unsealed = session.scalar(text("select count(*) " + _UNSEALED))
    return Verdict(links, int(events), head, tuple(faults), int(unsealed or 0))


def seal_rest(session: Session, *, now: datetime) -> int:
    """Make links of what was handed on without one, oldest first; no relay works meanwhile.

    Returns:
        How many links that made.
    """
    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": RELAY_LOCK})
    made = 0
    while session.scalar(_SEAL, {"now": now, "limit": _AT_ONCE}) is not None:
        made += 1
    return made


def export(session: Session) -> Iterator[str]:
    """Each link as a line of JSON, then each of its events as it is now with the digest of when it was sealed."""
    links = text("select number, previous, hash, sealed_at, events from platform.event_seals order by number")
    events = text(
        """
        select e.event ->> 1 as digest, to_jsonb(o) - 'relayed_at' as event
        from platform.event_seals s cross join lateral jsonb_array_elements(s.events) with ordinality e(event, place)
        left join platform.outbox_events o on o.event_id = (e.event ->> 0)::uuid
        where s.number = :number order by e.place
        """
    )
    for link in session.execute(links):
        head = {"link": link.number, "previous": link.previous, "hash": link.hash, "events": len(link.events)}
        yield json.dumps(head | {"sealed_at": link.sealed_at.isoformat()})
        for row in session.execute(events, {"number": link.number}):
            yield json.dumps({"digest": row.digest, "event": row.event})


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 where something is not as it was sealed."""
    parser = argparse.ArgumentParser(prog="python -m operational_api.core.seals", description=__doc__)
    parser.add_argument("what", choices=("verify", "seal", "export"))
    parser.add_argument("--database", required=True, help="URL of the operational database")
    given = parser.parse_args(arguments)
    engine = create_engine(given.database.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session, session.begin():
        if given.what == "export":
            sys.stdout.writelines(f"{line}\n" for line in export(session))
            return 0
        if given.what == "seal":
            sys.stdout.write(f"{seal_rest(session, now=datetime.now(UTC))} links made\n")
        found = verify(session)
    for fault in found.faults:
        sys.stdout.write(f"link {fault.link}{f', event {fault.event_id}' if fault.event_id else ''}: {fault.what}\n")
    said = {"links": found.links, "events": found.events, "unsealed": found.unsealed, "faults": len(found.faults)}
    sys.stdout.write(json.dumps(said | {"head": found.head}) + "\n")
    return 1 if found.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())

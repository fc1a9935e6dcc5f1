"""Turning weekly working hours into slots. Hours are local to the studio; what is stored is UTC, right across DST."""

from datetime import date, datetime, timedelta

from sqlalchemy import CursorResult, bindparam, text
from sqlalchemy.dialects.postgresql import DATE, TIMESTAMP
from sqlalchemy.orm import Session

HORIZON = timedelta(days=28)
"""How far ahead slots can be booked."""

# The two questions about known slots are asked apart, so that each is answered by an index of its own.
# Local wall times are laid out first and converted after. A wall time that the spring change skips does not survive
# the way there and back and is left out; of an hour that autumn repeats, PostgreSQL takes the second.
_MATERIALISE = text(
    """
    with hours as (
        select
            coach.id as coach_id, coach.location_id, location.time_zone, coach.session_minutes,
            wall_start
        from scheduling.coaches as coach
        join scheduling.locations as location on location.id = coach.location_id
        join scheduling.availability_rules as rule on rule.coach_id = coach.id
        cross join lateral generate_series(
            greatest((:now at time zone location.time_zone)::date, rule.valid_from, coach.hired_on)::timestamp,
            least((:until at time zone location.time_zone)::date, rule.valid_to, coach.left_on)::timestamp,
            interval '1 day'
        ) as day
        cross join lateral generate_series(
            day + rule.starts_at,
            day + rule.ends_at - make_interval(mins => coach.session_minutes),
            make_interval(mins => coach.session_minutes + coach.buffer_minutes)
        ) as wall_start
        where extract(isodow from day) - 1 = rule.weekday
            and (cast(:coach_id as uuid) is null or coach.id = cast(:coach_id as uuid))
            and not exists (
                select from scheduling.time_off
                where time_off.coach_id = coach.id and day::date between time_off.starts_on and time_off.ends_on
            )
    ), candidates as (
        select distinct on (coach_id, wall_start)
            coach_id, location_id,
            wall_start at time zone time_zone as starts_at,
            (wall_start at time zone time_zone) + make_interval(mins => session_minutes) as ends_at
        from hours
        where (wall_start at time zone time_zone) at time zone time_zone = wall_start
    )
    insert into scheduling.slots (id, coach_id, location_id, kind, title, starts_at, ends_at, capacity, status)
    select uuidv7(), coach_id, location_id, 'one_to_one', 'Personal training', starts_at, ends_at, 1, 'open'
    from candidates
    where starts_at > :now and starts_at <= :until
        and not exists (
            select from scheduling.slots as known
            where known.coach_id = candidates.coach_id and known.starts_at = candidates.starts_at
        )
        and not exists (
            select from scheduling.slots as known
            where known.coach_id = candidates.coach_id and known.status = 'open'
                and tstzrange(known.starts_at, known.ends_at) && tstzrange(candidates.starts_at, candidates.ends_at)
        )
    order by starts_at
    on conflict do nothing
    """
).bindparams(bindparam("now", type_=TIMESTAMP(timezone=True)), bindparam("until", type_=TIMESTAMP(timezone=True)))

# A slot nobody ever booked or waited for leaves no history; one with history or a live booking stays.
_WITHDRAW = text(
    """
    delete from scheduling.slots as slot
    using scheduling.coaches as coach, scheduling.locations as location
    where coach.id = slot.coach_id and location.id = coach.location_id
        and slot.coach_id = :coach_id and slot.starts_at > :now and slot.status = 'open' and slot.kind = 'one_to_one'
        and (slot.starts_at at time zone location.time_zone)::date between :first and :last
        and not exists (select from scheduling.bookings where bookings.slot_id = slot.id)
        and not exists (select from scheduling.waitlist_entries where waitlist_entries.slot_id = slot.id)
    """
).bindparams(bindparam("first", type_=DATE), bindparam("last", type_=DATE))


def materialise_slots(session: Session, until: datetime, now: datetime, *, coach_id: object = None) -> int:
    """Create the slots that working hours minus time off promise after `now` up to `until`. Running again adds none.

    A slot called off by its coach is not made again, nor one that would overlap a slot already there.

    Args:
        coach_id: Only this coach; None for all.

    Returns:
        How many slots are new.
    """
    result = session.execute(_MATERIALISE, {"until": until, "now": now, "coach_id": coach_id})
    return result.rowcount if isinstance(result, CursorResult) else 0


def withdraw_empty_slots(session: Session, *, coach_id: object, first: date, last: date, now: datetime) -> int:
    """Take back a coach's future slots on these local days that nobody has ever booked or waited for."""
    result = session.execute(_WITHDRAW, {"coach_id": coach_id, "first": first, "last": last, "now": now})
    return result.rowcount if isinstance(result, CursorResult) else 0

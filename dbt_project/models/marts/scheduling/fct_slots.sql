{{ config(meta={'parts': {
    'key': 'slot_id',
    'changed': {
        'stg_scheduling__slots': 'select id from {rows}',
        'stg_scheduling__bookings': "
            select slot_id from {scheduling__bookings} where id in (select id from {rows})
            union all
            select id from {scheduling__slots} where assists_id in (
                select slot_id from {scheduling__bookings} where id in (select id from {rows})
            )
        ",
        'stg_scheduling__waitlist_entries': "
            select slot_id from {scheduling__waitlist_entries} where id in (select id from {rows})
        ",
    },
    'only': {
        'stg_scheduling__slots': 'id in (select key from {parts})',
        'stg_scheduling__bookings': "
            id in (
                select id from {scheduling__bookings}
                where
                    slot_id in (select key from {parts})
                    or slot_id in (select assists_id from {scheduling__slots} where id in (select key from {parts}))
            )
        ",
    },
    'clock': 'select slot_id from {this} where starts_at > {then} and starts_at <= {now}',
}}) }}
with seats as (
    select
        slot_id,
        count(case when status in ('booked', 'attended', 'no_show') then 1 end) as seats_held,
        count(case when status = 'attended' then 1 end) as seats_attended,
        count(case when status = 'no_show' then 1 end) as no_shows,
        count(case when status = 'late_cancelled' then 1 end) as late_cancels
    from {{ ref('stg_scheduling__bookings') }}
    group by slot_id
),

waiting as (
    select
        slot_id,
        count(*) as waitlisted,
        count(case when offered_at is not null or status in ('offered', 'promoted', 'declined', 'lapsed') then 1 end)
            as waitlist_offers,
        count(case when status = 'promoted' then 1 end) as waitlist_promoted
    from {{ ref('stg_scheduling__waitlist_entries') }}
    group by slot_id
)

select
    slot.slot_id,
    slot.coach_id,
    slot.location_id,
    slot.kind,
    slot.title,
    slot.starts_at,
    slot.ends_at,
    {{ local_date('slot.starts_at', "coalesce(location.time_zone, 'UTC')") }} as local_day,
    cast({{ hours_between('slot.starts_at', 'slot.ends_at') }} as {{ double() }}) as duration_hours,
    slot.status,
    slot.capacity,
    cast(coalesce(seats.seats_held, 0) as integer) as seats_held,
    cast(coalesce(seats.seats_attended, 0) as integer) as seats_attended,
    cast(coalesce(seats.no_shows, 0) as integer) as no_shows,
    cast(coalesce(seats.late_cancels, 0) as integer) as late_cancels,
    cast(coalesce(waiting.waitlisted, 0) as integer) as waitlisted,
    cast(coalesce(waiting.waitlist_offers, 0) as integer) as waitlist_offers,
    cast(coalesce(waiting.waitlist_promoted, 0) as integer) as waitlist_promoted,
    slot.starts_at <= {{ now() }} as has_started,
    slot.assists_slot_id,
    coalesce(seats.seats_held, 0) + coalesce(led.seats_held, 0) > 0 as is_booked,
    coalesce(seats.seats_attended, 0) + coalesce(led.seats_attended, 0) > 0 as is_delivered
from {{ ref('stg_scheduling__slots') }} as slot
left join {{ ref('stg_scheduling__locations') }} as location on slot.location_id = location.location_id
left join seats on slot.slot_id = seats.slot_id
left join seats as led on case when slot.status = 'open' then slot.assists_slot_id end = led.slot_id
left join waiting on slot.slot_id = waiting.slot_id

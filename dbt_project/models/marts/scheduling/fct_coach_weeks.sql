{{ config(meta={'parts': {
    'key': 'coach_id',
    'day': 'week_starts_on',
    'changed': {
        'fct_slots': "select coach_id, cast(date_trunc('week', local_day) as date) from {rows}",
        'fct_bookings': "select coach_id, cast(date_trunc('week', local_day) as date) from {rows}",
        'int_availability_weeks': 'select coach_id, week_starts_on from {rows}',
    },
    'only': {
        'fct_slots': "
            select slot.* from {fct_slots} as slot
            inner join {parts} as part on slot.coach_id = part.key and slot.local_day >= part.since
            where slot.local_day >= {earliest}
        ",
        'fct_bookings': "
            select booking.* from {fct_bookings} as booking
            inner join {parts} as part on booking.coach_id = part.key and booking.local_day >= part.since
            where booking.local_day >= {earliest}
        ",
        'int_availability_weeks': "
            select available.* from {int_availability_weeks} as available
            inner join {parts} as part on available.coach_id = part.key and available.week_starts_on >= part.since
        ",
    },
    'clock': "
        select coach_id, cast(date_trunc('week', local_day) as date) from {fct_slots}
        where starts_at > {then} and starts_at <= {now}
        union all
        select coach_id, week_starts_on from {this}
        where week_starts_on >= cast({then} at time zone 'UTC' as date) - 6
    ",
}}) }}
with slots as (
    select
        coach_id,
        {{ monday('local_day') }} as week_starts_on,
        sum(case when is_booked then duration_hours else 0 end) as booked_hours,
        sum(case when is_delivered then duration_hours else 0 end) as delivered_hours,
        count(case when seats_attended > 0 then 1 end) as sessions_delivered,
        sum(no_shows) as no_shows,
        sum(late_cancels) as late_cancels
    from {{ ref('fct_slots') }}
    where starts_at <= {{ now() }}
    group by coach_id, {{ monday('local_day') }}
),

clients as (
    select
        coach_id,
        {{ monday('local_day') }} as week_starts_on,
        count(distinct customer_id) as clients_seen
    from {{ ref('fct_bookings') }}
    where status = 'attended'
    group by coach_id, {{ monday('local_day') }}
),

weeks as (
    select
        coach_id,
        week_starts_on
    from slots
    union distinct
    select
        coach_id,
        week_starts_on
    from {{ ref('int_availability_weeks') }}
),

-- Clients on the week's last day, or today; counted only where there is a week to count them in.
coached as (
    select
        spells.coach_id,
        ended.week_starts_on,
        count(distinct spells.customer_id) as clients
    from weeks as ended
    inner join {{ ref('int_coach_clients') }} as spells
        on
            ended.coach_id = spells.coach_id
            and spells.since_on <= least({{ add_days('ended.week_starts_on', 6) }}, {{ today() }})
            and (
                spells.until_on is null
                or spells.until_on > least({{ add_days('ended.week_starts_on', 6) }}, {{ today() }})
            )
    group by spells.coach_id, ended.week_starts_on
)

select
    weeks.coach_id,
    coach.location_id,
    weeks.week_starts_on,
    coalesce(available.available_hours, 0) as available_hours,
    coalesce(slots.booked_hours, 0) as booked_hours,
    coalesce(slots.delivered_hours, 0) as delivered_hours,
    coalesce(slots.delivered_hours, 0) / nullif(available.available_hours, 0) as utilisation,
    cast(coalesce(slots.sessions_delivered, 0) as integer) as sessions_delivered,
    cast(coalesce(clients.clients_seen, 0) as integer) as clients_seen,
    cast(coalesce(slots.no_shows, 0) as integer) as no_shows,
    cast(coalesce(slots.late_cancels, 0) as integer) as late_cancels,
    cast(coalesce(coached.clients, 0) as integer) as clients,
    coach.client_capacity
from weeks
left join {{ ref('stg_scheduling__coaches') }} as coach on weeks.coach_id = coach.coach_id
left join {{ ref('int_availability_weeks') }} as available
    on weeks.coach_id = available.coach_id and weeks.week_starts_on = available.week_starts_on
left join slots on weeks.coach_id = slots.coach_id and weeks.week_starts_on = slots.week_starts_on
left join clients on weeks.coach_id = clients.coach_id and weeks.week_starts_on = clients.week_starts_on
left join coached on weeks.coach_id = coached.coach_id and weeks.week_starts_on = coached.week_starts_on

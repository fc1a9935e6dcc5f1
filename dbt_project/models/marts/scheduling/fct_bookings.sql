{{ config(meta={'parts': {
    'key': 'booking_id',
    'changed': {
        'stg_scheduling__bookings': 'select id from {rows}',
        'stg_scheduling__slots': 'select booking_id from {this} where slot_id in (select id from {rows})',
    },
    'only': {
        'stg_scheduling__bookings': 'id in (select key from {parts})',
        'stg_scheduling__slots': "
            id in (select slot_id from {scheduling__bookings} where id in (select key from {parts}))
        ",
    },
}}) }}
select
    booking.booking_id,
    booking.slot_id,
    booking.customer_id,
    booking.coach_id,
    slot.location_id,
    slot.kind,
    slot.title,
    booking.starts_at,
    booking.ends_at,
    {{ local_date('booking.starts_at', "coalesce(location.time_zone, 'UTC')") }} as local_day,
    {{ local_hour('booking.starts_at', "coalesce(location.time_zone, 'UTC')") }} as local_hour,
    cast({{ hours_between('booking.starts_at', 'booking.ends_at') }} as {{ double() }}) as duration_hours,
    booking.status,
    booking.session_pack_id is not null as is_pack_session,
    booking.booked_at,
    booking.cancelled_at,
    booking.outcome_at,
    cast({{ hours_between('booking.booked_at', 'booking.starts_at') }} as {{ double() }}) as lead_time_hours,
    case when booking.late_fee_due_at is not null then booking.late_fee_waived_at is not null end as is_late_fee_waived
from {{ ref('stg_scheduling__bookings') }} as booking
left join {{ ref('stg_scheduling__slots') }} as slot on booking.slot_id = slot.slot_id
left join {{ ref('stg_scheduling__locations') }} as location on slot.location_id = location.location_id

{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {'int_member_dates': 'select customer_id from {rows}'},
    'only': {'int_member_dates': 'customer_id in (select key from {parts})'},
    'clock': "
        select customer_id from {int_member_dates}
        where
            cutoff_on + 30 > cast({then} at time zone 'UTC' as date)
            and cutoff_on + 30 <= cast({now} at time zone 'UTC' as date)
    ",
}}) }}
-- Unknown until the 30 days are over, for those who left too: known only for leavers, it would teach that all leave.
select
    customer_id,
    as_of,
    case
        when {{ add_days('cutoff_on', 30) }} <= {{ today() }}
            then coalesce(ended_on >= cutoff_on and ended_on < {{ add_days('cutoff_on', 30) }}, false)
    end as is_churned_30d,
    case when ended_on >= cutoff_on and ended_on < {{ add_days('cutoff_on', 30) }} then ended_on end as churned_on,
    {{ add_days('cutoff_on', 30) }} as outcome_known_on
from {{ ref('int_member_dates') }}

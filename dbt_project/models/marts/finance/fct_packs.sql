{{ config(meta={'parts': {
    'key': 'customer_id',
    'changed': {
        'stg_commerce__session_packs': "
            select customer_id from {commerce__session_packs} where id in (select id from {rows})
        ",
        'stg_scheduling__bookings': "
            select customer_id from {commerce__session_packs} where id in (
                select session_pack_id from {scheduling__bookings} where id in (select id from {rows})
            )
        ",
        'int_memberships': 'select customer_id from {rows}',
        'int_customers': "
            select customer_id from {rows}
            union all
            select customer_id from {commerce__session_packs} where id in (
                select session_pack_id from {scheduling__bookings}
                where customer_id in (select customer_id from {rows})
            )
        ",
    },
    'only': {
        'stg_scheduling__bookings': "
            id in (
                select id from {scheduling__bookings} where session_pack_id in (
                    select id from {commerce__session_packs} where customer_id in (select key from {parts})
                )
            )
        ",
    },
    'clock': "
        select customer_id from {this}
        where
            ended_on + 30 > cast({then} at time zone 'UTC' as date)
            and ended_on + 30 <= cast({now} at time zone 'UTC' as date)
    ",
}}) }}
-- A pack ends with its last session, also where what was left was given back, or when it runs out. Renewed is who bought
-- again, a pack or a membership, after this one and no later than 30 days past its end; that is known 30 days past the
-- end, for those who bought early too. What was given back whole was bought by nobody.
with used as (
    select
        session_pack_id,
        max({{ local_date('starts_at', "coalesce(time_zone, 'UTC')") }}) as last_used_on
    from {{ ref('stg_scheduling__bookings') }} as booking
    left join {{ ref('int_customers') }} as customer on booking.customer_id = customer.customer_id
    where session_pack_id is not null and status in ('attended', 'no_show', 'late_cancelled')
    group by session_pack_id
),

packs as (
    select
        pack.*,
        {{ local_date('pack.purchased_at', "coalesce(customer.time_zone, 'UTC')") }} as purchased_on,
        {{ local_date('pack.expires_at', "coalesce(customer.time_zone, 'UTC')") }} as expires_on,
        used.last_used_on
    from {{ ref('stg_commerce__session_packs') }} as pack
    left join {{ ref('int_customers') }} as customer on pack.customer_id = customer.customer_id
    left join used on pack.session_pack_id = used.session_pack_id
),

ended as (
    select
        *,
        case
            when sessions_used + sessions_refunded >= sessions_total and last_used_on < expires_on then last_used_on
            else expires_on
        end as ended_on
    from packs
),

bought as (
    select
        customer_id,
        purchased_at as bought_at,
        purchased_on as bought_on
    from packs
    where sessions_refunded < sessions_total
    union all
    select
        customer_id,
        started_at as bought_at,
        started_on as bought_on
    from {{ ref('int_memberships') }}
),

renewed as (
    select
        ended.session_pack_id,
        min(bought.bought_on) as renewed_on
    from ended
    inner join bought
        on
            ended.customer_id = bought.customer_id
            and ended.purchased_at < bought.bought_at
            and {{ add_days('ended.ended_on', 30) }} >= bought.bought_on
    group by ended.session_pack_id
)

select
    ended.session_pack_id,
    ended.customer_id,
    ended.plan_id,
    ended.currency,
    ended.net_minor,
    ended.recognised_minor,
    ended.sessions_total,
    ended.sessions_used,
    ended.purchased_on,
    ended.expires_on,
    ended.ended_on,
    renewed.renewed_on,
    {{ add_days('ended.ended_on', 30) }} <= {{ today() }} as is_outcome_known,
    renewed.renewed_on is not null as is_renewed,
    ended.sessions_refunded
from ended
left join renewed on ended.session_pack_id = renewed.session_pack_id

select
    customer_id,
    data_kind,
    purpose,
    is_given,
    policy_version,
    decided_at
from (
    select
        latest.*,
        row_number() over (
            partition by latest.customer_id, latest.data_kind, latest.purpose
            order by latest.decided_at desc, latest.id desc
        ) as place
    from {{ latest_rows('compliance__consents') }} as latest
) as ranked
where place = 1

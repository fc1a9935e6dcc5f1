{{ config(materialized='ephemeral') }}
-- The table has the name of its first kind. Whom it went to and its words stay behind; of the key only the
-- announcement that it names is kept.
select
    id as delivery_id,
    customer_id,
    case
        when template = 'announcement' and dedupe_key like 'announcement:%'
            then {{ as_id('substr(dedupe_key, 14, 36)') }}
    end as announcement_id,
    channel,
    purpose,
    template,
    -- Of one that is undecided it is not known yet, as of one that waits.
    case when status = 'undecided' then 'queued' else status end as status,
    case when status in ('failed', 'withheld') then reason end as reason,
    cast(attempts as integer) as attempts,
    created_at,
    sent_at,
    delivered_at,
    cast(segments as integer) as segments,
    cost_thousandths,
    cost_currency as currency
from {{ latest_rows('engagement__outgoing_emails') }} as latest

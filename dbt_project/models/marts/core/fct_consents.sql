-- Who was given which use of what, from when to when: the next decision on the same kind and purpose ends the one before.
{% set of_use = 'partition by customer_id, data_kind, purpose order by decided_at, decision_id' %}
select
    decision_id,
    customer_id,
    data_kind,
    purpose,
    is_given,
    policy_version,
    decided_at as valid_from,
    lead(decided_at) over ({{ of_use }}) as valid_to,
    lead(decided_at) over ({{ of_use }}) is null as is_current
from {{ ref('stg_compliance__consent_decisions') }}

{{ config(meta={'parts': {
    'key': 'customer_id', 'changed': {}, 'only': {},
}}) }}
-- Asked before anything about a person's health is shown or learned from; who is missing here allows nothing.
select
    customer_id,
    {% for kind in ['activity', 'sleep', 'daily', 'body'] -%}
        max(case when data_kind = '{{ kind }}' and purpose = 'coaching' and is_given then 1 else 0 end)
        = 1 as allows_{{ kind }},
        max(case when data_kind = '{{ kind }}' and purpose = 'modelling' and is_given then 1 else 0 end)
        = 1 as models_{{ kind }}{{ ',' if not loop.last }}
    {% endfor %}
from {{ ref('stg_compliance__consents') }}
group by customer_id

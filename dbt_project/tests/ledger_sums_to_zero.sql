-- Double entry: the balances of a currency cancel out.
select
    currency,
    sum(balance_minor) as left_over_minor
from {{ ref('fct_ledger_balances') }}
group by currency
having sum(balance_minor) <> 0

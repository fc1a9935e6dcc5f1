select
    line.account,
    line.currency,
    cast(sum(line.amount_minor) as bigint) as balance_minor,
    count(*) as lines,
    max(journal.posted_at) as last_posted_at
from {{ ref('stg_commerce__ledger_lines') }} as line
inner join {{ ref('stg_commerce__ledger_journals') }} as journal on line.journal_id = journal.journal_id
group by line.account, line.currency

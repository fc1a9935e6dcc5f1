select
    id as journal_id,
    kind,
    source_type,
    source_id,
    posted_at
from {{ latest_rows('commerce__ledger_journals') }} as latest

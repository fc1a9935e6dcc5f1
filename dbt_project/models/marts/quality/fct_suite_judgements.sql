-- What suites said of batches before they landed and of tables in raw. No rows of raw are in it, only how many.
select
    judgement_id,
    judged_at,
    {{ local_date('judged_at', "'UTC'") }} as judged_on,
    raw_table,
    judged_where,
    batch_id,
    expectation,
    judged_rows,
    refused_rows,
    refused_rows = 0 as is_met
from {{ raw_if_there(source('raw', '_suite_judgements'), {
    'judgement_id': 'uuid', 'judged_at': instant_type(), 'raw_table': 'varchar', 'judged_where': 'varchar',
    'batch_id': 'uuid', 'expectation': 'varchar', 'judged_rows': 'bigint', 'refused_rows': 'bigint',
}) }} as judgement

select
    {{ now() }} as built_at,
    max(committed_at) as data_as_of,
    max(landed_at) as landed_at,
    cast(max(lsn) as bigint) as lsn,
    cast({{ raw_snapshot_id() }} as bigint) as raw_snapshot_id
from {{ source('raw', '_cdc_watermarks') }}

-- A day that is measured again is told anew; where raw is a copy both are there, and the last word counts.
with measured as (
    select
        day,
        relation,
        field,
        before_rows,
        now_rows,
        distance,
        allowed,
        told_at,
        row_number() over (partition by day, relation, field order by told_at desc) as newest
    from {{ raw_if_there(source('raw', '_column_distances'), {
        'day': 'date', 'relation': 'varchar', 'field': 'varchar', 'before_rows': 'bigint', 'now_rows': 'bigint',
        'distance': double(), 'allowed': double(), 'told_at': instant_type(),
    }) }} as history
)

select
    day,
    relation as relation_name,
    field as column_name,
    before_rows,
    now_rows,
    distance,
    allowed as distance_allowed,
    distance is not null as is_judged,
    coalesce(distance > allowed, false) as is_drift,
    told_at as measured_at
from measured
where newest = 1

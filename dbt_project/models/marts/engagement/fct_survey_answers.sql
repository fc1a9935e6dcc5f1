-- Equal answers of one day are still answers of different people: they are numbered.
select
    cast(row_number() over (order by answered_on, location_id, score) as integer) as answer,
    answered_on,
    {{ as_id('location_id') }} as location_id,
    score,
    case when score >= 9 then 'promoter' when score >= 7 then 'passive' else 'detractor' end as attitude
from {{ ref('survey_answers') }}

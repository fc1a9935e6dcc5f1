{{ config(meta={'parts': {
    'key': 'customer_id',
    'day': 'performed_on',
    'changed': {
        'fct_workouts': 'select customer_id, completed_on from {rows}',
        'int_workout_exercises': "
            select customer_id, completed_on from {fct_workouts}
            where workout_id in (select workout_id from {rows})
        ",
    },
    'only': {},
    'instead': {'days': "
        -- Days before a part are stored as they are; those from which no plateau is counted, as their best. Two of
        -- three have none, and say nothing of days after them.
        with done as (
            select workout.customer_id, workout.workout_id, workout.completed_on as performed_on
            from {fct_workouts} as workout
            inner join {parts} as part on workout.customer_id = part.key and workout.completed_on >= part.since
            where workout.status = 'completed' and workout.completed_on >= {earliest}
        )

        select
            done.customer_id, told.exercise_id, done.performed_on, max(told.best_e1rm_kg) as best_e1rm_kg,
            max(told.top_weight_kg) as top_weight_kg, sum(told.volume_kg) as volume_kg, sum(told.sets) as sets,
            sum(told.reps) as reps
        from done inner join {int_workout_exercises} as told on done.workout_id = told.workout_id
        group by done.customer_id, told.exercise_id, done.performed_on
        union all by name
        select best.customer_id, best.exercise_id, best.performed_on, best.best_e1rm_kg
        from {this} as best
        inner join {parts} as part
            on
                best.customer_id = part.key and best.performed_on < part.since
                and best.performed_on >= part.since - 42
        where best.performed_on >= {earliest} - 42 and best.best_e1rm_kg is not null
        union all by name
        select old.customer_id, old.exercise_id, part.since - 43 as performed_on, old.best_e1rm_kg
        from (
            select best.customer_id, best.exercise_id, max(best.best_e1rm_kg) as best_e1rm_kg
            from {this} as best
            inner join {parts} as part on best.customer_id = part.key and best.performed_on < part.since - 42
            where best.best_e1rm_kg is not null
            group by best.customer_id, best.exercise_id
        ) as old inner join {parts} as part on old.customer_id = part.key
    ", 'compared': "
        select
            made.customer_id, made.exercise_id, made.performed_on,
            any_value(made.best_e1rm_kg) as best_e1rm_kg, any_value(made.top_weight_kg) as top_weight_kg,
            any_value(made.volume_kg) as volume_kg, any_value(made.sets) as sets, any_value(made.reps) as reps,
            max(case when until_then.performed_on < made.performed_on then until_then.best_e1rm_kg end)
                as best_before_kg,
            max(case when until_then.performed_on <= made.performed_on - 42 then until_then.best_e1rm_kg end)
                as best_of_old_kg,
            max(case when until_then.performed_on > made.performed_on - 42 then until_then.best_e1rm_kg end)
                as best_of_late_kg,
            count(case when until_then.performed_on > made.performed_on - 42 then until_then.best_e1rm_kg end)
                as days_of_late
        from days as made
        inner join {parts} as part on made.customer_id = part.key and made.performed_on >= part.since
        inner join days as until_then
            on
                made.customer_id = until_then.customer_id
                and made.exercise_id = until_then.exercise_id
                and made.performed_on >= until_then.performed_on
        group by made.customer_id, made.exercise_id, made.performed_on
    "},
}}) }}
{% set until_then = "partition by customer_id, exercise_id order by " ~ day_number("performed_on") %}
with days as (
    -- whole: days
    select
        workout.customer_id,
        done.exercise_id,
        workout.completed_on as performed_on,
        max(done.best_e1rm_kg) as best_e1rm_kg,
        max(done.top_weight_kg) as top_weight_kg,
        sum(done.volume_kg) as volume_kg,
        sum(done.sets) as sets,
        sum(done.reps) as reps
    from {{ ref('int_workout_exercises') }} as done
    inner join {{ ref('fct_workouts') }} as workout on done.workout_id = workout.workout_id
    where workout.status = 'completed'
    group by workout.customer_id, done.exercise_id, workout.completed_on
    -- end: days
),

compared as (
    -- whole: compared
    select
        *,
        max(best_e1rm_kg) over ({{ until_then }} rows between unbounded preceding and 1 preceding) as best_before_kg,
        max(best_e1rm_kg) over ({{ until_then }} range between unbounded preceding and 42 preceding) as best_of_old_kg,
        max(best_e1rm_kg) over ({{ until_then }} range between 41 preceding and current row) as best_of_late_kg,
        count(best_e1rm_kg) over ({{ until_then }} range between 41 preceding and current row) as days_of_late
    from days
    -- end: compared
)

select
    compared.customer_id,
    compared.exercise_id,
    exercise.exercise_name,
    exercise.pattern,
    compared.performed_on,
    compared.best_e1rm_kg,
    compared.top_weight_kg,
    compared.volume_kg,
    cast(compared.sets as integer) as sets,
    cast(compared.reps as integer) as reps,
    coalesce(compared.best_e1rm_kg > compared.best_before_kg, false) as is_record,
    coalesce(compared.days_of_late >= 4 and compared.best_of_late_kg <= compared.best_of_old_kg, false) as is_plateau
from compared
left join {{ ref('stg_training__exercises') }} as exercise on compared.exercise_id = exercise.exercise_id

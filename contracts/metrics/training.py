"""Metrics of training: what was done, how hard, how well it went."""

from contracts.former import Former
from contracts.metrics.definition import Metric

_DAYS = "training.fct_training_days"
_CARE = "training.fct_care_months"
_FEW = "clients were counted who told nothing of it, so that a mean of one client's numbers was told as one of five"

METRICS = (
    Metric(
        "workouts_completed", "Workouts completed", "Workouts logged as done, planned or not.",
        "count", "training.fct_workouts", "count(*)", "completed_on", where="status = 'completed'", owner="coaching",
    ),
    Metric(
        "training_volume", "Volume load", "Weight times repetitions over all sets of workouts done.",
        "kg", "training.fct_workouts", "sum(volume_kg)", "completed_on", where="status = 'completed'",
        exclusions="Sets without a weight.", owner="coaching", better="neither",
    ),
    Metric(
        "training_load", "Training load",
        "Effort of a session (0-10) times its minutes, summed over workouts done.",
        "number", "training.fct_workouts", "sum(session_load)", "completed_on", where="status = 'completed'",
        exclusions="Workouts whose effort or length was not told.", owner="coaching", better="neither",
    ),
    Metric(
        "estimated_maximum", "Estimated one-rep maximum",
        "Best set of each exercise and day by Epley's formula, on average over all that were trained.",
        "kg", "training.fct_exercise_bests", "avg(best_e1rm_kg)", "performed_on",
        exclusions="Sets without a weight or of more than ten repetitions. Narrow it to a client to read it.",
        owner="coaching",
    ),
    Metric(
        "personal_records", "Personal records",
        "Days on which an exercise was lifted better than ever before, by estimated maximum.",
        "count", "training.fct_exercise_bests", "count(*)", "performed_on", where="is_record",
        exclusions="The first time an exercise is trained is no record.", owner="coaching",
    ),
    Metric(
        "plateau_rate", "Plateaus",
        "Of the days on which an exercise was trained, the share on which it had stood still for six weeks.",
        "ratio", "training.fct_exercise_bests", "avg(case when is_plateau then 1.0 else 0.0 end)", "performed_on",
        where="best_e1rm_kg is not null",
        exclusions=(
            "Days on which no set told an estimated maximum. Exercises trained on fewer than four days in six weeks "
            "are not told to stand still."
        ),
        owner="coaching", better="less",
        former=(
            Former(
                "2026-11-29T09:00:00Z", "avg(case when is_plateau then 1.0 else 0.0 end)", "",
                "days of which nobody can say whether they stood still counted as days that did not",
            ),
        ),
    ),
    Metric(
        "adherence", "Adherence", "Planned workouts done divided by workouts planned, in the planned week.",
        "ratio", "training.fct_adherence_weeks", "sum(completed) / nullif(sum(planned), 0)", "week_starts_on",
        exclusions="Workouts outside a programme; days still to come.", owner="coaching", grains=("week", "month"),
    ),
    Metric(
        "adherence_30d", "Adherence, 30 days",
        "Planned workouts done divided by workouts planned, over the 30 days up to the end of the week.",
        "ratio", "training.fct_adherence_weeks", "sum(completed_30d) / nullif(sum(planned_30d), 0)",
        "week_starts_on", "stock",
        exclusions="Workouts outside a programme; days still to come; clients with nothing planned that week.",
        owner="coaching", grains=("week", "month"),
    ),
    Metric(
        "adherence_90d", "Adherence, 90 days",
        "Planned workouts done divided by workouts planned, over the 90 days up to the end of the week.",
        "ratio", "training.fct_adherence_weeks", "sum(completed_90d) / nullif(sum(planned_90d), 0)",
        "week_starts_on", "stock",
        exclusions="Workouts outside a programme; days still to come; clients with nothing planned that week.",
        owner="coaching", grains=("week", "month"),
    ),
    Metric(
        "acwr", "Acute to chronic load",
        "Mean daily load of the last 7 days divided by that of the last 28, on average over clients. A load "
        "spike, not a risk.",
        "number", _DAYS, "avg(acwr)", "day", "stock", exclusions="The first 27 days of a client.", owner="coaching",
        better="neither",
    ),
    Metric(
        "acwr_smoothed", "Acute to chronic load, smoothed",
        "The same with exponential means, lambda 2 / (N + 1), begun with a client's first day.",
        "number", _DAYS, "avg(case when acwr is not null then acwr_smoothed end)", "day", "stock",
        exclusions="The first 27 days of a client; whose last 28 days hold no load.", owner="coaching",
        better="neither",
        former=(
            Former(
                "2026-11-29T09:00:00Z", "avg(acwr_smoothed)", "",
                "everybody who had stopped training, however long ago, counted with a load of next to nothing",
            ),
        ),
    ),
    Metric(
        "monotony", "Training monotony",
        "Mean daily load of the last 7 days divided by its sample standard deviation, on average over clients.",
        "number", _DAYS, "avg(monotony_7d)", "day", "stock",
        exclusions="Clients of whose seven days no two differ; the first 6 days of a client.", owner="coaching",
        better="neither",
    ),
    Metric(
        "strain", "Training strain",
        "Load of the last 7 days times its monotony, on average over clients.",
        "number", _DAYS, "avg(strain_7d)", "day", "stock", exclusions="As for monotony.", owner="coaching",
        better="neither",
    ),
    Metric(
        "readiness", "Readiness",
        "Today's heart rate variability against each client's own last 28 days: 50 is usual, 25 points are "
        "one deviation.",
        "number", "training.fct_wearable_days", "case when count(distinct customer_id) >= 5 then avg(readiness) end",
        "day", where="readiness is not null",
        exclusions=(
            "Clients who do not share it. Told for five clients or more: one client's is on their page, by "
            "their consent."
        ),
        owner="coaching",
        former=(
            Former(
                "2026-11-27T23:00:00Z", "case when count(distinct customer_id) >= 5 then avg(readiness) end", "", _FEW,
                is_withdrawn=True,
            ),
        ),
    ),
    Metric(
        "sleep_efficiency", "Sleep efficiency",
        "Time asleep divided by time in bed, on average over clients and nights.",
        "ratio", "training.fct_wearable_days",
        "case when count(distinct customer_id) >= 5 then avg(sleep_efficiency) end", "day",
        where="sleep_efficiency is not null",
        exclusions=(
            "Naps; devices that do not tell time in bed; clients who do not share it. Told for five clients "
            "or more."
        ),
        owner="coaching",
        former=(
            Former(
                "2026-11-27T23:00:00Z", "case when count(distinct customer_id) >= 5 then avg(sleep_efficiency) end", "",
                _FEW, is_withdrawn=True,
            ),
        ),
    ),
    Metric(
        "check_in_answer_rate", "Check-ins answered", "Of the weekly check-ins that clients sent, the share answered.",
        "ratio", _CARE, "sum(check_ins_answered) / nullif(sum(check_ins), 0)", "month",
        exclusions="Check-ins that nobody sent; those sent before there was a coach.", owner="coaching",
        grains=("month",),
    ),
    Metric(
        "check_in_answer_hours", "Hours to answer a check-in",
        "Hours from a client's check-in to the coach's answer, on average over those answered.",
        "hours", _CARE, "sum(answer_hours) / nullif(sum(check_ins_answered), 0)", "month",
        exclusions="Check-ins not answered.", owner="coaching", grains=("month",), better="less",
    ),
    Metric(
        "screening_hold_rate", "Questionnaires that hold training",
        "Of the health questionnaires answered, the share with an answer that held training back until a coach "
        "cleared it.",
        "ratio", _CARE,
        "sum(screenings_held) / nullif(sum(case when screenings_held is not null then screenings end), 0)", "month",
        exclusions=(
            "Months of a coach in which fewer than five clients answered one: they would tell of somebody's health."
        ),
        owner="coaching", grains=("month",), better="neither",
    ),
)  # fmt: skip

"""Movements that are measured by help, or by distance and time; and what movements are called in other languages.

Only widens: a version before this one writes sets of repetitions and loads, and keys records by all but `over_m`.
"""

from alembic import op

revision = "0056_measured_otherwise"
down_revision = "0055_leaving_calendars"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table training.exercises add measure varchar(10) not null default 'load',
            add constraint ck_exercises_measure check (measure in ('load', 'assistance', 'distance'));
        alter table training.workout_sets
            add assistance_kg real, add distance_m real, add duration_seconds integer,
            add constraint ck_workout_sets_measured check (
                (assistance_kg is null or assistance_kg between 0 and 1000 and coalesce(weight_kg, 0) = 0)
                and (distance_m is null or distance_m between 1 and 1000000)
                and (duration_seconds is null or duration_seconds between 1 and 172800)
                and (coalesce(distance_m, duration_seconds) is null or reps = 0)
            ) not valid;
        alter table training.workout_sets validate constraint ck_workout_sets_measured;
        alter table training.planned_exercises
            add assistance_kg real, add distance_m real, add duration_seconds integer;
        alter table training.personal_records add over_m integer not null default 0,
            drop constraint pk_personal_records,
            add constraint pk_personal_records primary key (workout_id, exercise_id, kind, over_m);
        create table training.exercise_names (
            exercise_id integer not null,
            language varchar(2) not null,
            name text,
            words text not null,
            constraint pk_exercise_names primary key (exercise_id, language),
            constraint fk_exercise_names_exercise_id foreign key (exercise_id)
                references training.exercises (id) on delete cascade
        );
        create index ix_exercise_names_words on training.exercise_names using gin (to_tsvector('simple', words));
        create index ix_exercise_names_trigrams on training.exercise_names using gin (words gin_trgm_ops);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        drop table training.exercise_names;
        delete from training.personal_records where kind in ('assistance', 'distance', 'time');
        alter table training.personal_records drop constraint pk_personal_records, drop over_m,
            add constraint pk_personal_records primary key (workout_id, exercise_id, kind);
        alter table training.planned_exercises drop assistance_kg, drop distance_m, drop duration_seconds;
        alter table training.workout_sets drop assistance_kg, drop distance_m, drop duration_seconds;
        alter table training.exercises drop measure;
        """
    )

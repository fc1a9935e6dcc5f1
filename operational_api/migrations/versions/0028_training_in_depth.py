"""A searchable catalogue, programmes with versions, records, the health questionnaire, habits, check-ins, setting up.

Lines of a programme are told apart by version: a change adds lines, and never takes any away that a logged workout was
done by. What is about a client's health has row-level security like injuries; what is about their workouts like those.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028_training_in_depth"
down_revision = "0027_calendars_outside"
branch_labels = None
depends_on = None

HEALTH = ("training.screenings", "training.goals", "training.habits", "training.habit_checks", "training.check_ins")
TRAINING = ("training.workout_revisions", "training.personal_records")
TIME = sa.DateTime(timezone=True)
WORDS = "training.exercise_words(name, primary_muscle, secondary_muscles, equipment)"


def _fk(table: str, column: str, to: str, **given: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"training.{to}"], name=op.f(f"fk_{table}_{column}"), **given)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _added() -> dict[str, list[sa.Column]]:
    return {
        "clients": [sa.Column("on_hold_since", TIME)],
        "exercises": [
            sa.Column("secondary_muscles", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
            sa.Column("level", sa.String(20)),
            sa.Column("mechanic", sa.String(20)),
            sa.Column("force", sa.String(20)),
            sa.Column("category", sa.String(30)),
            sa.Column("instructions", postgresql.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
            sa.Column("external_key", sa.String()),
            sa.Column("source", sa.String()),
            sa.Column("licence", sa.String()),
        ],
        "programmes": [
            sa.Column("version", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
            sa.Column("template_id", sa.Uuid()),
        ],
        "planned_exercises": [
            sa.Column("version", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
            sa.Column("phase", sa.SmallInteger()),
            sa.Column("superset", sa.String(1)),
            sa.Column("note", sa.String()),
            sa.Column("progression", postgresql.JSONB()),
        ],
        "workouts": [sa.Column("programme_version", sa.SmallInteger())],
        "workout_sets": [sa.Column("rir", sa.SmallInteger()), sa.Column("superset", sa.String(1)),
                         sa.Column("note", sa.String())],
    }  # fmt: skip


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column, schema="training")
    _search()
    op.create_index(
        "uq_planned_exercises_version", "planned_exercises", ["programme_id", "version", "day", "position"],
        unique=True, schema="training",
    )  # fmt: skip
    op.drop_index("uq_planned_exercises", table_name="planned_exercises", schema="training")
    _plans()
    _workouts()
    _health()
    own = "customer_id = any ((select platform.visible_customers())::uuid[])"
    for tables, roles in ((HEALTH, "'system', 'service'"), (TRAINING, "'system', 'service', 'admin', 'lead_coach'")):
        for table in tables:
            seen = f"{own} or (select platform.viewer_is({roles}))"
            op.execute(f"alter table {table} enable row level security")
            op.execute(f"create policy visible on {table} using ({seen}) with check ({seen})")


def _search() -> None:
    # array_to_string is only stable because arrays of some types are; of texts it is immutable.
    op.execute(
        """
        create function training.exercise_words(name text, muscle text, others text[], equipment text) returns text
        language sql immutable parallel safe
        return name || ' ' || muscle || ' ' || array_to_string(others, ' ') || ' ' || equipment
        """
    )
    op.create_index("uq_exercises_external_key", "exercises", ["external_key"], unique=True, schema="training")
    op.execute(f"create index ix_exercises_words on training.exercises using gin (to_tsvector('english', {WORDS}))")
    op.execute(f"create index ix_exercises_trigrams on training.exercises using gin (lower({WORDS}) gin_trgm_ops)")


def _plans() -> None:
    op.create_table(
        "programme_versions",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("reason", sa.String()),
        _fk("programme_versions", "programme_id", "programmes.id"),
        _key("programme_versions", "programme_id", "version"),
        schema="training",
    )
    op.create_table(
        "programme_phases",
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("weeks", sa.SmallInteger(), nullable=False),
        sa.Column("load_percent", sa.SmallInteger(), server_default=sa.text("100"), nullable=False),
        sa.Column("extra_sets", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        _fk("programme_phases", "programme_id", "programmes.id"),
        _key("programme_phases", "programme_id", "version", "position"),
        schema="training",
    )
    op.create_table(
        "programme_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("goal", sa.String(30), nullable=False),
        sa.Column("weeks", sa.SmallInteger(), nullable=False),
        sa.Column("sessions_per_week", sa.SmallInteger(), nullable=False),
        sa.Column("plan", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", TIME),
        _key("programme_templates", "id"),
        schema="training",
    )
    op.create_index(op.f("ix_programme_templates_coach_id"), "programme_templates", ["coach_id"], schema="training")


def _workouts() -> None:
    op.create_table(
        "workout_revisions",
        sa.Column("workout_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("logged_by", sa.Uuid()),
        sa.Column("replaced_at", TIME, nullable=False),
        sa.Column("replaced_by", sa.Uuid(), nullable=False),
        sa.Column("said", postgresql.JSONB(), nullable=False),
        _fk("workout_revisions", "workout_id", "workouts.id", ondelete="CASCADE"),
        _fk("workout_revisions", "customer_id", "clients.id"),
        _key("workout_revisions", "workout_id", "revision"),
        schema="training",
    )
    op.create_table(
        "personal_records",
        sa.Column("workout_id", sa.Uuid(), nullable=False),
        sa.Column("exercise_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("previous", sa.Float(), nullable=False),
        sa.Column("achieved_at", TIME, nullable=False),
        _fk("personal_records", "workout_id", "workouts.id", ondelete="CASCADE"),
        _fk("personal_records", "exercise_id", "exercises.id"),
        _fk("personal_records", "customer_id", "clients.id"),
        _key("personal_records", "workout_id", "exercise_id", "kind"),
        schema="training",
    )
    op.create_index(
        "ix_personal_records_customer_id_achieved_at", "personal_records", ["customer_id", "achieved_at"],
        schema="training",
    )  # fmt: skip


def _health() -> None:
    op.create_table(
        "screenings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(10), nullable=False),
        sa.Column("answers", postgresql.JSONB(), nullable=False),
        sa.Column("is_red", sa.Boolean(), nullable=False),
        sa.Column("answered_at", TIME, nullable=False),
        sa.Column("cleared_at", TIME),
        sa.Column("cleared_by", sa.Uuid()),
        sa.Column("clearance_note", sa.String()),
        sa.CheckConstraint(
            "(cleared_at is null) = (cleared_by is null) and (cleared_at is null) = (clearance_note is null)",
            name=op.f("ck_screenings_cleared_by_somebody"),
        ),
        _fk("screenings", "customer_id", "clients.id"),
        _key("screenings", "id"),
        schema="training",
    )
    op.create_index(
        "ix_screenings_customer_id_answered_at", "screenings", ["customer_id", "answered_at"], schema="training"
    )
    op.create_table(
        "goals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("target_on", sa.Date()),
        sa.Column("status", sa.String(10), server_default="open", nullable=False),
        sa.Column("set_at", TIME, nullable=False),
        sa.Column("closed_at", TIME),
        _fk("goals", "customer_id", "clients.id"),
        _key("goals", "id"),
        schema="training",
    )
    op.create_table(
        "habits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("times_per_week", sa.SmallInteger(), server_default=sa.text("7"), nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("archived_at", TIME),
        _fk("habits", "customer_id", "clients.id"),
        _key("habits", "id"),
        schema="training",
    )
    for table in ("goals", "habits"):
        op.create_index(op.f(f"ix_{table}_customer_id"), table, ["customer_id"], schema="training")
    op.create_table(
        "habit_checks",
        sa.Column("habit_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        _fk("habit_checks", "habit_id", "habits.id", ondelete="CASCADE"),
        _fk("habit_checks", "customer_id", "clients.id"),
        _key("habit_checks", "habit_id", "day"),
        schema="training",
    )
    op.create_table(
        "check_ins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("submitted_at", TIME, nullable=False),
        sa.Column("weight_kg", sa.REAL()),
        sa.Column("sleep_hours", sa.REAL()),
        sa.Column("mood", sa.SmallInteger(), nullable=False),
        sa.Column("note", sa.String()),
        sa.Column("answer", sa.String()),
        sa.Column("answered_by", sa.Uuid()),
        sa.Column("answered_at", TIME),
        sa.CheckConstraint("mood between 1 and 5", name=op.f("ck_check_ins_mood")),
        _fk("check_ins", "customer_id", "clients.id"),
        _key("check_ins", "id"),
        schema="training",
    )
    op.create_index(
        "uq_check_ins_customer_id_due_on", "check_ins", ["customer_id", "due_on"], unique=True, schema="training"
    )
    op.create_table(
        "onboarding_steps",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("entered_at", TIME, nullable=False),
        sa.Column("left_at", TIME),
        sa.Column("outcome", sa.String(10)),
        _fk("onboarding_steps", "customer_id", "clients.id"),
        _key("onboarding_steps", "customer_id", "step"),
        schema="training",
    )


def downgrade() -> None:
    for table in (
        "onboarding_steps", "check_ins", "habit_checks", "habits", "goals", "screenings", "personal_records",
        "workout_revisions", "programme_templates", "programme_phases", "programme_versions",
    ):  # fmt: skip
        op.drop_table(table, schema="training")
    op.execute(
        "delete from training.planned_exercises as line using training.programmes as programme "
        "where programme.id = line.programme_id and line.version <> programme.version"
    )
    op.create_index(
        "uq_planned_exercises", "planned_exercises", ["programme_id", "day", "position"], unique=True, schema="training"
    )
    op.drop_index("uq_planned_exercises_version", table_name="planned_exercises", schema="training")
    op.execute("drop index training.ix_exercises_words, training.ix_exercises_trigrams")
    op.drop_index("uq_exercises_external_key", table_name="exercises", schema="training")
    for table, columns in reversed(_added().items()):
        for column in columns:
            op.drop_column(table, column.name, schema="training")
    op.execute("drop function training.exercise_words(text, text, text[], text)")
    op.execute("drop extension pg_trgm")

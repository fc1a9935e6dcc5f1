"""Tables of training."""

import sqlalchemy as sa
from alembic import op

revision = "0004_training"
down_revision = "0003_commerce"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema if not exists training")
    op.create_table(
        "clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=True),
        sa.Column("location_id", sa.Uuid(), nullable=True),
        sa.Column("goal", sa.String(length=30), server_default="general_fitness", nullable=False),
        sa.Column("level", sa.String(length=20), server_default="beginner", nullable=False),
        sa.Column("birth_year", sa.SmallInteger(), nullable=True),
        sa.Column("home_distance_km", sa.REAL(), nullable=True),
        sa.Column("time_zone", sa.String(), server_default="UTC", nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        schema="training",
    )
    op.create_index(op.f("ix_clients_coach_id"), "clients", ["coach_id"], unique=False, schema="training")
    op.create_table(
        "exercises",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("pattern", sa.String(length=20), nullable=False),
        sa.Column("primary_muscle", sa.String(length=30), nullable=False),
        sa.Column("equipment", sa.String(length=30), nullable=False),
        sa.Column("is_loaded", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exercises")),
        sa.UniqueConstraint("slug", name=op.f("uq_exercises_slug")),
        schema="training",
    )
    op.create_table(
        "coach_assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["training.clients.id"], name=op.f("fk_coach_assignments_customer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coach_assignments")),
        schema="training",
    )
    op.create_index(
        "uq_coach_assignments_current",
        "coach_assignments",
        ["customer_id"],
        unique=True,
        schema="training",
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_table(
        "injuries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("body_part", sa.String(length=30), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("resolved_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["training.clients.id"], name=op.f("fk_injuries_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_injuries")),
        schema="training",
    )
    op.create_index(op.f("ix_injuries_customer_id"), "injuries", ["customer_id"], unique=False, schema="training")
    op.create_table(
        "programmes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("goal", sa.String(length=30), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("weeks", sa.SmallInteger(), nullable=False),
        sa.Column("sessions_per_week", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["training.clients.id"], name=op.f("fk_programmes_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programmes")),
        schema="training",
    )
    op.create_index(op.f("ix_programmes_customer_id"), "programmes", ["customer_id"], unique=False, schema="training")
    op.create_table(
        "wearable_days",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("device", sa.String(length=30), nullable=False),
        sa.Column("sleep_minutes", sa.SmallInteger(), nullable=True),
        sa.Column("hrv_rmssd_ms", sa.REAL(), nullable=True),
        sa.Column("resting_heart_rate_bpm", sa.SmallInteger(), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["training.clients.id"], name=op.f("fk_wearable_days_customer_id")),
        sa.PrimaryKeyConstraint("customer_id", "day", "device", name=op.f("pk_wearable_days")),
        schema="training",
    )
    op.create_table(
        "planned_exercises",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("programme_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("exercise_id", sa.Integer(), nullable=False),
        sa.Column("sets", sa.SmallInteger(), nullable=False),
        sa.Column("reps", sa.SmallInteger(), nullable=False),
        sa.Column("weight_kg", sa.Numeric(precision=6, scale=2), nullable=True),
        sa.Column("target_rpe", sa.REAL(), nullable=True),
        sa.ForeignKeyConstraint(
            ["exercise_id"], ["training.exercises.id"], name=op.f("fk_planned_exercises_exercise_id")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["training.programmes.id"], name=op.f("fk_planned_exercises_programme_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_exercises")),
        schema="training",
    )
    op.create_index(
        "uq_planned_exercises", "planned_exercises", ["programme_id", "day", "position"], unique=True, schema="training"
    )
    op.create_table(
        "workouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("programme_id", sa.Uuid(), nullable=True),
        sa.Column("booking_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("programme_day", sa.SmallInteger(), nullable=True),
        sa.Column("scheduled_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=20), server_default="planned", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_minutes", sa.SmallInteger(), nullable=True),
        sa.Column("session_rpe", sa.REAL(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("logged_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'completed') = (completed_at is not null)", name=op.f("ck_workouts_completed_has_time")
        ),
        sa.CheckConstraint("session_rpe is null or session_rpe between 0 and 10", name=op.f("ck_workouts_session_rpe")),
        sa.ForeignKeyConstraint(["customer_id"], ["training.clients.id"], name=op.f("fk_workouts_customer_id")),
        sa.ForeignKeyConstraint(["programme_id"], ["training.programmes.id"], name=op.f("fk_workouts_programme_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workouts")),
        schema="training",
    )
    op.create_index(
        "ix_workouts_customer_id_scheduled_on",
        "workouts",
        ["customer_id", "scheduled_on"],
        unique=False,
        schema="training",
    )
    op.create_table(
        "workout_sets",
        sa.Column("workout_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("exercise_id", sa.Integer(), nullable=False),
        sa.Column("reps", sa.SmallInteger(), nullable=False),
        sa.Column("weight_kg", sa.REAL(), nullable=True),
        sa.Column("rpe", sa.REAL(), nullable=True),
        sa.CheckConstraint(
            "reps between 0 and 1000 and (weight_kg is null or weight_kg between 0 and 1000)",
            name=op.f("ck_workout_sets_range"),
        ),
        sa.ForeignKeyConstraint(["exercise_id"], ["training.exercises.id"], name=op.f("fk_workout_sets_exercise_id")),
        sa.ForeignKeyConstraint(
            ["workout_id"], ["training.workouts.id"], name=op.f("fk_workout_sets_workout_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workout_id", "position", name=op.f("pk_workout_sets")),
        schema="training",
    )


def downgrade() -> None:
    op.drop_table("workout_sets", schema="training")
    op.drop_index("ix_workouts_customer_id_scheduled_on", table_name="workouts", schema="training")
    op.drop_table("workouts", schema="training")
    op.drop_index("uq_planned_exercises", table_name="planned_exercises", schema="training")
    op.drop_table("planned_exercises", schema="training")
    op.drop_table("wearable_days", schema="training")
    op.drop_index(op.f("ix_programmes_customer_id"), table_name="programmes", schema="training")
    op.drop_table("programmes", schema="training")
    op.drop_index(op.f("ix_injuries_customer_id"), table_name="injuries", schema="training")
    op.drop_table("injuries", schema="training")
    op.drop_index(
        "uq_coach_assignments_current",
        table_name="coach_assignments",
        schema="training",
        postgresql_where=sa.text("ended_at is null"),
    )
    op.drop_table("coach_assignments", schema="training")
    op.drop_table("exercises", schema="training")
    op.drop_index(op.f("ix_clients_coach_id"), table_name="clients", schema="training")
    op.drop_table("clients", schema="training")
    op.execute("drop schema training")

"""Who works at which studio's front desk."""

import sqlalchemy as sa
from alembic import op

revision = "0024_desk_locations"
down_revision = "0023_consent_to_what_is_entered"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desk_locations",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("location_id", sa.Uuid(), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["location_id"], ["scheduling.locations.id"], name=op.f("fk_desk_locations_location_id_locations")
        ),
        sa.PrimaryKeyConstraint("account_id", "location_id", name=op.f("pk_desk_locations")),
        schema="scheduling",
    )


def downgrade() -> None:
    op.drop_table("desk_locations", schema="scheduling")

"""Sessions count on their studio's day.

Only widens: a version before this one leaves the day empty, and its UTC day counts as it did.
"""

from alembic import op

revision = "0041_days_of_studios"
down_revision = "0040_copies_of_data"
branch_labels = None
depends_on = None

HELD_ON = """
alter table commerce.delivered_sessions add column held_on date;
update commerce.delivered_sessions d set held_on = coalesce(
    (
        select (d.delivered_at at time zone l.time_zone)::date
        from scheduling.bookings b
        join scheduling.slots s on s.id = b.slot_id
        join scheduling.locations l on l.id = s.location_id
        where b.id = d.booking_id
    ),
    (d.delivered_at at time zone 'UTC')::date
);
create view commerce.studios as with found as (select id as location_id, time_zone from scheduling.locations)
    select * from found;
"""


def upgrade() -> None:
    op.execute(HELD_ON)


def downgrade() -> None:
    op.execute("drop view commerce.studios; alter table commerce.delivered_sessions drop column held_on")

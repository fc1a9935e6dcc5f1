"""Bookings that recur go on as calendars open, up to a day or until they are ended.

Only widens: a version before this one books series that end where they ended, and leaves those that go on alone.
"""

from alembic import op

revision = "0044_series_go_on"
down_revision = "0043_forgotten_names"
branch_labels = None
depends_on = None

GO_ON = """
alter table scheduling.booking_series
    add kind varchar(20) default 'one_to_one' not null,
    add goes_on boolean default false not null,
    add ends_on date,
    add looked_at date,
    add ended_at timestamptz,
    add constraint ck_booking_series_goes_on check (not (goes_on and ended_at is not null));
update scheduling.booking_series s set kind = 'group' where exists (
    select 1 from scheduling.bookings b join scheduling.slots t on t.id = b.slot_id
    where b.series_id = s.id and t.kind = 'group');
create index ix_booking_series_goes_on on scheduling.booking_series (id) where goes_on
"""
END = """
alter table scheduling.booking_series
    drop kind, drop goes_on, drop ends_on, drop looked_at, drop ended_at
"""


def upgrade() -> None:
    op.execute(GO_ON)


def downgrade() -> None:
    op.execute(END)

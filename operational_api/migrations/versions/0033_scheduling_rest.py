"""Bookings that recur, and what calendars outside show of them.

Only widens: a version before this one writes what it wrote, and its bookings belong to no series.
"""

from alembic import op

revision = "0033_scheduling_rest"
down_revision = "0032_media"
branch_labels = None
depends_on = None

SERIES = """
create table scheduling.booking_series (
    id uuid not null,
    customer_id uuid not null,
    coach_id uuid not null,
    location_id uuid not null,
    rule varchar not null,
    starts_on date not null,
    wall_start time not null,
    minutes smallint not null,
    sequence integer default '0' not null,
    changed_at timestamptz not null,
    created_at timestamptz default now() not null,
    constraint pk_booking_series primary key (id),
    constraint ck_booking_series_minutes check (minutes between 1 and 1440),
    constraint fk_booking_series_coach_id foreign key (coach_id) references scheduling.coaches (id),
    constraint fk_booking_series_location_id foreign key (location_id) references scheduling.locations (id)
);
create index ix_booking_series_customer_id on scheduling.booking_series (customer_id);
alter table scheduling.bookings
    add series_id uuid,
    add recurs_at timestamptz,
    add constraint ck_bookings_series check ((series_id is null) = (recurs_at is null)),
    add constraint fk_bookings_series_id foreign key (series_id) references scheduling.booking_series (id);
create index ix_bookings_series_id on scheduling.bookings (series_id, recurs_at) where series_id is not null;
alter table scheduling.calendar_pushes
    add series_id uuid,
    add occurrences jsonb default '{}' not null,
    add away jsonb default '{}' not null,
    drop constraint ck_calendar_pushes_subject,
    add constraint ck_calendar_pushes_subject check (num_nonnulls(booking_id, slot_id, series_id) = 1)
"""
BEFORE = """
delete from scheduling.calendar_pushes where series_id is not null;
alter table scheduling.calendar_pushes
    drop constraint ck_calendar_pushes_subject,
    drop series_id,
    drop occurrences,
    drop away,
    add constraint ck_calendar_pushes_subject check ((booking_id is null) <> (slot_id is null));
alter table scheduling.bookings drop series_id, drop recurs_at;
drop table scheduling.booking_series
"""


def upgrade() -> None:
    op.execute(SERIES)


def downgrade() -> None:
    op.execute(BEFORE)

"""A second coach of a class: a slot of kind `assist` is their place in it, in their own calendar and without seats.

Only widens: a version before this one makes no such place.
"""

from alembic import op

revision = "0072_assistants"
down_revision = "0071_settled_top_ups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        alter table scheduling.slots
            add column assists_id uuid constraint fk_slots_assists_id_slots references scheduling.slots (id),
            drop constraint ck_slots_capacity,
            add constraint ck_slots_capacity check (
                case kind when 'group' then capacity >= 1 when 'assist' then capacity = 0 else capacity = 1 end
            ),
            add constraint ck_slots_assists check ((kind = 'assist') = (assists_id is not null));
        create index ix_slots_assists_id on scheduling.slots (assists_id) where assists_id is not null;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        delete from scheduling.calendar_entries
            where booking_id in (select id from scheduling.slots where kind = 'assist');
        delete from scheduling.slots where kind = 'assist';
        drop index scheduling.ix_slots_assists_id;
        alter table scheduling.slots
            drop constraint ck_slots_assists,
            drop constraint ck_slots_capacity,
            add constraint ck_slots_capacity check (capacity >= 1 and (kind = 'group' or capacity = 1)),
            drop column assists_id;
        """
    )

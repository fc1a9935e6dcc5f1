"""The name in the event by which somebody registered can be taken out, once their account is closed.

Events stay append-only but for that: who was forgotten would otherwise be named there for ever, and in the lake. Only
widens: a version before this one takes no name out, and its verification of the seals calls an emptied event changed.
"""

from alembic import op

revision = "0043_forgotten_names"
down_revision = "0042_word_and_language"
branch_labels = None
depends_on = None

_FUNCTION = """
create or replace function platform.only_relay_once() returns trigger language plpgsql as $$
begin
    if old.relayed_at is null and to_jsonb(new) - 'relayed_at' = to_jsonb(old) - 'relayed_at' then
        return new;
    end if;
    {more}
    raise exception 'platform.outbox_events is append-only' using errcode = 'PL001';
end $$;
"""
_FORGETS = """
    if old.type = 'identity.account_registered' and to_jsonb(new) - 'payload' = to_jsonb(old) - 'payload'
        and new.payload::jsonb = jsonb_set(old.payload::jsonb, '{display_name}', '""')
        and exists (select from platform.outbox_events closed
            where closed.aggregate_id = old.aggregate_id and closed.type = 'identity.account_closed') then
        return new;
    end if;
"""


def upgrade() -> None:
    op.execute(_FUNCTION.replace("{more}", _FORGETS))


def downgrade() -> None:
    op.execute(_FUNCTION.replace("{more}", ""))

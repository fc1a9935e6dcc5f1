"""Videos: uploads by parts, what became of them, captions with words to search, where people stopped watching.

A customer's own videos are health data: row-level security as for workouts, but not for admins. Parts, captions and
cues carry no person and are reached through their video.
"""

from alembic import op

revision = "0032_media"
down_revision = "0031_crm"
branch_labels = None
depends_on = None

TABLES = """
create table training.media (
    id uuid not null,
    kind varchar(10) not null,
    uploader_id uuid not null,
    customer_id uuid,
    coach_id uuid,
    exercise_id integer,
    workout_id uuid,
    title varchar(120) not null,
    status varchar(10) not null,
    media_type varchar(40),
    size_bytes bigint not null,
    sha256 varchar(64) not null,
    part_bytes integer not null,
    upload_key varchar,
    scan varchar(12),
    refusal varchar,
    progress_percent smallint default 0 not null,
    attempts smallint default 0 not null,
    due_at timestamptz,
    edition smallint default 0 not null,
    duration_seconds real,
    renditions jsonb default '[]'::jsonb not null,
    created_at timestamptz not null,
    ready_at timestamptz,
    constraint pk_media primary key (id),
    constraint ck_media_kind check (kind in ('form', 'guide', 'catalogue')),
    constraint ck_media_form_is_somebodys check ((kind = 'form') = (customer_id is not null)),
    constraint ck_media_guide_is_a_coachs check ((kind = 'guide') = (coach_id is not null)),
    constraint ck_media_catalogue_shows_an_exercise check (kind <> 'catalogue' or exercise_id is not null),
    constraint ck_media_status check (status in ('uploading', 'checking', 'encoding', 'ready', 'refused', 'removed')),
    constraint ck_media_sizes check (size_bytes > 0 and part_bytes > 0),
    constraint ck_media_progress_percent check (progress_percent between 0 and 100),
    constraint ck_media_ready_has_time check ((status = 'ready') = (ready_at is not null)),
    constraint fk_media_customer_id foreign key (customer_id) references training.clients (id),
    constraint fk_media_exercise_id foreign key (exercise_id) references training.exercises (id),
    constraint fk_media_workout_id foreign key (workout_id) references training.workouts (id) on delete set null
);
create index ix_media_customer_id on training.media (customer_id);
create index ix_media_coach_id on training.media (coach_id);
create index ix_media_exercise_id on training.media (exercise_id);
create index ix_media_uploader_id on training.media (uploader_id);
create index ix_media_workout_id on training.media (workout_id);
create index ix_media_due on training.media (due_at) where due_at is not null;
create table training.media_parts (
    media_id uuid not null,
    number smallint not null,
    size_bytes integer not null,
    sha256 varchar(64) not null,
    etag varchar not null,
    constraint pk_media_parts primary key (media_id, number),
    constraint fk_media_parts_media_id foreign key (media_id) references training.media (id) on delete cascade
);
create table training.media_captions (
    media_id uuid not null,
    language varchar(2) not null,
    content varchar not null,
    edited_by uuid not null,
    edited_at timestamptz not null,
    constraint pk_media_captions primary key (media_id, language),
    constraint fk_media_captions_media_id foreign key (media_id) references training.media (id) on delete cascade
);
create table training.media_cues (
    media_id uuid not null,
    language varchar(2) not null,
    position smallint not null,
    starts_ms integer not null,
    ends_ms integer not null,
    words varchar not null,
    constraint pk_media_cues primary key (media_id, language, position),
    constraint ck_media_cues_ends_after_start check (0 <= starts_ms and starts_ms < ends_ms),
    constraint fk_media_cues_media_id foreign key (media_id) references training.media (id) on delete cascade
);
create index ix_media_cues_words on training.media_cues using gin (to_tsvector('simple', words));
create table training.media_positions (
    media_id uuid not null,
    account_id uuid not null,
    seconds real not null,
    updated_at timestamptz not null,
    constraint pk_media_positions primary key (media_id, account_id),
    constraint fk_media_positions_media_id foreign key (media_id) references training.media (id) on delete cascade
);
create index ix_media_positions_account_id on training.media_positions (account_id);
"""
SEEN = (
    "customer_id is null or customer_id = any ((select platform.visible_customers())::uuid[]) "
    "or (select platform.viewer_is('system', 'service'))"
)


def upgrade() -> None:
    op.execute(TABLES)
    op.execute("alter table training.media enable row level security")
    op.execute(f"create policy visible on training.media using ({SEEN}) with check ({SEEN})")


def downgrade() -> None:
    op.execute(
        "drop table training.media_positions, training.media_cues, training.media_captions, training.media_parts, "
        "training.media"
    )

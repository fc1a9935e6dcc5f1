"""A simulated business of any size, captured into a lake of its own, and changes of a part of its rows."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from contracts import warehouse
from ingestion.landing import ensure_tables
from ingestion.postgres_cdc import capture, publication
from ingestion.settings import CdcSettings
from ingestion.wearables.tables import SCHEMAS
from operational_api.migrations import run as migrations
from plyo.demo.loading import load
from plyo.postgres import PostgresServer, free_port

# What a week of business does: the newest rows of each large table change, {share} of them all.
_WEEK = (
    """update training.workout_sets set reps = reps + sign(reps)::int, duration_seconds = duration_seconds + 1
    where workout_id in (
        select id from training.workouts where status = 'completed' order by completed_at desc
        limit (select ceil(count(*) * {share}) from training.workouts))""",
    """update training.workouts set session_rpe = case session_rpe when 6 then 7 else 6 end where id in (
        select id from training.workouts where status = 'completed' order by completed_at desc
        limit (select ceil(count(*) * {share}) from training.workouts))""",
    """update scheduling.bookings set outcome_at = outcome_at + interval '1 minute' where id in (
        select id from scheduling.bookings where outcome_at is not null order by outcome_at desc
        limit (select ceil(count(*) * {share}) from scheduling.bookings))""",
    """update engagement.messages set read_at = coalesce(read_at, sent_at) + interval '1 minute' where id in (
        select id from engagement.messages order by sent_at desc
        limit (select ceil(count(*) * {share}) from engagement.messages))""",
    """update training.wearable_days set steps = steps + 1 where day >= (
        select max(day) from training.wearable_days)
        - cast((select (max(day) - min(day)) * {share} from training.wearable_days) as integer)""",
    """update commerce.payments set fee_minor = fee_minor + 1 where id in (
        select id from commerce.payments order by attempted_at desc
        limit (select ceil(count(*) * {share}) from commerce.payments))""",
)


@dataclass
class Business:
    """A running PostgreSQL with the business in it, and the lake it was captured into."""

    server: PostgresServer
    cdc: CdcSettings
    rows: int

    def live(self, share: float) -> int:
        """Let a share of the large tables' rows change, the newest, and capture it; returns how many did."""
        changed = 0
        with psycopg.connect(self.server.url("plyo"), autocommit=True) as source:
            # Triggers are the API's rules, and not what is measured.
            source.execute("set session_replication_role = replica")
            for statement in _WEEK:
                changed += source.execute(statement.format(share=share)).rowcount  # type: ignore[arg-type]
        capture.run_once(self.cdc)
        return changed

    @property
    def environment(self) -> dict[str, str]:
        """What tells another process where the lake is."""
        return {
            "PLYO_LAKE_CATALOG_URL": self.cdc.lake_catalog_url.get_secret_value(), "PLYO_LAKE_PATH": self.cdc.lake_path,
        }  # fmt: skip


@contextmanager
def business(folder: Path, *, customers: int, months: int, seed: int = 7) -> Iterator[Business]:
    """Load, capture, and keep the server for the length of a block. A folder that was used before is taken as it is."""
    made = folder / "made"
    server = PostgresServer(folder / "postgres", free_port(), "benchmark", durable=False, dies_with_parent=True)
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        server.create()
    server.start()
    cdc = CdcSettings(
        cdc_url=server.url("plyo"), lake_catalog_url=server.url("lake"), lake_path=str(folder / "lake")
    )  # fmt: skip
    try:
        if made.exists():
            migrations.upgrade(server.url("plyo").replace("postgresql://", "postgresql+psycopg://"))
        else:
            made.write_text(str(_make(server, cdc, folder, customers=customers, months=months, seed=seed)))
        yield Business(server, cdc, int(made.read_text()))
    finally:
        server.stop()


def _make(server: PostgresServer, cdc: CdcSettings, folder: Path, *, customers: int, months: int, seed: int) -> int:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create database plyo")
        connection.execute("create database lake")
    migrations.upgrade(server.url("plyo").replace("postgresql://", "postgresql+psycopg://"))
    report = load(
        server.url("plyo"), customers=customers, months=months, seed=seed, state_folder=folder,
        progress=lambda step, done, total: print(f"\r{step}: {done}/{total}", end="", file=sys.stderr),
    )  # fmt: skip
    print(file=sys.stderr)
    with psycopg.connect(server.url("plyo"), autocommit=True) as source:
        publication.create(source)
        source.execute("analyze")
    warehouse.set_up(cdc)
    capture.ensure_ready(cdc)
    with warehouse.writing(cdc) as lake:
        ensure_tables(lake, SCHEMAS)
    return sum(report.rows.values())

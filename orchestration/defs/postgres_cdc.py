"""The operational database's tables, and their change logs in the raw lake. Capturing is `ingestion.postgres_cdc`.

`ingestion` is imported when it runs: its kernels take a second to load, and naming assets needs none of it.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.failures import TRY_AGAIN, judged

if TYPE_CHECKING:
    from ingestion.postgres_cdc.landed import Landed
    from ingestion.settings import CdcSettings

CAPTURED = {
    "platform": (
        "audit_entries", "audit_groups", "bulk_loads", "event_seals", "inbox_messages", "outbox_events", "role_changes",
    ),
    "identity": ("accounts",),
    "commerce": (
        "assisted_classes", "billing_items", "checkout_sessions", "collections", "commission_corrections",
        "commission_payouts", "commission_rates", "commission_statements", "coupon_redemptions", "coupons",
        "credit_notes", "customers", "delivered_sessions", "disputes", "finding_resolutions", "invoice_lines",
        "invoices", "ledger_journals", "ledger_lines", "number_series", "payments", "plan_changes", "plan_prices",
        "plans", "provider_movements", "provider_payouts", "reconciliation_findings", "reconciliation_runs",
        "refund_requests", "refunds", "session_packs", "subscription_changes", "subscriptions",
    ),
    "training": (
        "check_ins", "clients", "coach_assignments", "exercises", "goals", "habit_checks", "habits", "injuries",
        "onboarding_steps", "personal_records", "planned_exercises", "programme_phases", "programme_templates",
        "programme_versions", "programmes", "screenings", "wearable_days", "workout_sets", "workouts",
    ),
    "scheduling": (
        "availability_exceptions", "availability_rules", "booking_moves", "booking_series", "booking_terms", "bookings",
        "coaches", "desk_locations", "locations", "public_holidays", "resources", "session_series", "slot_resources",
        "slots", "time_off", "waitlist_entries",
    ),
    "engagement": (
        "announcements", "attachments", "channel_choices", "contact_preferences", "leads", "lifecycle_facts",
        "lifecycle_stages", "message_templates", "messages", "outgoing_emails", "scheduled_messages", "suppressions",
    ),
    "automation": ("churn_scores", "rules", "runs"),
    "compliance": ("consents", "exports"),
    "integrations": ("connector_runs", "connectors", "wearable_links", "wearable_payloads"),
}  # fmt: skip
"""Published tables by schema; a test compares them with the models. Identity keeps its secrets to itself."""

WATERMARKS = dg.AssetKey(["raw", "_cdc_watermarks"])
STREAM_WAIT_SECONDS = 120


def _pairs() -> Iterator[tuple[str, str]]:
    yield from ((context, table) for context, tables in CAPTURED.items() for table in tables)


def raw_key(context: str, table: str) -> dg.AssetKey:
    """Asset key of a table's change log."""
    return dg.AssetKey(["raw", f"{context}__{table}"])


SOURCES = [
    dg.AssetSpec(
        ["postgres", context, table],
        group_name="postgres",
        kinds={"postgres", "source"},
        description=f"The table {context}.{table} of the operational database. Owned by the API, never written here.",
    )
    for context, table in _pairs()
]


@dg.multi_asset(
    name="raw_change_logs",
    specs=[
        dg.AssetSpec(
            raw_key(context, table),
            deps=[dg.AssetKey(["postgres", context, table])],
            group_name="raw",
            owners=["team:data"],
            kinds={"ducklake"},
            description=f"Every change of {context}.{table}, append-only, in the order of the write-ahead log.",
        )
        for context, table in _pairs()
    ]
    + [
        dg.AssetSpec(
            WATERMARKS,
            deps=[raw_key(context, table) for context, table in _pairs()],
            group_name="raw",
            owners=["team:data"],
            kinds={"ducklake"},
            description="Up to where the write-ahead log has been landed; written with the rows it speaks of.",
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "no_table_is_blocked",
            asset=WATERMARKS,
            description="A table whose changes cannot be landed stands still until somebody resumes it.",
        )
    ],
    retry_policy=TRY_AGAIN,
)
def raw_change_logs(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Bring everything committed until now into raw. Running it again lands nothing twice."""
    from ingestion.postgres_cdc import capture
    from ingestion.settings import CdcSettings

    with judged(capture.SourceWentBack):
        settings = CdcSettings()
        try:
            landed = capture.run_once(settings)
        except capture.AlreadyRunning:
            context.log.info("the stream is running; waiting until it has landed what is committed now")
            landed = _await_stream(settings)
    for name, table in _pairs():
        key = raw_key(name, table)
        rows = landed.snapshots.get(key.path[-1], 0) + landed.rows.get(key.path[-1], 0)
        yield dg.MaterializeResult(asset_key=key, metadata={"rows_landed": rows})
    yield dg.MaterializeResult(
        asset_key=WATERMARKS,
        metadata={"lsn": landed.lsn, "lag_seconds": landed.lag_seconds, "lag_bytes": landed.lag_bytes},
    )
    yield dg.AssetCheckResult(
        check_name="no_table_is_blocked", asset_key=WATERMARKS, passed=not landed.blocked, metadata=dict(landed.blocked)
    )


def _await_stream(settings: "CdcSettings") -> "Landed":
    import psycopg

    from contracts import warehouse
    from ingestion.postgres_cdc import progress, slot
    from ingestion.postgres_cdc.landed import Landed

    with psycopg.connect(settings.cdc_url.get_secret_value(), autocommit=True) as source:
        wanted = slot.current_lsn(source)
    with warehouse.reading(settings) as lake:
        mark = progress.await_watermark(lake, settings.cdc_slot, wanted, seconds=STREAM_WAIT_SECONDS)
    return Landed(lsn=mark.lsn)


class Report:
    """Gathers what the stream landed and tells Dagster now and then: an event per batch would drown the log.

    Args:
        log: Takes an event of the run.
        every_seconds: Between two reports.
    """

    def __init__(self, context: dg.OpExecutionContext, *, every_seconds: float = 60) -> None:
        self._context, self._every = context, every_seconds
        self._rows: dict[str, int] = {}
        self._told_at = 0.0

    def add(self, landed: "Landed") -> None:
        """Count a batch, and tell if it is time."""
        for table, rows in (landed.rows | landed.snapshots).items():
            self._rows[table] = self._rows.get(table, 0) + rows
        if landed.blocked:
            self._context.log.error(f"tables that stand still: {landed.blocked}")
        if time.monotonic() - self._told_at >= self._every:
            self.tell(lsn=landed.lsn, lag_seconds=landed.lag_seconds)

    def tell(self, **facts: float) -> None:
        """Tell what was gathered, as an observation of each raw asset that grew."""
        for table, rows in sorted(self._rows.items()):
            self._context.log_event(
                dg.AssetObservation(asset_key=["raw", table], metadata={"rows_landed": rows, **facts})
            )
        self._rows, self._told_at = {}, time.monotonic()


@dg.op(description="Follows the write-ahead log until told to stop, or for six hours; a sensor starts it again.")
def follow_changes(context: dg.OpExecutionContext) -> None:
    """Land changes as they are committed. A run of bounded length keeps its event log readable."""
    from ingestion.postgres_cdc import capture
    from ingestion.settings import CdcSettings

    report = Report(context)
    until = time.monotonic() + 6 * 3600
    with judged(capture.SourceWentBack):
        try:
            capture.stream(CdcSettings(), stop=lambda: time.monotonic() > until, on_batch=report.add)
        finally:
            report.tell()

"""What the analytics process is told by its environment: where the lake is, whose tokens count, what fresh means."""

from pathlib import Path

from pydantic import SecretStr

from contracts.warehouse import WarehouseSettings


class AnalyticsSettings(WarehouseSettings):
    """Environment of the analytics process, prefix `PLYO_`; the lake as `lake_reader`."""

    public_url: str = "http://127.0.0.1:8400"
    """The gateway's origin: the one accepted issuer of tokens."""
    jwks_url: str = "http://127.0.0.1:8401/oidc/jwks"
    """Where the issuer publishes its keys; inside the stack the API's own address."""
    audit_database_url: SecretStr | None = None
    """`postgresql+psycopg://…/plyo` as the role `audit_writer`, which may add to the audit log, ask whether a token
    still holds and what customers let others see, and do nothing else. Without it nobody is let in: what cannot be
    asked is not believed."""
    dbt_manifest: Path = Path("dbt_project/target/manifest.json")
    """Written by dbt: what every mart is made of."""
    redis_url: SecretStr = SecretStr("")
    """As the API's: where all processes count requests. Analytics' own share their answers there."""
    analytics_answers_key: SecretStr = SecretStr("")
    """Seals the answers that lie there; at least 32 characters, the same in all processes of analytics and in no other.
    Without it each process makes its own."""
    rate_limit_factor: float = 1.0
    lake_memory_limit: str = "512MB"
    lake_threads: int = 1
    """Of each question: many are asked at once, and with a thread more each of them costs more processor."""
    analytics_cursors: int = 4
    """Queries that run at once; more wait for their turn."""
    analytics_cache_mib: int = 64
    """Of answers: a half each as rows, and as they were written."""
    analytics_held_cells: int = 16_000_000
    """Rows times columns of marts that are held in memory at the newest snapshot, 8 to 16 bytes each, out of
    `lake_memory_limit`."""
    analytics_query_seconds: float = 15.0
    """A query that runs longer is stopped."""
    analytics_max_rows: int = 200_000
    """Rows of one answer; who wants more is asked to narrow it, or to take pages or a file."""
    analytics_kept_rows: int = 20_000
    """Answers of up to so many rows are remembered whole; longer files and streams are read anew, and never held."""
    analytics_file_cursors: int = 2
    """Files (CSV, Parquet, large Arrow streams) written at once: they must not keep questions waiting."""
    analytics_file_seconds: float = 120.0
    analytics_file_max_rows: int = 5_000_000
    business_zone: str = "UTC"
    """IANA zone in which `this_month` begins where whoever asks names none."""
    marts_late_seconds: float = 600
    """Marts that miss a change older than this are late."""
    marts_stale_seconds: float = 3600
    connectors_late_seconds: float = 6 * 3600
    """A connector that has pulled before and not for so long is late; so are the numbers made of what it brings."""
    connectors_stale_seconds: float = 36 * 3600
    scores_late_seconds: float = 36 * 3600
    """Scores are of a date, so at the end of their day they are a day old."""
    scores_stale_seconds: float = 72 * 3600
    looks_late_seconds: float = 36 * 3600
    """What we judge of the data itself is judged every night."""
    looks_stale_seconds: float = 72 * 3600
    models_late_seconds: float = 8 * 86400
    models_stale_seconds: float = 30 * 86400

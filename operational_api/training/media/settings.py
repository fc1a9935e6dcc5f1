"""What videos may be and cost, by environment with the prefix `PLYO_MEDIA_`. Read by the API and the worker."""

from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir

from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class MediaSettings(BaseSettings):
    """Sizes in bytes, lengths in seconds."""

    model_config = SettingsConfigDict(env_prefix="PLYO_MEDIA_", extra="ignore")

    scanner: str = ""
    """`unix:/run/clamav/clamd.ctl` or `tcp://host:3310`. `none` says that nobody looks for viruses, and files are
    marked so. Empty: nothing is taken, because nobody decided."""
    part_bytes: int = 8 * MIB
    """S3 takes no parts below 5 MiB but the last."""
    largest_bytes: int = 500 * MIB
    largest_form_bytes: int = 200 * MIB
    """Of a customer's own videos."""
    quota_bytes: int = 20_000 * MIB
    """Of everything that one coach or admin uploaded and did not remove."""
    quota_form_bytes: int = 2_000 * MIB
    most_unfinished: int = 3
    """Uploads that one person has under way."""
    unfinished_for: timedelta = timedelta(hours=24)
    """After this long an upload that was not finished is given up."""
    longest_seconds: float = 1200
    longest_form_seconds: float = 300
    lease: timedelta = timedelta(seconds=60)
    """How long a worker may be silent before another one takes its video."""
    attempts: int = 4
    slowest: float = 20
    """Times its length that preparing a video may take, and never less than two minutes."""
    work_folder: Path = Path(gettempdir()) / "plyo-media"
    cache_bytes: int = 48 * MIB
    """Of segments that a process of the API keeps after their first hit."""

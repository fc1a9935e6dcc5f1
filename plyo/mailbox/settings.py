"""What the mailbox is told by its environment."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class MailboxSettings(BaseSettings):
    """Environment of the mailbox, prefix `PLYO_MAILBOX_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_MAILBOX_", extra="ignore")

    smtp_port: int = 1025
    port: int = 8025
    folder: Path = Path(".plyo/mailbox")
    capacity: int = 500
    """Mails kept; the oldest go."""
    largest_bytes: int = 10 * 1024 * 1024
    """Longer mails are refused, as a real server would."""

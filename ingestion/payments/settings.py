"""Settings of the payment connectors, from the environment; without its first setting a connector is not configured.

How the lake is reached does not belong here.
"""

from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class StripeSettings(BaseSettings):
    """PLYO_STRIPE_*.

    Args:
        secret_key: Secret key, or better a restricted key that may read everything and write nothing.
        api_base: Address of the API.
        timeout_seconds: For one answer.
        max_retries: Of a request that got no answer, a 5xx, or a 429; each waits longer, or as long as Stripe asks.
        overlap_seconds: Events are asked for again from so long before the newest that was landed: Stripe may show an
            event later than a younger one.
        objects_a_batch: Landed in one lake transaction.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_STRIPE_", extra="ignore", env_ignore_empty=True)

    secret_key: SecretStr
    api_base: str = "https://api.stripe.com"
    timeout_seconds: float = 30
    max_retries: int = 5
    overlap_seconds: int = 600
    objects_a_batch: int = 1_000


class MomoSettings(BaseSettings):
    """PLYO_MOMO_*.

    Args:
        settlements_url: Where MoMo's settlement files are put: a folder, or a bucket as fsspec knows it
            (`s3://bucket/momo`, with its package installed). Files are to appear whole, not to grow.
        storage_options: What fsspec needs to reach it, JSON.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_MOMO_", extra="ignore", env_ignore_empty=True)

    settlements_url: str
    storage_options: dict[str, Any] = {}

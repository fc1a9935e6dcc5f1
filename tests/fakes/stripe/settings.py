"""Settings of the local Stripe, from the environment with the prefix STRIPE_FAKE_."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class StripeFakeSettings(BaseSettings):
    """What the local Stripe needs to know.

    Attributes:
        public_url: Where a browser reaches this server; the hosted page's links start with it.
        secret_key: The only bearer token accepted.
        state: SQLite file that keeps every object over restarts; None keeps them in memory.
        webhook_url: Endpoint registered at the start; None registers none.
        webhook_secret: Its signing secret.
        retry_seconds: Pauses between attempts to deliver a webhook; after the last one the delivery is given up.
        renewal_seconds: How often due subscriptions are renewed by the clock; 0 renews only on advance.
        latency_seconds: Added to each API request, to make overlaps visible in tests.
    """

    model_config = SettingsConfigDict(env_prefix="STRIPE_FAKE_")

    public_url: str = "http://127.0.0.1:8420"
    secret_key: str = "sk_test_plyo"
    state: str | None = None
    webhook_url: str | None = None
    webhook_secret: str = "whsec_plyo"
    retry_seconds: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
    renewal_seconds: float = 30
    latency_seconds: float = 0

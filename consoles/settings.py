"""What a console process is told by its environment. No Stripe key, no DSN: it has none to lose."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConsoleSettings(BaseSettings):
    """Environment of a console process, prefix `PLYO_`."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    public_url: str = "http://127.0.0.1:8400"
    """The gateway's origin; the OIDC issuer."""
    api_url: str = "http://127.0.0.1:8401"
    """The operational API, as this process reaches it."""
    analytics_url: str = "http://127.0.0.1:8402"
    """The analytics service, as this process reaches it."""
    console_client_id: str
    console_client_secret: SecretStr
    console_cookie_secret: SecretStr
    console_port: int = 8500

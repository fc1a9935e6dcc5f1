"""Where the providers are and how they know us. Read by the API and the worker, which share the environment."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.sealing import Sealer


class IntegrationSettings(BaseSettings):
    """Environment with the prefix `PLYO_`; what is empty is not configured."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    public_url: str = "http://127.0.0.1:8400"
    health_data_keys: SecretStr = SecretStr("")
    """Keys that seal health data (`contracts.sealing`), comma separated; ingestion opens it with the same."""
    terra_base_url: str = "https://api.tryterra.co/v2"
    terra_dev_id: str = ""
    terra_api_key: SecretStr = SecretStr("")
    terra_signing_secrets: SecretStr = SecretStr("")
    """One or two, comma separated: the old one stays valid while it is rotated out."""
    stripe_api_base: str = "https://api.stripe.com"
    stripe_secret_key: SecretStr = SecretStr("")
    hubspot_api_base: str = "https://api.hubapi.com"
    hubspot_access_token: SecretStr = SecretStr("")
    hubspot_client_secret: SecretStr = SecretStr("")
    """Of the app, which signs HubSpot's webhooks; without it none is taken, and changes are found by polling."""
    hubspot_requests_in_ten_seconds: int = 65
    """Ours, of all processes; a private app may make 100 (190 in a dearer account), and the nightly reading of the data
    platform makes 30."""
    hubspot_requests_a_day: int = 120_000
    """Ours, of all processes, in a day of UTC. A private app may make 250,000 in a day of its account's time zone, into
    which two of ours reach."""
    hubspot_sync: bool = True
    """Whether contacts and deals are written there once the connector is connected."""
    momo_settlements_url: str = ""
    """Folder or bucket into which MoMo's settlement files are put, as fsspec names it."""
    redis_url: SecretStr = SecretStr("")
    """Where all processes count requests."""
    session_secret: SecretStr = SecretStr("")
    webhook_keys: SecretStr = SecretStr("")
    """Seal the secrets that sign our webhooks (`contracts.sealing`), comma separated, the one that seals first. Without
    any the session secret does: changing it then needs every endpoint's secret to be rotated."""
    webhook_private_networks: str = ""
    """Networks that endpoints may be in although not on the internet, comma separated; http is allowed there."""

    @property
    def signing_secrets(self) -> list[str]:
        """Terra's signing secrets that are valid now."""
        return [one.strip() for one in self.terra_signing_secrets.get_secret_value().split(",") if one.strip()]

    @property
    def webhook_sealer(self) -> Sealer | None:
        """What seals the secrets of endpoints; None: no endpoint can be made."""
        told = self.webhook_keys.get_secret_value() or self.session_secret.get_secret_value()
        return Sealer.of(told) if told else None

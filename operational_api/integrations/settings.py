"""Where the providers are and how they know us. Read by the API and the worker, which share the environment."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    momo_settlements_url: str = ""
    """Folder or bucket into which MoMo's settlement files are put, as fsspec names it."""

    @property
    def signing_secrets(self) -> list[str]:
        """Terra's signing secrets that are valid now."""
        return [one.strip() for one in self.terra_signing_secrets.get_secret_value().split(",") if one.strip()]

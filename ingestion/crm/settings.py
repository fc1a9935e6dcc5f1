"""Settings of the CRM connectors, from the environment; without its first setting a connector is not configured."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class HubSpotSettings(BaseSettings):
    """PLYO_HUBSPOT_*.

    Args:
        access_token: Of a private app that may read contacts, companies, deals and owners.
        api_base: Address of the API.
        timeout_seconds: For one answer.
        max_attempts: Of a request that got no answer, a 5xx or a 429, each waiting longer or as long as HubSpot asks.
        searches_a_second: HubSpot allows five for an account; the product, which writes there, makes two of them.
        search_page: Results of one search, at most 200.
        objects_a_batch: Landed in one lake transaction.
        overlap_seconds: Changes are asked for again from so long before the last pull: a search finds an object only
            some moments after it changed.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_HUBSPOT_", extra="ignore", env_ignore_empty=True)

    access_token: SecretStr
    api_base: str = "https://api.hubapi.com"
    timeout_seconds: float = 30
    max_attempts: int = 6
    searches_a_second: float = 3
    search_page: int = 200
    objects_a_batch: int = 500
    overlap_seconds: int = 300

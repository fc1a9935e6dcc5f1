"""Settings of the pull from Terra, from the environment with prefix PLYO_TERRA_. The webhook's secret is the API's."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class TerraSettings(BaseSettings):
    """What asking Terra for data needs.

    Args:
        dev_id: Of our developer account.
        api_key: Of the same.
        base_url: Of the API, version included.
        lookback_days: A pull asks for so many days before the last one that succeeded: devices sync late.
        attempts: Requests for one answer that Terra refuses for now, before it is given up.
        longest_wait_seconds: Terra may ask for a longer pause than this; the next pull is soon enough then.
        timeout_seconds: For one answer. Terra itself gives up after 30.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_TERRA_", extra="ignore")

    dev_id: str
    api_key: SecretStr
    base_url: str = "https://api.tryterra.co/v2"
    lookback_days: int = Field(3, ge=1)
    attempts: int = Field(6, ge=1)
    longest_wait_seconds: float = Field(120, gt=0)
    timeout_seconds: float = Field(40, gt=0)

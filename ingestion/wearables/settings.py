"""Settings of wearables: pulling from Terra, and opening what was stored. The webhook's secret is the API's."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.sealing import SealBroken, Sealer


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

    model_config = SettingsConfigDict(env_prefix="PLYO_TERRA_", extra="ignore", env_ignore_empty=True)

    dev_id: str
    api_key: SecretStr
    base_url: str = "https://api.tryterra.co/v2"
    lookback_days: int = Field(3, ge=1)
    attempts: int = Field(6, ge=1)
    longest_wait_seconds: float = Field(120, gt=0)
    timeout_seconds: float = Field(40, gt=0)


class HealthDataSettings(BaseSettings):
    """What opening sealed payloads needs: PLYO_HEALTH_DATA_KEYS, the same as the operational API's.

    Args:
        health_data_keys: Comma separated; those that are being rotated out open what they sealed.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore", env_ignore_empty=True)

    health_data_keys: SecretStr = SecretStr("")

    def opener(self) -> "Sealer | _Closed":
        """Opens what the keys sealed; without keys, nothing."""
        keys = self.health_data_keys.get_secret_value()
        return Sealer.of(keys) if keys else _Closed()


class _Closed:
    def open(self, sealed: bytes) -> bytes:
        raise SealBroken(f"{len(sealed)} sealed bytes and no key: set PLYO_HEALTH_DATA_KEYS")

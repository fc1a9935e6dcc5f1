"""What identity is told by its environment beside the API's settings: judging sign-ins, and when signing keys rotate.

Read by the API and the worker.
"""

from functools import cache
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RiskSettings(BaseSettings):
    """Environment with the prefix `PLYO_RISK_`. ADR 0019 says where the two thresholds come from."""

    model_config = SettingsConfigDict(env_prefix="PLYO_RISK_", extra="ignore")

    step_up_at: float = 0.25
    """Score from which the owner is asked for a second proof."""
    refuse_at: float = 10.0
    """Score from which nobody is let in; a new password by e-mail always works."""
    place_header: str = ""
    """Header in which the gateway tells the place of an address (`DE-BE` or `DE`), as `cf-ipcountry` does. Only one
    that the gateway overwrites: what browsers send is no evidence. Empty: none."""
    places_file: Path | None = None
    """CSV of `network,place`, for where no gateway tells."""


@cache
def risk_settings() -> RiskSettings:
    """The settings of this process."""
    return RiskSettings()


class KeySettings(BaseSettings):
    """What the worker must know to rotate signing keys (prefix `PLYO_`). Without file or secret it leaves them alone,
    and they rotate by command only."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    signing_key_file: Path | None = None
    signing_seal_keys: SecretStr = SecretStr("")
    session_secret: SecretStr = SecretStr("")
    signing_key_days: int = 90
    """Age at which the next key is made; 0 never."""

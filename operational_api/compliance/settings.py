"""What files of exports need, by environment with the prefix `PLYO_`. Where the store is: `core.objects`."""

from fastapi import Request
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.sealing import Sealer


class ExportSettings(BaseSettings):
    """The keys that seal health data: all that is known of a person has that in it."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    health_data_keys: SecretStr = SecretStr("")
    """Without any, what lies in the object store is sealed by nobody but the store."""

    @property
    def sealer(self) -> Sealer | None:
        """What seals and opens."""
        told = self.health_data_keys.get_secret_value()
        return Sealer.of(told) if told else None


def sealer_of(request: Request) -> Sealer | None:
    """What opens files that were sealed. Tests put other settings on the app (`export_settings`)."""
    state = request.app.state
    if not hasattr(state, "export_settings"):
        state.export_settings = ExportSettings()
    found: ExportSettings = state.export_settings
    return found.sealer

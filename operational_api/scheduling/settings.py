"""Where calendars outside are and how they know us. Read by the API and the worker, which share the environment."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CalendarSettings(BaseSettings):
    """Environment with the prefix `PLYO_`; a provider without a client id is not offered."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    public_url: str = "http://127.0.0.1:8400"
    session_secret: SecretStr = SecretStr("")
    calendar_keys: SecretStr = SecretStr("")
    """Seal what opens people's calendars and sign the addresses of their feeds (`contracts.sealing`), comma separated,
    the one that seals first. Without any the session secret does: changing it then ends every connection and feed."""
    calendar_google_client_id: str = ""
    calendar_google_client_secret: SecretStr = SecretStr("")
    calendar_google_authorize_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    calendar_google_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    calendar_google_revoke_url: str = "https://oauth2.googleapis.com/revoke"
    calendar_google_api_url: str = "https://www.googleapis.com/calendar/v3"
    calendar_microsoft_client_id: str = ""
    calendar_microsoft_client_secret: SecretStr = SecretStr("")
    calendar_microsoft_authorize_url: str = "https://login.microsoftonline.com/common/oauth2/v2.0/authorize"
    calendar_microsoft_token_url: str = "https://login.microsoftonline.com/common/oauth2/v2.0/token"  # noqa: S105
    calendar_microsoft_api_url: str = "https://graph.microsoft.com/v1.0"
    calendar_private_networks: str = ""
    """Networks that feeds and CalDAV servers may be in although they are not on the internet, comma separated."""
    calendar_sync_seconds: int = 300
    """How often a connected calendar is read."""

    @property
    def keys(self) -> list[str]:
        """The keys, the one that seals first. None: nothing can be connected."""
        told = self.calendar_keys.get_secret_value() or self.session_secret.get_secret_value()
        return [key.strip() for key in told.split(",") if key.strip()]

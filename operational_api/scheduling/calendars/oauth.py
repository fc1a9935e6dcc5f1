"""Leave to use somebody's calendar at Google or Microsoft: code and PKCE, refreshing, giving it back."""

from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from contracts.telemetry import get_logger
from operational_api.scheduling.calendars.errors import CalendarRefused, CalendarUnreachable
from operational_api.scheduling.settings import CalendarSettings

log = get_logger(__name__)
SECONDS = 15
LABELS = {"google": "Google Calendar", "microsoft": "Outlook"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """What they gave us. `refresh_token` is empty where the one we have goes on counting."""

    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """We at one provider."""

    provider: str
    authorize_url: str
    token_url: str
    revoke_url: str
    client_id: str
    client_secret: str
    scope: str
    redirect_uri: str
    extra: tuple[tuple[str, str], ...] = ()

    def address(self, *, state: str, challenge: str) -> str:
        """Where to send the person.

        Args:
            challenge: Of the PKCE verifier, S256.
        """
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri,
            "scope": self.scope, "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.authorize_url}?{urlencode(query | dict(self.extra))}"

    def trade(self, code: str, verifier: str) -> Tokens:
        """Tokens for a code.

        Raises:
            CalendarRefused: the code is none of theirs, or of another trip.
            CalendarUnreachable.
        """
        return self._ask(
            {
                "grant_type": "authorization_code", "code": code, "code_verifier": verifier,
                "redirect_uri": self.redirect_uri,
            }
        )  # fmt: skip

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for old ones.

        Raises:
            CalendarRefused: the person took our leave back, or it is over.
            CalendarUnreachable.
        """
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def revoke(self, refresh_token: str) -> None:
        """Give our leave back, where the provider has a way to. One that it does not know is given back already.

        Raises:
            CalendarUnreachable: it did not hear us, and has to be told again.
        """
        if not self.revoke_url:
            return
        try:
            answer = httpx.post(self.revoke_url, data={"token": refresh_token}, timeout=SECONDS)
        except httpx.HTTPError as error:
            raise CalendarUnreachable from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise CalendarUnreachable

    def _ask(self, form: dict[str, str]) -> Tokens:
        form = form | {"client_id": self.client_id, "client_secret": self.client_secret}
        try:
            answer = httpx.post(self.token_url, data=form, timeout=SECONDS)
            told = answer.json()
            if answer.status_code in (400, 401, 403) and told.get("error") in (
                "invalid_grant", "interaction_required", "consent_required", "access_denied",
            ):  # fmt: skip
                raise CalendarRefused
            answer.raise_for_status()
            return Tokens(
                str(told["access_token"]), str(told.get("refresh_token") or ""), int(told.get("expires_in") or 300)
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("calendar_tokens_not_told", provider=self.provider, error=type(error).__name__)
            raise CalendarUnreachable from error


def clients(settings: CalendarSettings) -> dict[str, OAuthClient]:
    """The providers that are set up here, by name."""
    found = {}
    if settings.calendar_google_client_id:
        found["google"] = OAuthClient(
            "google", settings.calendar_google_authorize_url, settings.calendar_google_token_url,
            settings.calendar_google_revoke_url, settings.calendar_google_client_id,
            settings.calendar_google_client_secret.get_secret_value(),
            "https://www.googleapis.com/auth/calendar.events "
            "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
            _callback(settings, "google"), (("access_type", "offline"), ("prompt", "consent")),
        )  # fmt: skip
    if settings.calendar_microsoft_client_id:
        found["microsoft"] = OAuthClient(
            "microsoft", settings.calendar_microsoft_authorize_url, settings.calendar_microsoft_token_url, "",
            settings.calendar_microsoft_client_id, settings.calendar_microsoft_client_secret.get_secret_value(),
            "offline_access https://graph.microsoft.com/Calendars.ReadWrite", _callback(settings, "microsoft"),
            (("prompt", "select_account"),),
        )  # fmt: skip
    return found


def _callback(settings: CalendarSettings, provider: str) -> str:
    return f"{settings.public_url}/calendars/connect/{provider}/callback"

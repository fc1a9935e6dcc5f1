"""Leave to use somebody's calendar at Google or Microsoft, by authlib: code and PKCE, refreshing, giving it back.

Each is asked once and for `SECONDS` at most to begin with its answer: a row may be held meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import OAuth2Token
from requests import RequestException

from contracts.telemetry import get_logger
from operational_api.scheduling.calendars.errors import CalendarRefused, CalendarUnreachable
from operational_api.scheduling.settings import CalendarSettings

log = get_logger(__name__)
SECONDS = 15
_OVER = ("invalid_grant", "interaction_required", "consent_required", "access_denied")
LABELS = {"google": "Google Calendar", "microsoft": "Outlook"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """What they gave us. `refresh_token` is the one that counts from now on, empty where they never gave any."""

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

    def address(self, *, state: str, verifier: str) -> str:
        """Where to send the person.

        Args:
            verifier: Of PKCE; its challenge goes along.
        """
        with self._session() as session:
            address, _ = session.create_authorization_url(
                self.authorize_url, state=state, code_verifier=verifier, scope=self.scope, **dict(self.extra)
            )
        return str(address)

    def trade(self, code: str, verifier: str) -> Tokens:
        """Tokens for a code.

        Raises:
            CalendarRefused: the code is none of theirs, or of another trip.
            CalendarUnreachable.
        """
        return self._ask(
            lambda session: session.fetch_token(
                self.token_url, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        )

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for old ones.

        Raises:
            CalendarRefused: the person took our leave back, or it is over.
            CalendarUnreachable.
        """
        return self._ask(lambda session: session.refresh_token(self.token_url, refresh_token=refresh_token))

    def revoke(self, refresh_token: str) -> None:
        """Give our leave back, where the provider has a way to. One that it does not know is given back already.

        Raises:
            CalendarUnreachable: it did not hear us, and has to be told again.
        """
        if not self.revoke_url:
            return
        try:
            with self._session() as session:
                answer = session.revoke_token(self.revoke_url, refresh_token)
        except RequestException as error:
            raise CalendarUnreachable from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise CalendarUnreachable

    def _session(self) -> OAuth2Session:
        found = OAuth2Session(
            self.client_id, self.client_secret, "client_secret_post", "client_secret_post",
            redirect_uri=self.redirect_uri, code_challenge_method="S256", default_timeout=SECONDS,
        )  # fmt: skip
        found.max_redirects = 0  # what we send is a secret
        return found

    def _ask(self, ask: Callable[[OAuth2Session], OAuth2Token]) -> Tokens:
        try:
            with self._session() as session:
                told = ask(session)
            return Tokens(
                str(told["access_token"]), str(told.get("refresh_token") or ""), int(told.get("expires_in") or 300)
            )
        except (AuthlibBaseError, RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
            told_us = str(getattr(error, "error", "") or type(error).__name__)
            if told_us in _OVER:
                raise CalendarRefused from error
            log.warning("calendar_tokens_not_told", provider=self.provider, error=told_us[:60])
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

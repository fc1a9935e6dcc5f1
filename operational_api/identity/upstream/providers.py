"""Google and Microsoft as OpenID providers that we are a client of: where to send people, and whom they send back."""

import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import Request

from contracts.telemetry import get_logger
from contracts.tokens import KeysUnavailable, RemoteKeys
from operational_api.identity.upstream import claims
from operational_api.identity.upstream.claims import TENANT, Person
from operational_api.identity.upstream.errors import NotConfirmed, ProviderDown, ProviderUnknown
from operational_api.settings import ApiSettings
from operational_api.web import flows

log = get_logger(__name__)
METADATA_SECONDS = 3600
SCOPE = "openid email profile"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass
class Provider:
    """One of them, as this process knows it.

    Args:
        name: In addresses and rows: google or microsoft.
        label: As people call it.
        issuer: Where its discovery document is.
        redirect_uri: Ours, for this provider alone: an answer of another's does not fit.
    """

    name: str
    label: str
    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    _metadata: dict[str, Any] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _keys: RemoteKeys | None = None
    _lock: Lock = field(default_factory=Lock)
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10))

    def address(self, flow: dict[str, str]) -> str:
        """Where to send the person of a flow (`web.flows`).

        Raises:
            ProviderDown.
        """
        query = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri, "scope": SCOPE,
            "state": flow["state"], "nonce": flow["nonce"], "code_challenge": flows.challenge_of(flow),
            "code_challenge_method": "S256", "prompt": "select_account",
        }  # fmt: skip
        endpoint: str = self.metadata()["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def person(self, flow: dict[str, str], *, code: str, iss: str) -> Person:
        """Whom they send back.

        Args:
            iss: As it came with the code (RFC 9207); empty where it did not.

        Raises:
            NotConfirmed, ProviderDown.
        """
        metadata = self.metadata()
        if iss:
            is_theirs = iss == metadata["issuer"] or TENANT in metadata["issuer"]  # then the token's own is compared
        else:
            is_theirs = not metadata.get("authorization_response_iss_parameter_supported")
        if not is_theirs or not code:
            raise NotConfirmed
        tokens = self._trade(metadata["token_endpoint"], code, flow["verifier"])
        try:
            return claims.read(
                str(tokens.get("id_token") or ""), provider=self.name, issuer=metadata["issuer"],
                client_id=self.client_id, nonce=flow["nonce"], access_token=str(tokens.get("access_token") or ""),
                keys=self._key_source(metadata["jwks_uri"]),
            )  # fmt: skip
        except NotConfirmed as error:
            log.warning("upstream_token_refused", provider=self.name, because=str(error.__cause__))
            raise
        except KeysUnavailable as error:
            raise ProviderDown from error

    def metadata(self) -> dict[str, Any]:
        """Their discovery document, an hour old at most; an older one where they do not answer.

        Raises:
            ProviderDown: they do not answer, or the document is another's.
        """
        with self._lock:
            if time.monotonic() - self._read_at > METADATA_SECONDS:
                try:
                    self._metadata, self._read_at = self._discover(), time.monotonic()
                except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
                    log.warning("upstream_unreachable", provider=self.name, error=str(error))
                    if not self._metadata:
                        raise ProviderDown(f"{self.label} does not answer right now. Try again in a minute.") from error
            return self._metadata

    def _discover(self) -> dict[str, Any]:
        answer = self._http.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        told = found["issuer"]
        # Microsoft's `common` and `organizations` tell a template in place of themselves.
        before, _, after = told.partition(TENANT)
        is_template = TENANT in told and self.issuer.startswith(before) and self.issuer.endswith(after)
        if told != self.issuer and not is_template:
            raise ValueError(f"the document at {self.issuer} is of the issuer {told}")
        for name in _ENDPOINTS:
            if not found[name].startswith("https://" if self.issuer.startswith("https://") else "http"):
                raise ValueError(f"{name} is not by https")
        return found

    def _trade(self, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri,
            "code_verifier": verifier, "client_id": self.client_id, "client_secret": self.client_secret,
        }  # fmt: skip
        try:
            answer = self._http.post(endpoint, data=form)
            if answer.status_code >= 500:
                raise ProviderDown
            if answer.status_code != 200:
                log.warning("upstream_refused", provider=self.name, status=answer.status_code)
                raise NotConfirmed
            found: dict[str, Any] = answer.json()
        except httpx.HTTPError as error:
            raise ProviderDown from error
        except ValueError as error:
            raise NotConfirmed from error
        return found if isinstance(found, dict) else {}

    def _key_source(self, url: str) -> RemoteKeys:
        with self._lock:
            if self._keys is None or self._keys.url != url:
                self._keys = RemoteKeys(url)
            return self._keys


def of(request: Request) -> dict[str, Provider]:
    """The providers set up here, by name."""
    known: dict[str, Provider] | None = getattr(request.app.state, "upstreams", None)
    if known is None:
        known = request.app.state.upstreams = _made(request.app.state.settings)
    return known


def named(request: Request, name: str) -> Provider:
    """One of them.

    Raises:
        ProviderUnknown.
    """
    try:
        return of(request)[name]
    except KeyError:
        raise ProviderUnknown from None


def _made(settings: ApiSettings) -> dict[str, Provider]:
    table = (
        ("google", "Google", settings.upstream_google_issuer, settings.upstream_google_client_id,
         settings.upstream_google_client_secret),
        ("microsoft", "Microsoft", settings.upstream_microsoft_issuer, settings.upstream_microsoft_client_id,
         settings.upstream_microsoft_client_secret),
    )  # fmt: skip
    return {
        name: Provider(
            name, label, issuer, client_id, secret.get_secret_value(),
            f"{settings.public_url}/login/with/{name}/callback",
        )
        for name, label, issuer, client_id, secret in table if client_id
    }  # fmt: skip

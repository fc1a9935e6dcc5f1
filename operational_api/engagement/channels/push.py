"""Push: to browsers (RFC 8030, sealed by RFC 8291, signed by VAPID) and to phones' apps by FCM's API, version 1.

One message goes to all devices of a person and counts as sent when one of them took it. Its id is the topic (the tag,
the collapse key): a copy that arrives again takes the place of the first and does not ring twice.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import requests
from joserfc import jwt
from joserfc.jwk import RSAKey
from pywebpush import WebPushException, webpush

from operational_api.engagement.channels.port import Device, Ready, Receipt, Refused, Sender, TryAgain, Unavailable
from operational_api.engagement.settings import ChannelSettings

TTL_SECONDS = 24 * 3600
MOST_BYTES = 4096 - 103
"""What every push service takes, less what sealing adds (RFC 8291), and so less than FCM takes."""
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class Gone(Exception):
    """The device wants no more pushes, or is no more."""


def payload_of(message: Ready) -> dict[str, str]:
    """What the service worker and the app are told."""
    return {
        "title": message.rendered.subject,
        "body": message.rendered.short,
        "url": message.path,
        "tag": message.id.hex,
        "lang": message.language,
    }


def _packed(payload: dict[str, str]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


@dataclass(frozen=True)
class PushGateway:
    """Web push and FCM together."""

    settings: ChannelSettings
    may_double: bool = False
    can_tell: bool = False
    tells_within: timedelta = timedelta()
    _fcm: "_Fcm | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        if account := self.settings.fcm_service_account.get_secret_value():
            object.__setattr__(self, "_fcm", _Fcm(self.settings.fcm_base_url, json.loads(account)))

    @contextmanager
    def opened(self) -> Iterator[Sender]:
        """No connection is kept: devices are at many services."""
        yield self

    def send(self, message: Ready) -> Receipt:
        """To every device.

        Raises:
            Refused: there is none, none is left, or it is too long for one of them, and nobody was asked.
            NotSent: none of those that are left took it now.
        """
        told = payload_of(message)
        size = len(_packed(told))
        if any(device.kind != "web" for device in message.devices):  # FCM is told them once more, for the screen
            size += len(told["title"].encode()) + len(told["body"].encode())
        if size > MOST_BYTES:
            raise Refused("too_long", f"{size} bytes")
        gone, taken, problems = [], 0, []
        for device in message.devices:
            try:
                self._to(device, message)
                taken += 1
            except Gone:
                gone.append(device.id)
            except (TryAgain, Unavailable) as error:
                problems.append(error)
        if taken:
            return Receipt(gone=gone)
        if not problems:
            raise Refused("no_device", gone=gone)
        raise TryAgain("; ".join(str(one) for one in problems), gone=gone)

    def _to(self, device: Device, message: Ready) -> None:
        if device.kind == "web":
            self._to_browser(device, message)
        elif self._fcm is None:
            raise TryAgain("FCM is not set up")
        else:
            self._fcm.send(device.endpoint, message)

    def _to_browser(self, device: Device, message: Ready) -> None:
        if not self.settings.is_push_service(device.endpoint):
            raise Gone
        try:
            webpush(
                {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}},
                _packed(payload_of(message)),
                vapid_private_key=self.settings.vapid_private_key.get_secret_value(),
                vapid_claims={"sub": self.settings.vapid_subject},
                ttl=TTL_SECONDS,
                timeout=15,
                headers={"Topic": message.id.hex, "Urgency": "normal"},
            )
        except WebPushException as error:
            status = error.response.status_code if error.response is not None else 0
            if status in (404, 410):
                raise Gone from error
            raise TryAgain(f"push service answered {status}") from error
        except requests.RequestException as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error


@dataclass
class _Fcm:
    """FCM's API for one project. Its access token is kept until a minute before it ends, and its connections as well:
    whom to believe by https takes longer to read than a push to send."""

    base_url: str
    account: dict[str, Any]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=15))
    _token: str = ""
    _until: float = 0

    def send(self, token: str, message: Ready) -> None:
        """To one app.

        Raises:
            Gone: FCM knows the token no more.
            TryAgain: not now.
        """
        told = payload_of(message)
        document = {
            "message": {
                "token": token,
                "notification": {"title": told["title"], "body": told["body"]},
                "data": told,
                "android": {
                    "collapse_key": told["tag"],
                    "ttl": f"{TTL_SECONDS}s",
                    "notification": {"tag": told["tag"]},
                },
                "apns": {"headers": {"apns-collapse-id": told["tag"]}},
            }
        }
        address = f"{self.base_url}/v1/projects/{self.account['project_id']}/messages:send"
        try:
            headers = {"Authorization": f"Bearer {self._access_token()}"}
            answer = self.client.post(address, json=document, headers=headers)
        except httpx.TransportError as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        if answer.status_code == 404 and "UNREGISTERED" in answer.text:  # another 404 is about us: a wrong project
            raise Gone
        if answer.status_code != 200:
            raise TryAgain(f"FCM answered {answer.status_code}")

    def _access_token(self) -> str:
        now = int(time.time())
        if now >= self._until:
            claims = {
                "iss": self.account["client_email"], "scope": SCOPE, "aud": self.account["token_uri"], "iat": now,
                "exp": now + 3600,
            }  # fmt: skip
            key = RSAKey.import_key(self.account["private_key"])
            header = {"alg": "RS256", "typ": "JWT", "kid": self.account.get("private_key_id", "")}
            grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            answer = self.client.post(
                self.account["token_uri"], data={"grant_type": grant, "assertion": jwt.encode(header, claims, key)}
            )
            if answer.status_code != 200:
                raise TryAgain(f"FCM's token endpoint answered {answer.status_code}")
            given = answer.json()
            self._token, self._until = given["access_token"], now + int(given["expires_in"]) - 60
        return self._token

"""Push: to browsers (RFC 8030, sealed by RFC 8291, signed by VAPID) and to phones' apps by `fcm`.

One message goes to all devices of a person and counts as sent when one of them took it. Its topic (the tag, the
collapse key) is its id, or that of the list it was in before: a copy that arrives again takes the place of the first.
A browser does not ring for it. One that its reader has put away by then is shown once more, as every push has to be.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import requests
from pywebpush import WebPushException, webpush

from operational_api.engagement.channels.port import Device, Ready, Receipt, Refused, Sender, TryAgain, Undecided
from operational_api.engagement.channels.wire import may_have_taken, never_left
from operational_api.engagement.settings import ChannelSettings

if TYPE_CHECKING:
    from operational_api.engagement.channels.fcm import Fcm

TTL_SECONDS = 24 * 3600
MOST_BYTES = 4096 - 103
"""What every push service takes, less what sealing adds (RFC 8291), and so less than FCM takes."""


class Gone(Exception):
    """The device wants no more pushes, or is no more."""


def topic_of(message: Ready) -> str:
    """By what a copy is known, in 32 characters: what a push service takes (RFC 8030)."""
    return (message.topic or message.id).hex


def payload_of(message: Ready) -> dict[str, str]:
    """What the service worker and the app are told."""
    return {
        "title": message.rendered.subject,
        "body": message.rendered.short,
        "url": message.path,
        "tag": topic_of(message),
        "lang": message.language,
    }


def for_app(message: Ready, token: str) -> dict[str, Any]:
    """What FCM is handed for one app: the words twice, for the screen of the phone and for the app."""
    told = payload_of(message)
    return {
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


def _packed(payload: dict[str, str]) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


@dataclass(frozen=True)
class PushGateway:
    """Web push and FCM together."""

    settings: ChannelSettings
    replaces: bool = True
    can_tell: bool = False
    tells_within: timedelta = timedelta()
    _fcm: "Fcm | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        if account := self.settings.fcm_service_account.get_secret_value():
            from operational_api.engagement.channels.fcm import Fcm  # only where there is an account

            object.__setattr__(self, "_fcm", Fcm(self.settings.fcm_base_url, json.loads(account)))

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
            except (TryAgain, Undecided) as error:
                problems.append(error)
        if taken:
            return Receipt(gone=gone)
        if not problems:
            raise Refused("no_device", gone=gone)
        kind = Undecided if any(isinstance(one, Undecided) for one in problems) else TryAgain
        raise kind("; ".join(str(one) for one in problems), gone=gone)

    def _to(self, device: Device, message: Ready) -> None:
        if device.kind == "web":
            self._to_browser(device, message)
        elif self._fcm is None:
            raise TryAgain("FCM is not set up")
        else:
            self._to_app(self._fcm, device, message)

    def _to_app(self, fcm: "Fcm", device: Device, message: Ready) -> None:
        from operational_api.engagement.channels.fcm import Unregistered

        try:
            fcm.send(for_app(message, device.endpoint))
        except Unregistered as error:
            raise Gone from error

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
                headers={"Topic": topic_of(message), "Urgency": "normal"},
            )
        except WebPushException as error:
            status = error.response.status_code if error.response is not None else 0
            if status in (404, 410):
                raise Gone from error
            kind = Undecided if may_have_taken(status) else TryAgain
            raise kind(f"push service answered {status}") from error
        except requests.RequestException as error:
            kind = TryAgain if never_left(error) else Undecided
            raise kind(f"{type(error).__name__}: {error}") from error
        except ValueError as error:  # of a key, the browser's or ours: nothing was sealed
            raise TryAgain(f"{type(error).__name__}: {error}") from error

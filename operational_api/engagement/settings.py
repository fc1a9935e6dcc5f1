"""How people are reached: the providers of every channel, by environment. Only addresses and secrets differ by place.

Read by the worker, which sends, and by the API, which hears what became of it.
"""

import base64
import hashlib
from fnmatch import fnmatch
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.sealing import Sealer
from operational_api.engagement.sending import CHANNELS, Channel

SmtpSecurity = Literal["plain", "starttls", "tls"]


class FileSettings(BaseSettings):
    """What files of messages need, by environment with the prefix `PLYO_`: the scanner that videos have, too, and the
    keys that seal health data, which a photo or a letter of a doctor is."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    media_scanner: str = ""
    """As `training.media.settings` has it. Empty: files stay unchecked, and nobody may have them."""
    health_data_keys: SecretStr = SecretStr("")
    """Without any, what lies in the object store is sealed by nobody but the store."""

    @property
    def sealer(self) -> Sealer | None:
        """What seals and opens."""
        told = self.health_data_keys.get_secret_value()
        return Sealer.of(told) if told else None


class ChannelSettings(BaseSettings):
    """Environment with the prefix `PLYO_`; a channel whose settings are empty is not there, and fallbacks step in."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    public_url: str = "http://127.0.0.1:8400"
    """The gateway's origin, base of every link in a message; Twilio signs addresses below it."""
    session_secret: SecretStr = SecretStr("")
    """Links to unsubscribe are signed with a key made from it."""
    mail_from: str = "Plyo <hello@plyo.test>"
    email_provider: Literal["smtp", "sendgrid"] = "smtp"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    smtp_security: SmtpSecurity = "plain"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    sendgrid_base_url: str = "https://api.sendgrid.com"
    sendgrid_api_key: SecretStr = SecretStr("")
    sendgrid_webhook_key: str = ""
    """The public key of the signed event webhook, base64 as SendGrid shows it."""
    twilio_base_url: str = "https://api.twilio.com"
    twilio_account_sid: str = ""
    twilio_auth_token: SecretStr = SecretStr("")
    sms_from: str = ""
    """Our number (E.164) or the sid of a messaging service (MG…)."""
    sms_thousand_segments_minor: int = 0
    """What the provider charges for a thousand segments of SMS, in minor units of `sms_currency`; 0 where it is not
    said. Each text keeps the price at which it left: another one holds for texts from then on."""
    sms_currency: str = "EUR"
    whatsapp_from: str = ""
    """Our WhatsApp number, E.164."""
    whatsapp_templates: dict[str, str] = {}
    """Approved content (HX…) by template, or by `template:language` where that is there."""
    vapid_private_key: SecretStr = SecretStr("")
    """32 bytes, base64url; browsers are given the public half."""
    vapid_subject: str = "mailto:hello@plyo.test"
    push_origins: str = (
        "https://fcm.googleapis.com,https://updates.push.services.mozilla.com,https://web.push.apple.com,"
        "https://*.notify.windows.com"
    )
    """Push services that we post to; a subscription elsewhere is refused: its address comes from a browser."""
    fcm_base_url: str = "https://fcm.googleapis.com"
    fcm_service_account: SecretStr = SecretStr("")
    """The service account's JSON; its `token_uri` is where its tokens come from."""
    fallback_after_seconds: float = 300
    """How long a provider may be down before a message that has another channel takes it."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that these settings say how to reach; what is not here is offered to nobody."""
        has_twilio = bool(self.twilio_account_sid)
        has_push = bool(self.vapid_private_key.get_secret_value() or self.fcm_service_account.get_secret_value())
        is_there = {
            "email": True, "sms": has_twilio and bool(self.sms_from),
            "whatsapp": has_twilio and bool(self.whatsapp_from), "push": has_push,
        }  # fmt: skip
        return tuple(channel for channel in CHANNELS if is_there[channel])

    def is_push_service(self, endpoint: str) -> bool:
        """Whether an address that a browser gave is one of a push service we know."""
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        return "@" not in parts.netloc and any(fnmatch(origin, one.strip()) for one in self.push_origins.split(","))

    @property
    def link_key(self) -> bytes:
        """Signs links that outlive five minutes."""
        return hashlib.sha256(b"plyo links 1" + self.session_secret.get_secret_value().encode()).digest()

    @property
    def vapid_public_key(self) -> str:
        """What browsers subscribe with, base64url; empty without web push."""
        if not (key := self.vapid_private_key.get_secret_value()):
            return ""
        from cryptography.hazmat.primitives import serialization
        from py_vapid import Vapid02

        point = Vapid02.from_string(key).public_key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

"""HubSpot's webhooks: verified, then those that are no echo of ours mark whom they are about. What changed is read by
the worker: a webhook says that something did, may come twice, late and in any order."""

import hmac
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from hubspot.utils.signature import Signature
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.core import notices
from operational_api.core.signatures import TOLERANCE_SECONDS, ForgedWebhook
from operational_api.integrations.crm import contacts
from operational_api.integrations.crm.contacts import FIELD_OF
from operational_api.integrations.errors import MalformedWebhook

log = get_logger(__name__)
MOST = 1_000


def verify(body: bytes, *, url: str, signature: str | None, timestamp: str | None, secret: str, now: datetime) -> None:
    """Pass when HubSpot signed it (version 3) within five minutes of now, either way.

    Raises:
        ForgedWebhook.
    """
    if not secret or not signature or not timestamp or not timestamp.isdecimal() or len(timestamp) > 15:
        raise ForgedWebhook
    try:
        expected = Signature.get_signature(secret, body.decode(), "v3", unquote(url), "POST", timestamp)
    except UnicodeDecodeError as error:
        raise ForgedWebhook from error
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise ForgedWebhook
    if abs(now.timestamp() - int(timestamp) / 1000) > TOLERANCE_SECONDS:
        raise ForgedWebhook("The signature of this webhook is too old.")


def receive(session: Session, body: bytes, now: datetime) -> int:
    """Mark the people whose contacts changed, and forget there who asked there to be erased. Returns how many; what we
    wrote ourselves marks nobody.

    Raises:
        MalformedWebhook: signed, but no list of events.
    """
    changes: dict[str, dict[str, str]] = {}
    erased: set[str] = set()
    for event in _events(body):
        kind, contact_id = str(event.get("subscriptionType", "")), event.get("objectId")
        if not kind.startswith("contact.") or contact_id is None:
            continue
        if kind == "contact.privacyDeletion":
            erased.add(str(contact_id))
            continue
        told = changes.setdefault(str(contact_id), {})
        if kind == "contact.merge":  # whom we know is any of them
            for one in (*_listed(event.get("mergedObjectIds")), event.get("primaryObjectId")):
                changes.setdefault(str(one), {})["email"] = "?"
        if kind == "contact.propertyChange":
            name = str(event.get("propertyName", ""))
            if name in FIELD_OF:
                told[name] = str(event.get("propertyValue") or "")
        else:  # deleted, merged, restored
            told["email"] = "?"  # no address: equals nothing that is known
    changes = {one: told for one, told in changes.items() if told}
    gone = contacts.forget(session, erased, now) if erased else 0
    if not changes:
        return gone
    echoes = contacts.echoes(session, changes)
    marked = contacts.mark_known(session, changes.keys() - echoes, now)
    log.info("crm_changes_heard", contacts=len(changes), echoes=len(echoes), marked=marked)
    return marked + gone


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _events(body: bytes) -> list[dict[str, Any]]:
    try:
        told, unusable = notices.read_batch(body)
    except ValueError as error:
        raise MalformedWebhook from error
    if len(told) + unusable > MOST:
        raise MalformedWebhook
    if unusable:
        log.warning("crm_changes_unusable", changes=unusable)
    return told

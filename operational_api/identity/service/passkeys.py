"""Passkeys (WebAuthn) as second factor: registering one, and proving that one holds it.

A challenge is given out for one purpose of one sign-in or session, for five minutes, and is gone at the first answer,
right or wrong. Origin and relying party are the public address. The authenticator must have verified the person.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    generate_challenge,
    options_to_json_dict,
    parse_client_data_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from contracts.events.identity import FactorAdded
from contracts.telemetry import get_logger
from operational_api.core.outbox import publish
from operational_api.identity.errors import FactorNotFound, PasskeyRefused
from operational_api.identity.models import Account, Passkey, PasskeyChallenge
from operational_api.identity.service.links import digest

log = get_logger(__name__)
CHALLENGE_LIFETIME = timedelta(minutes=5)
MOST = 10
_TRANSPORTS = {"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Where passkeys of ours work.

    Args:
        origin: The public address.
    """

    origin: str

    @property
    def id(self) -> str:
        """The host name."""
        return urlsplit(self.origin).hostname or ""

    @property
    def can_have_passkeys(self) -> bool:
        """Browsers keep passkeys for names only, and only where nobody listens: https, or localhost."""
        try:
            ip_address(self.id)
        except ValueError:
            return self.origin.startswith("https://") or self.id == "localhost" or self.id.endswith(".localhost")
        return False


def of(session: Session, account_id: UUID) -> list[Passkey]:
    """Somebody's passkeys, oldest first."""
    return list(session.scalars(select(Passkey).where(Passkey.account_id == account_id).order_by(Passkey.id)))


def registration_options(
    session: Session, *, account: Account, holder_id: UUID, party: RelyingParty, now: datetime
) -> dict[str, Any]:
    """What the browser is told to make a passkey, JSON-ready. Known authenticators are not asked again."""
    challenge = _give_out(session, account.id, holder_id, "register", now)
    options = webauthn.generate_registration_options(
        rp_id=party.id, rp_name="Plyo", user_id=account.id.bytes, user_name=account.email,
        user_display_name=account.display_name, challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(session, account.id),
    )  # fmt: skip
    return options_to_json_dict(options)


def register(
    session: Session, *, account: Account, holder_id: UUID, answer: str, name: str, party: RelyingParty, now: datetime
) -> Passkey:
    """Keep a passkey that a browser made.

    Args:
        answer: The credential as JSON, as browsers write it.
        name: What the person calls it; may be empty.

    Raises:
        PasskeyRefused: it answers no challenge of ours, comes from elsewhere, or its person was not verified.
    """
    if len(of(session, account.id)) >= MOST:
        raise PasskeyRefused(f"You have {MOST} passkeys. Remove one that you do not need any more.")
    credential, challenge = _answered(session, answer, account.id, holder_id, "register", now)
    try:
        made = webauthn.verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError) as error:
        log.warning("passkey_registration_refused", account_id=str(account.id), reason=str(error))
        raise PasskeyRefused from error
    if session.scalar(select(Passkey.id).where(Passkey.credential_id == made.credential_id)) is not None:
        raise PasskeyRefused("This passkey is known already.")
    said = credential.get("response", {}).get("transports") or []
    row = Passkey(
        account_id=account.id, credential_id=made.credential_id, public_key=made.credential_public_key,
        sign_count=made.sign_count, transports=[one for one in said if one in _TRANSPORTS],
        name=" ".join(name.split())[:80] or "Passkey", created_at=now,
        is_synced=made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
    )  # fmt: skip
    session.add(row)
    publish(session, FactorAdded(occurred_at=now, account_id=account.id, factor="passkey"))
    return row


def sign_in_options(
    session: Session, *, account_id: UUID, holder_id: UUID, party: RelyingParty, now: datetime
) -> dict[str, Any]:
    """What the browser is told to prove that it holds one of the account's passkeys, JSON-ready."""
    challenge = _give_out(session, account_id, holder_id, "sign_in", now)
    options = webauthn.generate_authentication_options(
        rp_id=party.id, challenge=challenge, allow_credentials=_descriptors(session, account_id),
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    return options_to_json_dict(options)


def verify(
    session: Session, *, account_id: UUID, holder_id: UUID, answer: str, party: RelyingParty, now: datetime
) -> Passkey:
    """The passkey that was proved; its counter moves on.

    Raises:
        PasskeyRefused: no challenge of ours, another origin, not verified, a counter that did not move (a copy), or
            not a passkey of this account.
    """
    credential, challenge = _answered(session, answer, account_id, holder_id, "sign_in", now)
    row = session.scalar(
        select(Passkey)
        .where(Passkey.account_id == account_id, Passkey.credential_id == _bytes(credential.get("rawId")))
        .with_for_update()
    )
    if row is None:
        raise PasskeyRefused
    try:
        proved = webauthn.verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError) as error:
        log.warning("passkey_refused", account_id=str(account_id), reason=str(error))
        raise PasskeyRefused from error
    row.sign_count, row.last_used_at = proved.new_sign_count, now
    return row


def remove(session: Session, *, account_id: UUID, passkey_id: UUID) -> None:
    """Forget one passkey.

    Raises:
        FactorNotFound.
    """
    row = session.get(Passkey, passkey_id)
    if row is None or row.account_id != account_id:
        raise FactorNotFound
    session.delete(row)
    session.flush()


def _descriptors(session: Session, account_id: UUID) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=row.credential_id) for row in of(session, account_id)]


def _give_out(session: Session, account_id: UUID, holder_id: UUID, purpose: str, now: datetime) -> bytes:
    challenge = generate_challenge()
    session.add(
        PasskeyChallenge(
            challenge_hash=digest(bytes_to_base64url(challenge)), account_id=account_id, holder_id=holder_id,
            purpose=purpose, expires_at=now + CHALLENGE_LIFETIME,
        )
    )  # fmt: skip
    return challenge


def _answered(
    session: Session, answer: str, account_id: UUID, holder_id: UUID, purpose: str, now: datetime
) -> tuple[dict[str, Any], bytes]:
    """The credential and the challenge that it answers, which is gone from now on."""
    try:
        credential = json.loads(answer)
        challenge = parse_client_data_json(_bytes(credential["response"]["clientDataJSON"])).challenge
    except (WebAuthnException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise PasskeyRefused from error
    taken = session.execute(
        delete(PasskeyChallenge)
        .where(PasskeyChallenge.challenge_hash == digest(bytes_to_base64url(challenge)))
        .returning(
            PasskeyChallenge.account_id, PasskeyChallenge.holder_id, PasskeyChallenge.purpose,
            PasskeyChallenge.expires_at,
        )
    ).first()  # fmt: skip
    if taken is None or tuple(taken[:3]) != (account_id, holder_id, purpose) or taken.expires_at <= now:
        raise PasskeyRefused("That took too long, or was answered before. Try again.")
    return credential, challenge


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise PasskeyRefused
    try:
        return base64url_to_bytes(value)
    except ValueError as error:
        raise PasskeyRefused from error

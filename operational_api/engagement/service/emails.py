"""Asking for an e-mail: which exist, what each needs, and that asking twice sends once. Sending is `channels.email`."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.engagement.errors import UnknownTemplate
from operational_api.engagement.models import OutgoingEmail

TEMPLATES: dict[str, frozenset[str]] = {
    name: frozenset(needs.split())
    for name, needs in {
        "verify_email": "name path",
        "reset_password": "name path",
        "account_exists": "name path",
        "password_changed": "name",
        "confirm_email": "name path",
        "sign_in_code": "name code",
        "security_notice": "name what detail",
        "booking_confirmed": "name booking_id title coach location starts_at ends_at time_zone",
        "booking_cancelled": "name booking_id title coach starts_at time_zone is_late is_by_coach",
        "waitlist_promoted": "name booking_id title coach location starts_at ends_at time_zone",
        "waitlist_offered": "name booking_id title coach location starts_at time_zone expires_at",
        "payment_receipt": "name amount_minor currency",
        "payment_failed": "name amount_minor currency",
        "payment_refunded": "name amount_minor currency",
        "subscription_started": "name is_trial",
        "subscription_cancelled": "name",
        "new_message": "name sender body path",
    }.items()
}
"""Template name -> the values its context must have. `path` is a path of ours ("/verify-email?token=…"), times are
ISO 8601 with an offset, amounts are minor units. Further values are allowed where the template knows them."""

SECRET_VALUES = ("path", "code")
"""Values wiped from the row once the e-mail has left: links may carry a one-time token, a code is one."""


def queue_email(
    session: Session, *, dedupe_key: str, recipient: str, template: str, context: dict[str, Any], now: datetime
) -> bool:
    """Have the worker send an e-mail after this transaction commits.

    Args:
        dedupe_key: Names the reason, as in `booking_confirmed:<booking id>`; the second request with it does nothing.
        recipient: An address.
        context: JSON-ready values for the template, at least those in `TEMPLATES`.

    Returns:
        False when an e-mail with this `dedupe_key` was asked for before.

    Raises:
        UnknownTemplate: no such template, or a value it needs is missing.
    """
    if template not in TEMPLATES:
        raise UnknownTemplate(f"No e-mail is called {template!r}. There are: {', '.join(sorted(TEMPLATES))}.")
    if missing := TEMPLATES[template] - context.keys():
        raise UnknownTemplate(f"The e-mail {template!r} needs {', '.join(sorted(missing))}.")
    statement = (
        insert(OutgoingEmail)
        .values(
            dedupe_key=dedupe_key, recipient=recipient, template=template, context=context, next_attempt_at=now
        )
        .on_conflict_do_nothing(index_elements=[OutgoingEmail.dedupe_key])
        .returning(OutgoingEmail.id)
    )  # fmt: skip
    return session.scalar(statement) is not None

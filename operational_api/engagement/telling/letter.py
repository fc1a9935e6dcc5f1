"""An e-mail on what another context tells, named by its reason, so that a repeat is one.

News goes stale: an event that waited longer than a day (a restored backup, a long outage) is not written about.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from operational_api.core import clock
from operational_api.engagement.service.contacts import Contact
from operational_api.engagement.service.emails import queue_email

STALE_AFTER = timedelta(days=1)


def mail(session: Session, event: Event, to: Contact | None, template: str, key: object, **context: Any) -> None:
    """Queue it, unless there is nobody or the news is stale.

    Args:
        key: What tells it from others of this template.
    """
    if to is None or clock.now() - event.occurred_at > STALE_AFTER:
        return
    queue_email(
        session, dedupe_key=f"{template}:{key}", recipient=to.email, template=template,
        context={"name": to.first_name, **context}, now=clock.now(),
    )  # fmt: skip

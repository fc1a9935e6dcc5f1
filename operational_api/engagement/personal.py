"""What engagement gives a person of itself: what was written, by and to them, with its files; how they are reached."""

from collections.abc import Iterator, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from contracts.sealing import Sealer
from operational_api.core.objects import ObjectMissing, ObjectStore
from operational_api.core.personal import Contributed, Elsewhere, Person, PersonalFile, given
from operational_api.engagement.errors import AttachmentNotFound
from operational_api.engagement.filing import fetch
from operational_api.engagement.models import Attachment, AttachmentFile


def _attachments(session: Session, person: Person) -> Sequence[PersonalFile]:
    """Files of their thread, or that they sent; none that is still checked or was found harmful."""
    theirs = (Attachment.customer_id == person.account_id) | (Attachment.uploader_id == person.account_id)
    found = (
        select(Attachment, AttachmentFile)
        .join(AttachmentFile, AttachmentFile.attachment_id == Attachment.id)
        .where(theirs, AttachmentFile.status == "ready")
        .options(undefer(AttachmentFile.content))
        .order_by(Attachment.id)
    )
    return [
        PersonalFile(
            f"attachments/{row.created_at:%Y-%m-%d}-{row.id}-{row.name}",
            partial(_attachment, row.id, file.content, file.is_sealed),
        )
        for row, file in session.execute(found)
    ]


def _attachment(
    id_: UUID, content: bytes | None, is_sealed: bool, store: ObjectStore, sealer: Sealer | None
) -> Iterator[bytes]:
    if content is not None:  # on its way to the store
        return iter([content])
    try:
        return iter([fetch(id_, store, sealer if is_sealed else None)])
    except AttachmentNotFound:
        raise ObjectMissing(str(id_)) from None


LISTED = Elsewhere("service.forgetting")
PERSONAL = [
    Contributed(
        "engagement",
        {
            "announcements": given("author_id", LISTED),
            "attachments": given("customer_id uploader_id", LISTED),
            "channel_choices": given("customer_id", LISTED),
            "contact_preferences": given("customer_id", LISTED),
            "digest_choices": given("customer_id", LISTED),
            "do_not_disturb": given("account_id", LISTED),
            "inbox_messages": given("person_id", LISTED, omit="dedupe_key"),
            "leads": given("customer_id", LISTED, by_email="email", omit="owner"),
            "lifecycle_facts": given("person_id", LISTED),
            "lifecycle_stages": given("person_id", LISTED),
            "message_templates": given("owner_id", LISTED),
            "messages": given("customer_id sender_id", LISTED),
            "outgoing_emails": given(
                "customer_id", LISTED, by_email="recipient", omit="context dedupe_key digest_id last_error topic"
            ),
            "phones": given("customer_id", LISTED),
            "push_subscriptions": given("customer_id", LISTED, omit="endpoint p256dh auth"),
            "scheduled_files": given("", LISTED, through="scheduled_id", omit="content"),
            "scheduled_messages": given("sender_id", LISTED),
            "suppressions": given(closing=LISTED, by_email="address"),
        },
        {},
        _attachments,
    )
]

"""Facts about what people allow."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class ConsentChanged(Event):
    """A customer gave or withdrew consent to one kind of health data for one purpose."""

    type: ClassVar[str] = "compliance.consent_changed"
    aggregate: ClassVar[str] = "customer_id"
    consent_id: UUID
    customer_id: UUID
    data_kind: str
    purpose: str
    is_given: bool
    policy_version: str


class ExportRequested(Event):
    """Somebody of the business asked for a file of customers' data. `dataset`: customers or payments."""

    type: ClassVar[str] = "compliance.export_requested"
    aggregate: ClassVar[str] = "export_id"
    export_id: UUID
    dataset: str
    purpose: str
    requested_by: UUID


class ExportDecided(Event):
    """`decision` is approved, declined, withdrawn or expired (then by nobody). Approved: the worker makes the file."""

    type: ClassVar[str] = "compliance.export_decided"
    aggregate: ClassVar[str] = "export_id"
    export_id: UUID
    decision: str
    decided_by: UUID | None
    requested_by: UUID


class PersonalExportRequested(Event):
    """A person asked for a copy of all that is known of them, or one of the business for them (`requested_by`)."""

    type: ClassVar[str] = "compliance.personal_export_requested"
    aggregate: ClassVar[str] = "account_id"
    export_id: UUID
    account_id: UUID
    requested_by: UUID


class PersonalExportMade(Event):
    """The copy can be fetched until `expires_at`."""

    type: ClassVar[str] = "compliance.personal_export_made"
    aggregate: ClassVar[str] = "account_id"
    export_id: UUID
    account_id: UUID
    expires_at: datetime
    row_count: int
    file_count: int
    size_bytes: int

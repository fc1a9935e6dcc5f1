"""What an endpoint may hear of: a list of its own, so that a new event leaves Plyo only when somebody puts it here.

Nothing about training and health is in it, and never is: whoever adds one fails a test.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.events import billing, commerce, engagement, identity, scheduling
from contracts.events.envelope import Event

KINDS: Mapping[str, str] = {
    engagement.LeadCaptured.type: "Somebody left their address",
    engagement.LeadChanged.type: "Something of a lead's was changed",
    engagement.LeadConverted.type: "A lead has an account",
    engagement.LeadLost.type: "A lead is not coming",
    engagement.LeadReopened.type: "A lead that was lost waits again",
    engagement.LeadForgotten.type: "A lead wants to be forgotten: delete your copy",
    engagement.LifecycleStageChanged.type: "A person entered another stage (trial, active, at risk, …)",
    engagement.ContactChoiceMade.type: "A person said what may reach them",
    identity.AccountRegistered.type: "An account was opened",
    identity.AccountClosed.type: "An account was closed",
    commerce.SubscriptionStarted.type: "A membership or trial began",
    commerce.SubscriptionChanged.type: "A membership was changed, paused or resumed",
    commerce.SubscriptionCancelled.type: "A membership was cancelled or has ended",
    commerce.PaymentCaptured.type: "A payment came in",
    commerce.PaymentFailed.type: "A payment failed",
    commerce.PaymentRefunded.type: "A payment was given back",
    commerce.PackBought.type: "A pack of sessions was bought",
    billing.InvoiceIssued.type: "An invoice was issued",
    commerce.DisputeOpened.type: "A payment was contested at the bank",
    commerce.DisputeClosed.type: "The bank decided about a contested payment",
    scheduling.SessionBooked.type: "A session was booked",
    scheduling.SessionMoved.type: "A session was moved",
    scheduling.SessionCancelled.type: "A session was cancelled",
    scheduling.SessionAttended.type: "Somebody came to a session",
    scheduling.SessionMissed.type: "Somebody missed a session",
}
"""Kinds by the type of their event, in words."""
GROUPS: Mapping[str, str] = {
    "engagement": "Leads and stages", "identity": "Accounts", "commerce": "Memberships and payments",
    "scheduling": "Sessions",
}  # fmt: skip
TEST_KIND = "plyo.test"
_PEOPLE = ("customer_id", "account_id", "person_id", "lead_id")


def person_of(facts: Mapping[str, Any], aggregate_id: UUID) -> UUID:
    """Whose order an event belongs to: the person it is about, else its aggregate."""
    told = next((facts[name] for name in _PEOPLE if facts.get(name)), None)
    return UUID(str(told)) if told else aggregate_id


def body_of(kind: str, version: int, occurred_at: datetime, facts: Mapping[str, Any]) -> str:
    """What is sent: the event as its schema says it, and nothing else; the same bytes whenever it is made."""
    told = {
        "type": kind,
        "timestamp": occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "version": version,
        "data": facts,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def body_of_event(event: Event) -> str:
    """`body_of` an event."""
    return body_of(event.type, event.version, event.occurred_at, event.facts())

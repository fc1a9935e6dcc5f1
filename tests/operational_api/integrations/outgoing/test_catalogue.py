"""What may be told to the world outside: facts of the business, never of health."""

from contracts.events import billing, commerce, compliance, training
from contracts.events.registry import EVENTS
from contracts.ids import new_id
from operational_api.integrations.outgoing.catalogue import GROUPS, KINDS, person_of

NEVER = ("training", "compliance", "automation", "integrations")
HEALTHY = {"weight", "heart", "sleep", "injury", "severity", "pain", "body", "screening", "answers", "note", "rpe"}


def test_kinds_are_events_of_contexts_that_know_nothing_of_health() -> None:
    assert set(KINDS) <= EVENTS.keys()
    assert {one.split(".")[0] for one in KINDS} == set(GROUPS)
    assert not set(GROUPS) & set(NEVER)
    assert {training.InjuryReported.type, compliance.ConsentChanged.type} & set(KINDS) == set()


def test_no_field_of_one_speaks_of_health() -> None:
    words = {word for kind in KINDS for name in EVENTS[kind].model_fields for word in name.split("_")}
    assert words & HEALTHY == set()


def test_an_order_is_the_persons_or_where_there_is_none_the_aggregates() -> None:
    mia, lead, other = new_id(), new_id(), new_id()
    assert person_of({"customer_id": str(mia), "lead_id": str(lead)}, other) == mia
    assert person_of({"lead_id": str(lead)}, other) == lead
    assert person_of({"customer_id": None}, other) == other


def test_every_way_that_money_comes_and_goes_is_told() -> None:
    moved = {
        commerce.SubscriptionStarted, commerce.PackBought, commerce.PaymentCaptured, commerce.PaymentFailed,
        commerce.PaymentRefunded, commerce.DisputeOpened, commerce.DisputeClosed, billing.InvoiceIssued,
    }  # fmt: skip
    assert {one.type for one in moved} <= set(KINDS)

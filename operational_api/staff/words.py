"""The audit log in words: what an action was, what it was done to, and what an auditor chooses from."""

from collections.abc import Mapping

ACTIONS: dict[str, str] = {
    "analytics.read_client": "looked at charts and numbers",
    "commerce.create_refund": "gave money back",
    "commerce.decide_parked": "decided about billing that was stopped",
    "commerce.give_credit": "gave a customer something to spend",
    "commerce.read_wallet": "saw a wallet",
    "commerce.set_billed_to": "changed whom invoices are addressed to",
    "commerce.set_payer": "changed who pays for somebody",
    "commerce.settle_waiting": "settled a charge or a credit",
    "compliance.check_events": "had the record of events looked at",
    "compliance.give_consent": "gave consent",
    "compliance.make_copy": "made a copy of somebody's data",
    "compliance.make_export": "made the file of an export",
    "compliance.open_copy": "fetched the copy of their data",
    "compliance.open_export": "fetched the file of an export",
    "compliance.read_audit": "read the audit log",
    "compliance.request_copy": "asked for a copy of somebody's data",
    "compliance.withdraw_consent": "withdrew consent",
    "core.call_route": "tried to open something",
    "engagement.settle_message": "said what becomes of a message in doubt",
    "engagement.revive_address": "had us write to an address again",
    "identity.ask_step_up": "was asked for more proof at sign-in",
    "identity.change_password": "changed a password",
    "identity.change_role": "changed a role",
    "identity.dispute_sign_in": "said a sign-in was not theirs",
    "identity.end_session": "ended a session",
    "identity.end_sessions": "signed somebody out everywhere",
    "identity.look_up_person": "looked somebody up",
    "identity.read_sign_ins": "read sign-ins",
    "identity.reset_factors": "removed a second step",
    "identity.sign_in": "signed in",
    "scheduling.assign_desk": "changed where somebody's front desk is",
    "scheduling.book_for": "booked for a customer",
    "scheduling.undo_booking": "took back what was booked for a customer",
    "training.assign_programme": "changed a programme",
    "training.log_workout": "logged a workout",
    "training.read_client": "looked at a training overview",
    "training.read_injuries": "looked at injuries",
    "training.read_programmes": "looked at a programme",
    "training.read_progress": "looked at progress",
    "training.read_workouts": "looked at workouts",
    "training.report_injury": "noted an injury",
    "training.resolve_injury": "closed an injury",
}
CONTEXTS = {
    "training.": "Everything about training and health",
    "identity.": "Everything about accounts and sign-in",
    "commerce.": "Everything about money",
    "compliance.": "Everything about consent, exports and this log",
    "scheduling.": "Everything about bookings",
    "integrations.": "Everything about connectors",
}
OBJECTS = {
    "Account": "a person's account", "AuditLog": "the audit log", "BillingItem": "a charge or a credit",
    "Booking": "a booking", "Client": "a client", "Customer": "a customer's billing",
    "Consent": "a consent", "Connector": "a connector", "Export": "an export",
    "FactorReset": "a request about a second step",
    "Injury": "an injury", "LoginSession": "a session", "Message": "a message",
    "ParkedInvoice": "an invoice that was stopped", "Payment": "a payment", "People": "a search for people",
    "PersonalExport": "a copy of somebody's data",
    "RefundRequest": "a request for a refund", "RoleGrant": "a request for a role", "Route": "a page or an address",
    "WearableLink": "a device", "Workout": "a workout",
}  # fmt: skip
OUTCOMES = {"done": "Done", "refused": "Refused", "failed": "Failed"}


_ASKED = {
    "commerce.request_refund": "a refund",
    "compliance.request_customer_export": "an export of customers' data",
    "identity.request_factor_reset": "the removal of a second step",
    "identity.request_role": "a role",
}
_DECIDED = {
    "commerce.approve_refund": "a refund",
    "compliance.approve_export": "an export of customers' data",
    "identity.approve_factor_reset": "the removal of a second step",
    "identity.approve_role": "a role",
}
_ENDS = {
    "requested": "asked for {}", "withdrawn": "took back their request for {}", "approved": "approved {}",
    "declined": "refused {}", "expired": "closed a request for {} that nobody decided",
}  # fmt: skip
CHOICES: Mapping[str, str] = (
    ACTIONS
    | {name: f"asked for {what}" for name, what in _ASKED.items()}
    | {name: f"decided on {what}" for name, what in _DECIDED.items()}
)
"""Actions that an auditor can choose, in words."""
_PURPOSES = {
    "own": "Their own data", "care": "To care for them", "security": "For security", "audit": "To check",
    "operations": "",
}  # fmt: skip
_TOLD_OTHERWISE = frozenset({"decision", "client_id", "grant", "reset"})


def action(name: str, object_type: str, details: Mapping[str, object]) -> str:
    """What somebody did, to follow their name; what is not listed says so by its own name."""
    if (what := _ASKED.get(name) or _DECIDED.get(name)) is not None:
        return _ENDS.get(str(details.get("decision")), "tried to decide on {}").format(what)
    if object_type == "People":
        return "searched for people"
    context, _, rest = name.partition(".")
    return ACTIONS.get(name) or f"{rest.replace('_', ' ')} ({context})"


def purpose(name: str | None) -> str:
    """Why, as a short sentence without its full stop; empty where it goes without saying."""
    return _PURPOSES.get(name or "operations", f"For {name}")


def thing(object_type: str, object_id: str) -> str:
    """What it was done to."""
    if object_type == "Route":
        return object_id
    named = "".join(f" {one.lower()}" if one.isupper() else one for one in object_type).strip()
    return OBJECTS.get(object_type) or named


def details(found: Mapping[str, object], names: Mapping[str, str]) -> str:
    """What else was noted, as short words.

    Args:
        names: What to call people, by their id as text.
    """
    told = {key: names.get(str(value), value) for key, value in found.items() if key not in _TOLD_OTHERWISE}
    lists = {key: " and ".join(map(str, value)) for key, value in told.items() if isinstance(value, list)}
    said = {key: value for key, value in (told | lists).items() if value not in (None, "")}
    return ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in said.items())

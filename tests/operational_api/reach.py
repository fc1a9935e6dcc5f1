"""Whose things the roles of `matrix` reach, route by route: written by hand, as that is.

`OBJECTS` says for every route about one object whose it may be: `own` roles reach only what is theirs, `every` roles
reach anybody's, and whoever else may do the action reaches none of the objects here. `GRAPH` and `MUTATIONS` say the
same of the graph.
"""

from dataclasses import dataclass, field
from typing import Any

from operational_api.training.screening import QUESTIONS, VERSION
from tests.operational_api.matrix import COACHES, EVERYBODY, PEOPLE


@dataclass(frozen=True)
class Object:
    """A route about one object.

    Args:
        of: What kind of thing the id is of (`World.ids`).
        own: Roles that reach it where it is theirs.
        every: Roles that reach it whoever's it is.
        at: Where the id goes: the one parameter of the path, or `query.<name>` or `body.<name>`.
        body: JSON that the route accepts; `form` sends it as a form.
    """

    of: str
    own: str = ""
    every: str = ""
    at: str = "path"
    body: dict[str, Any] | None = None
    form: dict[str, Any] = field(default_factory=dict)


CANCELLED = "front_desk lead_coach admin"
LOG = {"sets": [{"exercise_id": "EXERCISE", "reps": 5, "weight_kg": 60}]}
LINES = {"lines": [{"day": 1, "position": 1, "exercise_id": "EXERCISE", "sets": 3, "reps": 5, "weight_kg": 60}]}
PROGRAMME = LINES | {
    "name": "Base", "goal": "strength", "starts_on": "TOMORROW", "weeks": 4, "sessions_per_week": 2,
}  # fmt: skip
SCREENING = {"answers": dict.fromkeys((one.key for one in QUESTIONS[VERSION]), False)}
TEMPLATE = LINES | {"name": "Base", "goal": "strength", "weeks": 4, "sessions_per_week": 2}
INJURY = {"body_part": "knee", "severity": 1, "occurred_on": "2026-01-05"}
CLASS: dict[str, Any] = {"title": "Mobility", "wall_start": "18:00", "minutes": 60, "capacity": 8}
HOURS: dict[str, Any] = {"rules": [], "time_off": []}

OBJECTS: dict[str, Object] = {
    "GET /api/commerce/customers/{customer_id}/wallet": Object(
        "customer", "customer", "front_desk support finance admin"
    ),
    "POST /api/commerce/customers/{customer_id}/wallet/gifts": Object(
        "customer", "", "front_desk finance admin", body={"amount_minor": 500, "reason": "Sorry"}
    ),
    "POST /staff/people/{account_id}/gifts": Object(
        "customer", "", "front_desk admin", form={"amount": "5", "reason": "Sorry"}
    ),
    "GET /api/scheduling/bookings/{booking_id}": Object(
        "booking", "customer coach", "front_desk support lead_coach admin"
    ),
    "POST /api/scheduling/bookings/{booking_id}/cancellation": Object("booking", "customer coach", CANCELLED),
    "POST /api/scheduling/bookings/{booking_id}/rescheduling": Object(
        "booking", "customer coach", CANCELLED, body={"slot_id": "FREE_SLOT"}
    ),
    "POST /api/scheduling/bookings/{booking_id}/outcome": Object(
        "booking", "coach", CANCELLED, body={"outcome": "attended"}
    ),
    "POST /api/scheduling/bookings/{booking_id}/calendar-link": Object(
        "booking", "customer coach", "front_desk support lead_coach admin"
    ),
    "GET /bookings/{booking_id}/calendar": Object("booking", "customer coach", "front_desk support lead_coach admin"),
    "POST /bookings/{booking_id}/cancel": Object("booking", "customer coach", CANCELLED),
    "POST /api/scheduling/slots/{slot_id}/cancellation": Object("slot", "coach", CANCELLED),
    "GET /api/scheduling/availability": Object("coach", "coach", CANCELLED, at="query.coach_id"),
    "PUT /api/scheduling/availability": Object("coach", "coach", "lead_coach admin", at="query.coach_id", body=HOURS),
    "GET /api/training/clients/{customer_id}": Object(
        "customer", "customer coach", "front_desk support lead_coach admin"
    ),
    "GET /api/training/clients/{customer_id}/progress": Object("customer", "customer coach", "lead_coach admin"),
    "GET /api/training/clients/{customer_id}/injuries": Object("customer", "customer coach"),
    "POST /api/training/clients/{customer_id}/injuries": Object("customer", "customer coach", body=INJURY),
    "POST /api/training/injuries/{injury_id}/resolution": Object("injury", "customer coach"),
    "GET /api/training/workouts": Object("customer", "customer coach", "lead_coach admin", at="query.customer_id"),
    "POST /api/training/workouts": Object(
        "customer", "customer coach", "admin", at="body.customer_id", body=LOG | {"id": "NEW"}
    ),
    "GET /api/training/workouts/{workout_id}": Object("workout", "customer coach", "lead_coach admin"),
    "PUT /api/training/workouts/{workout_id}": Object("workout", "customer coach", "admin", body=LOG),
    "DELETE /api/training/workouts/{workout_id}": Object("workout", "customer coach", "admin"),
    "POST /api/training/workouts/{workout_id}/skip": Object("planned_workout", "customer coach", "admin"),
    "GET /api/training/programmes": Object("customer", "customer coach", "lead_coach admin", at="query.customer_id"),
    "POST /api/training/programmes": Object(
        "customer", "coach", "lead_coach admin", at="body.customer_id", body=PROGRAMME
    ),
    "PUT /api/training/programmes/{programme_id}/lines": Object("programme", "coach", "lead_coach admin", body=LINES),
    "GET /training/workouts/{workout_id}": Object("workout", "customer"),
    "POST /training/workouts/{workout_id}/delete": Object("workout", "customer"),
    "POST /training/workouts/{workout_id}/skip": Object("planned_workout", "customer"),
    "POST /training/injuries/{injury_id}/resolve": Object("injury", "customer"),
    "GET /api/engagement/threads/{customer_id}/messages": Object("customer", "customer coach", "admin"),
    "POST /api/engagement/threads/{customer_id}/messages": Object("customer", "customer coach", body={"body": "Hi"}),
    "POST /api/engagement/threads/{customer_id}/read": Object("customer", "customer coach"),
    "POST /api/automation/runs/{run_id}/send": Object("run", "coach", body={"body": "Hi"}),
    "POST /api/automation/runs/{run_id}/dismiss": Object("run", "coach", body={"reason": "away"}),
    "POST /api/automation/runs/{run_id}/undo": Object("dismissed_run", "coach"),
    "DELETE /api/integrations/wearables/{link_id}": Object("ended_link", "customer"),
    "POST /devices/{link_id}/end": Object("ended_link", "customer"),
    "DELETE /api/identity/sessions/{session_id}": Object("session", PEOPLE),
    "POST /account/sessions/{session_id}/end": Object("session", PEOPLE),
    "POST /account/sign-ins/{attempt_id}/dispute": Object("attempt", PEOPLE),
    "POST /account/factors/passkeys/{passkey_id}/remove": Object("passkey", PEOPLE),
    "GET /staff/people/{account_id}": Object("customer", every="front_desk support admin"),
    "GET /staff/people/{account_id}/invoices": Object("customer", every="finance admin"),
    "GET /staff/invoices/{invoice_id}": Object("invoice", every="finance admin"),
    "POST /staff/people/{account_id}/factor-resets": Object(
        "customer", every="front_desk support admin", form={"identity_check": "photo_id", "reason": "Lost"}
    ),
    "PUT /api/engagement/inbox/{message_id}": Object("told", PEOPLE, body={"is_read": True}),
    "POST /inbox/{message_id}": Object("told", PEOPLE, form={"what": "archive"}),
    "POST /api/identity/me/copies/{export_id}/link": Object("copy", PEOPLE),
    "POST /account/data/{export_id}/link": Object("copy", PEOPLE),
    "POST /api/identity/accounts/{account_id}/copies": Object(
        "customer", every="admin", body={"reason": "Wrote to us"}
    ),
    "POST /staff/people/{account_id}/copies": Object("customer", every="admin", form={"reason": "Wrote to us"}),
    "POST /api/identity/accounts/{account_id}/sign-outs": Object(
        "customer", every="support admin", body={"reason": "Phone stolen"}
    ),
    "GET /api/scheduling/desk-locations/{account_id}": Object("customer", every="admin"),
    "PUT /api/scheduling/desk-locations/{account_id}": Object("customer", every="admin", body={"location_ids": []}),
    "POST /staff/people/{account_id}/studios": Object("customer", every="admin", form={}),
    "POST /staff/people/{account_id}/sign-outs": Object(
        "customer", every="support admin", form={"reason": "Phone stolen"}
    ),
    "POST /staff/people/{account_id}/mail-revivals": Object(
        "customer", every="support admin", form={"reason": "Asked"}
    ),
    "POST /staff/people/{account_id}/roles": Object("customer", every="admin", form={"role": "data", "reason": "x"}),
    "POST /staff/bookings/{booking_id}/outcome": Object("booking", "coach", CANCELLED, form={"outcome": "attended"}),
    "POST /account/logins/{login_id}/remove": Object("login", PEOPLE),
    "POST /api/training/programmes/{programme_id}/archive": Object("programme", "coach", "lead_coach admin"),
    "GET /api/training/programmes/{programme_id}/versions": Object("programme", "customer coach", "lead_coach admin"),
    "GET /api/training/workouts/{workout_id}/revisions": Object("workout", "customer coach", "lead_coach admin"),
    "GET /api/training/records": Object("customer", "customer coach", "lead_coach admin", at="query.customer_id"),
    "PUT /api/training/templates/{template_id}": Object("template", "coach", "lead_coach admin", body=TEMPLATE),
    "POST /api/training/templates/{template_id}/archive": Object("template", "coach", "lead_coach admin"),
    "POST /api/training/templates/{template_id}/assignments": Object(
        "template", "coach", "lead_coach admin", body={"customer_id": "CLIENT", "starts_on": "TOMORROW"}
    ),
    "GET /api/training/clients/{customer_id}/metrics": Object("customer", "customer coach", "lead_coach admin"),
    "GET /api/training/clients/{customer_id}/screenings": Object("customer", "customer coach"),
    "POST /api/training/clients/{customer_id}/screenings": Object("customer", "customer", body=SCREENING),
    "POST /api/training/screenings/{screening_id}/clearance": Object("screening", "coach", body={"note": "Fine."}),
    "GET /api/training/clients/{customer_id}/wellbeing": Object("customer", "customer coach"),
    "POST /api/training/goals/{goal_id}/closing": Object("goal", "customer", body={"outcome": "reached"}),
    "POST /api/training/habits/{habit_id}/archive": Object("habit", "customer"),
    "POST /api/training/check-ins/{check_in_id}/answer": Object("check_in", "coach", body={"answer": "Well done."}),
    "POST /wellbeing/goals/{goal_id}/close": Object("goal", "customer", form={"outcome": "reached"}),
    "POST /wellbeing/habits/{habit_id}/check": Object("habit", "customer", form={"day": "TODAY", "is_kept": "true"}),
    "POST /wellbeing/habits/{habit_id}/archive": Object("habit", "customer"),
    "GET /coaching/clients/{customer_id}": Object("customer", "coach"),
    "POST /coaching/clients/{customer_id}/programmes": Object(
        "customer", "coach", "lead_coach", form={"template_id": "TEMPLATE", "starts_on": "TOMORROW"}
    ),
    "POST /coaching/screenings/{screening_id}/clear": Object("screening", "coach", form={"note": "Fine."}),
    "POST /coaching/check-ins/{check_in_id}/answer": Object("check_in", "coach", form={"answer": "Well done."}),
    "GET /coaching/templates/{template_id}": Object("template", "coach", "lead_coach admin"),
    "POST /coaching/templates/{template_id}": Object(
        "template", "coach", "lead_coach admin", form={"action": "find", "find": "squat"}
    ),
    "POST /coaching/templates/{template_id}/archive": Object("template", "coach", "lead_coach admin"),
    "GET /coaching/programmes/{programme_id}": Object("programme", "coach", "lead_coach"),
    "POST /coaching/programmes/{programme_id}": Object(
        "programme", "coach", "lead_coach", form={"action": "find", "find": "squat"}
    ),
    "POST /coaching/programmes/{programme_id}/archive": Object("programme", "coach", "lead_coach"),
    "POST /calendars/{connection_id}/end": Object("calendar", f"customer {COACHES}"),
    "DELETE /api/scheduling/calendar-connections/{connection_id}": Object("calendar", f"customer {COACHES}"),
    "GET /api/scheduling/bookings/{booking_id}/moves": Object(
        "booking", "customer coach", "front_desk support lead_coach admin"
    ),
    "POST /api/scheduling/bookings/{booking_id}/confirmation": Object("booking", "customer"),
    "POST /api/scheduling/bookings/{booking_id}/release": Object("booking", "customer"),
    "POST /bookings/{booking_id}/confirm": Object("booking", "customer"),
    "POST /bookings/{booking_id}/release": Object("booking", "customer"),
    "POST /api/scheduling/bookings/{booking_id}/answer": Object(
        "booking", "coach", CANCELLED, body={"is_accepted": True}
    ),
    "POST /classes/requests/{booking_id}": Object("booking", "coach", CANCELLED, form={"answer": "yes"}),
    "POST /api/scheduling/bookings/{booking_id}/fee-waiver": Object("booking", every=CANCELLED, body={"reason": "Ill"}),
    "PUT /api/scheduling/classes/{slot_id}": Object("class", "coach", "lead_coach admin", body=CLASS),
    "POST /api/scheduling/classes/{slot_id}/cancellation": Object("class", "coach", "lead_coach admin", body={}),
    "GET /classes/{slot_id}": Object("class", "coach", "lead_coach front_desk admin"),
    "GET /api/scheduling/classes/{slot_id}": Object("class", "coach", "lead_coach front_desk admin"),
    "PUT /api/scheduling/classes/{slot_id}/assistants": Object(
        "class", "coach", "lead_coach front_desk admin", body={"coach_ids": []}
    ),
    "POST /classes/{slot_id}/assistants": Object(
        "class", "coach", "lead_coach front_desk admin", form={"scope": "one"}
    ),
    "POST /api/scheduling/classes/{slot_id}/notices": Object(
        "class", "coach", "lead_coach front_desk admin", body={"body": "Bring a mat."}
    ),
    "POST /classes/{slot_id}/notices": Object(
        "class", "coach", "lead_coach front_desk admin", form={"body": "Bring a mat."}
    ),
    "POST /classes/{slot_id}": Object("class", "coach", "lead_coach admin", form=CLASS),
    "POST /classes/{slot_id}/cancel": Object("class", "coach", "lead_coach admin", form={"scope": "one"}),
    "GET /api/scheduling/terms": Object("coach", "coach", CANCELLED, at="query.coach_id"),
    "PUT /api/scheduling/terms": Object("coach", "coach", "lead_coach admin", at="query.coach_id", body={}),
    "GET /api/engagement/threads/{customer_id}/attachments": Object("customer", "customer coach", "admin"),
    "POST /api/engagement/threads/{customer_id}/attachments": Object(
        "customer", "customer coach", body={"name": "a.pdf", "content": "JVBERi0xLjQK"}
    ),
    "POST /api/engagement/attachments/{attachment_id}/link": Object("attachment", "customer coach", "admin"),
    "GET /messages/files/{attachment_id}": Object("attachment", "customer"),
    "GET /api/engagement/threads/{customer_id}/templates": Object("customer", "coach"),
    "GET /api/engagement/threads/{customer_id}/scheduled": Object("customer", "coach"),
    "POST /api/engagement/threads/{customer_id}/scheduled": Object(
        "customer", "coach", body={"body": "Hi", "local_at": "NEXT_MONTH"}
    ),
    "PUT /api/engagement/scheduled-messages/{scheduled_id}": Object(
        "scheduled", "coach", body={"body": "Hi again", "local_at": "NEXT_MONTH"}
    ),
    "POST /api/engagement/scheduled-messages/{scheduled_id}/cancellation": Object("scheduled", "coach"),
    "DELETE /api/engagement/templates/{template_id}": Object("wording", "coach"),
    "GET /api/commerce/invoices/{invoice_id}": Object("invoice", "customer", "finance admin"),
    "GET /api/commerce/invoices/{invoice_id}/file": Object("invoice", "customer", "finance admin"),
    "GET /api/commerce/credit-notes/{credit_note_id}/file": Object("credit_note", "customer", "finance admin"),
    "GET /invoices/{invoice_id}": Object("invoice", "customer", "finance admin"),
    "GET /invoices/{invoice_id}/file": Object("invoice", "customer", "finance admin"),
    "GET /credit-notes/{credit_note_id}/file": Object("credit_note", "customer", "finance admin"),
    "GET /api/commerce/commission-statements/{statement_id}": Object("statement", "coach", "finance admin"),
    "GET /api/commerce/commission-statements/{statement_id}/file": Object("statement", "coach", "finance admin"),
    "GET /api/commerce/coaches/{coach_id}/pay": Object("coach", "coach", "finance admin"),
    "GET /staff/commissions/statements/{statement_id}": Object("statement", "coach", "finance admin"),
    "GET /staff/commissions/statements/{statement_id}/file": Object("statement", "coach", "finance admin"),
    "GET /staff/commissions/coaches/{coach_id}": Object("coach", "coach", "finance admin"),
    "POST /api/commerce/invoices/{invoice_id}/payment-attempts": Object("invoice", "customer"),
    "POST /membership/invoices/{invoice_id}/pay": Object("invoice", "customer"),
    "POST /api/training/media/{media_id}/completion": Object("video", "customer"),
    "GET /api/training/media/{media_id}/upload": Object("video", "customer"),
    "PATCH /api/training/media/{media_id}": Object("video", "customer", body={"title": "Squat"}),
    "DELETE /api/training/media/{media_id}": Object("video", "customer"),
    "PUT /api/training/media/{media_id}/captions": Object("video", "customer", body={"content": "WEBVTT"}),
    "POST /media/{media_id}/remove": Object("video", "customer"),
    "GET /media/{media_id}/captions": Object("video", "customer"),
    "POST /media/{media_id}/captions": Object("video", "customer", form={"language": "en", "content": "WEBVTT"}),
    "GET /api/training/media/{media_id}": Object("video", "customer coach"),
    "GET /api/training/media/{media_id}/captions": Object("video", "customer coach"),
    "POST /api/training/media/{media_id}/links": Object("video", "customer coach"),
    "PUT /api/training/media/{media_id}/position": Object("video", "customer coach", body={"seconds": 1}),
    "GET /media/{media_id}": Object("video", "customer coach"),
    "POST /staff/bookings/{booking_id}/answer": Object("booking", "coach", CANCELLED, form={"answer": "yes"}),
    "POST /api/scheduling/bookings/{booking_id}/series-cancellation": Object("booking", "customer coach", CANCELLED),
    "POST /api/scheduling/bookings/{booking_id}/series-end": Object("booking", "customer coach", CANCELLED),
    "POST /api/scheduling/bookings/{booking_id}/reassignment": Object("booking", every=CANCELLED),
    "POST /staff/bookings/{booking_id}/reassignment": Object("booking", every=CANCELLED, form={"return_to": ""}),
    "PUT /api/scheduling/coaches/{coach_id}/turn-weight": Object(
        "coach", every="lead_coach admin", body={"turn_weight": 50}
    ),
    "POST /api/scheduling/clients/{customer_id}/bookings": Object(
        "customer", "coach", "front_desk admin", body={"slot_id": "FREE_SLOT"}
    ),
    "POST /api/scheduling/clients/{customer_id}/booking-series": Object(
        "customer", "coach", "front_desk admin", body={"slot_id": "FREE_SLOT", "times": 2}
    ),
    "GET /api/scheduling/clients/{customer_id}/openings": Object("customer", "coach", "front_desk admin"),
    "GET /api/scheduling/clients/{customer_id}/slots": Object("customer", "coach", "front_desk admin"),
    "POST /api/scheduling/bookings/{booking_id}/undo": Object("booking", "coach", "front_desk admin"),
    "GET /staff/book/{customer_id}": Object("customer", "coach", "front_desk admin"),
    "POST /staff/bookings/{booking_id}/undo": Object("booking", "coach", "front_desk admin"),
}
"""Routes whose id names something of one person."""

NOBODYS = {
    "GET /api/scheduling/slots/{slot_id}", "POST /api/scheduling/slots/{slot_id}/waitlist",
    "DELETE /api/scheduling/slots/{slot_id}/waitlist", "GET /book/{slot_id}", "POST /book/{slot_id}",
    "POST /book/{slot_id}/waitlist",  # the timetable is everybody's
    "POST /api/identity/password-resets/{token}",  # whoever holds the link
    "GET /api/scheduling/calendar-files/{booking_id}",  # whoever holds its signed address
    "POST /api/identity/role-grants/{grant_id}/approval", "POST /api/identity/role-grants/{grant_id}/refusal",
    "POST /api/commerce/refund-requests/{request_id}/approval",
    "POST /api/commerce/refund-requests/{request_id}/refusal",
    "PATCH /api/automation/rules/{rule_id}",
    "GET /warehouse/quality/{table}",  # counts, and no value of anybody
    "POST /api/integrations/connectors/{name}/connect", "POST /api/integrations/connectors/{name}/test",
    "POST /api/integrations/connectors/{name}/pause", "POST /api/integrations/connectors/{name}/resume",
    "POST /api/integrations/connectors/{name}/resync", "POST /api/integrations/connectors/{name}/revoke",
    "GET /api/integrations/connectors/{name}/runs", "GET /api/integrations/connectors/{name}/orders",
    "POST /api/commerce/refund-requests/{request_id}/withdrawal",
    "POST /api/identity/role-grants/{grant_id}/withdrawal",
    "POST /api/identity/factor-resets/{reset_id}/approval", "POST /api/identity/factor-resets/{reset_id}/refusal",
    "POST /api/identity/factor-resets/{reset_id}/withdrawal",
    "POST /api/compliance/exports/{export_id}/approval", "POST /api/compliance/exports/{export_id}/refusal",
    "POST /api/compliance/exports/{export_id}/withdrawal",
    "POST /api/compliance/exports/{export_id}/link",  # to who asked for it, tested beside it
    "POST /staff/exports/{export_id}/link",
    "POST /staff/people/{account_id}/refunds",  # the payment in the form has to be theirs, tested beside it
    *(
        f"POST /staff/requests/{kind}/{{request_id}}/{answer}"
        for kind in ("refunds", "roles", "factor-resets", "exports")
        for answer in ("approve", "refuse", "withdraw")
    ),
    "POST /api/commerce/differences/{finding_id}/resolution", "POST /staff/books/{finding_id}/resolve",
    # whoever holds its signed address
    "GET /api/compliance/export-files/{export_id}", "GET /api/compliance/copy-files/{export_id}",
    "POST /api/integrations/connectors/{name}/runs", "POST /api/identity/signing-keys/{kid}/withdrawal",
    "POST /account/logins/{name}", "POST /login/with/{name}", "GET /login/with/{name}/callback",
    "GET /api/training/exercises/{slug}", "GET /exercises/{slug}",  # the catalogue is everybody's
    "GET /welcome/{step}", "POST /welcome/{step}",  # one's own steps, by name
    "PUT /api/training/habits/{habit_id}/checks/{day}",  # two parameters: another's habit is tested beside it
    "GET /api/scheduling/calendar-feeds/{token}.ics",  # whoever holds its secret address
    "POST /calendars/connect/{provider}", "GET /calendars/connect/{provider}/callback",
    "POST /api/scheduling/slots/{slot_id}/hold", "POST /book/{slot_id}/hold",
    "POST /staff/people/{account_id}/fee-waivers",  # the booking in the form has to be theirs, tested beside it
    "GET /api/scheduling/locations/{location_id}/resources", "PUT /api/scheduling/locations/{location_id}/resources",
    "PUT /api/scheduling/locations/{location_id}/holidays",
    "GET /api/scheduling/clients/{customer_id}/means",  # two parameters, as these: tested beside it
    "GET /staff/book/{customer_id}/{slot_id}", "POST /staff/book/{customer_id}/{slot_id}",
    "GET /staff/book/{customer_id}/any", "POST /staff/book/{customer_id}/any",  # at a time: tested beside it
    "POST /staff/bookings/{booking_id}/fee-waiver",  # it has to be its customer's too, tested beside it
    "POST /availability/days/{day_id}/remove",  # of the calendar in the form, tested beside it
    "GET /unsubscribe/{token}", "POST /unsubscribe/{token}",  # whoever holds the link
    "GET /api/engagement/attachment-files/{attachment_id}",  # whoever holds its signed address
    "POST /api/commerce/invoices/{invoice_id}/credit-notes",  # nobody's own, as these: staff/test_credit.py
    "POST /staff/invoices/{invoice_id}/credit-notes", "POST /staff/invoices/{invoice_id}/refunds",
    "GET /api/commerce/plans/{plan_code}/prices",
    "POST /api/commerce/plans/{plan_code}/prices", "DELETE /api/commerce/plans/{plan_code}/prices/{price_id}",
    "PUT /api/commerce/plans/{plan_code}", "POST /api/commerce/plans/{plan_code}/retirement",
    "DELETE /api/commerce/plans/{plan_code}/retirement", "POST /api/commerce/coupons/{coupon_id}/retirement",
    "DELETE /api/commerce/coupons/{coupon_id}/retirement",
    "GET /staff/plans/{plan_code}", "POST /staff/plans/{plan_code}", "POST /staff/plans/{plan_code}/retirement",
    "POST /staff/plans/{plan_code}/prices", "POST /staff/plans/{plan_code}/prices/{price_id}/withdrawal",
    "POST /staff/coupons/{coupon_id}/retirement",
    "PUT /api/commerce/customers/{customer_id}/payer", "POST /staff/people/{account_id}/payer",
    "POST /staff/people/{account_id}/billed-to",
    # nobody's own: commerce/billing/test_payouts.py
    "POST /api/commerce/commission-statements/{statement_id}/payouts",
    "POST /api/commerce/commission-payouts/{payout_id}/reversal",
    "POST /staff/commissions/statements/{statement_id}/payouts",
    "POST /staff/commissions/payouts/{payout_id}/reversal",
    "GET /api/commerce/commission-payout-batches/{batch_id}",
    "POST /api/commerce/commission-payout-batches/{batch_id}/reversal",
    "POST /staff/commissions/paid-outside", "GET /staff/commissions/paid-outside/{batch_id}",
    "POST /staff/commissions/paid-outside/{batch_id}/reversal",
    # a lead is nobody yet; whose studio it is, is asked beside: engagement/test_leads.py
    "PUT /api/engagement/leads/{lead_id}", "DELETE /api/engagement/leads/{lead_id}",
    "PUT /api/engagement/leads/{lead_id}/loss", "DELETE /api/engagement/leads/{lead_id}/loss",
    "GET /staff/leads/{lead_id}", "POST /staff/leads/{lead_id}", "POST /staff/leads/{lead_id}/loss",
    "POST /staff/leads/{lead_id}/reopening", "POST /staff/leads/{lead_id}/erasure",
    # news is the business's own
    "POST /api/engagement/announcements/{announcement_id}/cancellation",
    "POST /staff/announcements/{announcement_id}/cancellation",
    # what left or not is the business's own doubt
    "POST /api/engagement/undecided-messages/{message_id}/settlement", "POST /staff/messages/{message_id}",
    # what of billing waits for a person is the business's
    "POST /staff/exceptions/items/{item_id}", "POST /staff/exceptions/invoices/{parked_id}",
    "POST /staff/exceptions/customers/{customer_id}",
    "POST /api/commerce/exceptions/items/{item_id}/retries",
    "POST /api/commerce/exceptions/items/{item_id}/settlement",
    "DELETE /api/commerce/exceptions/items/{item_id}/settlement",
    "POST /api/commerce/exceptions/invoices/{parked_id}/decision",
    "POST /api/commerce/exceptions/customers/{customer_id}/release",
    # an endpoint and its deliveries are the business's
    "GET /api/integrations/webhook-endpoints/{endpoint_id}/deliveries",
    "GET /api/integrations/webhook-endpoints/{endpoint_id}/replays",
    "GET /api/integrations/webhook-deliveries/{delivery_id}", "GET /staff/webhooks/{endpoint_id}",
    "GET /staff/webhooks/deliveries/{delivery_id}", "PUT /api/integrations/webhook-endpoints/{endpoint_id}",
    "DELETE /api/integrations/webhook-endpoints/{endpoint_id}",
    "POST /api/integrations/webhook-deliveries/{delivery_id}/replay",
    *(
        f"POST /api/integrations/webhook-endpoints/{{endpoint_id}}/{what}"
        for what in ("pause", "resume", "rotation", "secret", "test", "replays")
    ),
    "POST /staff/webhooks/{endpoint_id}", "POST /staff/webhooks/{endpoint_id}/secret",
    "POST /staff/webhooks/{endpoint_id}/replays", "POST /staff/webhooks/{endpoint_id}/{action}",
    "POST /staff/webhooks/deliveries/{delivery_id}/replay",
    "GET /api/training/media-files/{media_id}/{edition}/{name}",  # whoever holds its signed address
    "PUT /api/training/media/{media_id}/parts/{number}",  # two parameters: another's upload is tested beside it
}  # fmt: skip
"""Routes whose id names something of the business, or of everybody: only the role counts."""

GRAPH = {
    "Query.me": Object("customer", every=EVERYBODY),
    "Query.plans": Object("customer", every=EVERYBODY),
    "Query.client": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Query.clients": Object("customer", every=f"{COACHES} front_desk support admin"),
    "Client.id": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Client.displayName": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Client.timeZone": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Client.coach": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Client.nextSession": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Client.membership": Object("customer", "customer coach", "front_desk support lead_coach admin"),
    "Client.injuries": Object("customer", "customer coach"),
}
"""Fields of the graph: who asks for it in vain gets its refusal and no value. Fields of what hangs below them are told
with them."""


@dataclass(frozen=True)
class Mutation:
    """A mutation of the graph: what its route's row says holds for it too.

    Args:
        route: The route it stands for, a key of `ROUTES_OF`'s and, where it is about one object, of `OBJECTS`.
        arguments: As GraphQL, with `ID` where the object's id goes and words that the world fills in.
    """

    route: str
    arguments: str


MUTATIONS = {
    "Mutation.bookSession": Mutation("POST /api/scheduling/bookings", 'slotId: "FREE_SLOT"'),
    "Mutation.cancelBooking": Mutation("POST /api/scheduling/bookings/{booking_id}/cancellation", 'bookingId: "ID"'),
    "Mutation.logWorkout": Mutation(
        "POST /api/training/workouts",
        'workout: {id: "NEW", customerId: "ID", sets: [{exerciseId: EXERCISE, reps: 5, weightKg: 60}]}',
    ),
    "Mutation.sendMessage": Mutation(
        "POST /api/engagement/threads/{customer_id}/messages", 'customerId: "ID", body: "Hi"'
    ),
    "Mutation.markThreadRead": Mutation("POST /api/engagement/threads/{customer_id}/read", 'customerId: "ID"'),
    "Mutation.updateProfile": Mutation("PATCH /api/identity/me", 'displayName: "Me", timeZone: "UTC"'),
    "Mutation.setPreferences": Mutation("PUT /api/engagement/preferences", "preferences: {allowsNudges: false}"),
    "Mutation.decideConsents": Mutation(
        "PUT /api/compliance/consents", 'decisions: [{dataKind: "sleep", purpose: "coaching", isGiven: true}]'
    ),
}
"""Every mutation. Its roles and whose objects they reach are those of the route, from the rows above."""

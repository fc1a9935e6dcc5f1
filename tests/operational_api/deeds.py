"""What is sent to operations of the four contexts for which `reach` has no words, by somebody who can do them.

`test_statements` counts what each takes and what it tells, `test_indexes` explains it: an operation that is only ever
refused is in neither. Who may reach whose is not asked here (`test_matrix`); who does them, and with what, is `doers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.operational_api.reach import CLASS, LOG, PROGRAMME, SCREENING, TEMPLATE


@dataclass(frozen=True)
class Deed:
    """One operation, done by somebody.

    Args:
        who: A role of the world, or somebody of `Doers`.
        path: What goes into the path's names; like `query`, `body` and `form` with words that are filled in.
        is_once: A provider would know that it was done before.
    """

    who: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = None
    is_once: bool = False


ANY = {"place": "LOCATION", "at": "FREE_AT", "minutes": "60"}
PLAN, DEARER, PACK = {"plan_code": "PLAN"}, {"plan_code": "DEARER"}, {"plan_code": "PACK"}
COMING = {"plan_code": "DEARER", "price_id": "COMING_PRICE"}
A_MONTH = {"name": "Evenings", "kind": "membership", "interval_months": 1}
MONTHLY = {"name": "Evenings", "interval_months": "1"}
WHY = {"reason": "Asked at the desk"}
ONE_PAYS = {"customer_ids": ["member"], "payer_id": "newcomer"}
FIRM = {"billed_to": "Nordlicht GmbH"}
REFUND = {"payment_id": "PAYMENT", "amount_minor": 100} | WHY
REQUEST, FINDING = {"request_id": "REFUND_REQUEST"}, {"finding_id": "FINDING"}
RESOLVED = {"outcome": "accepted", "reason": "A cent of the bank's"}
MONTH = {"first_on": "2026-02-01", "last_on": "2026-02-28"}
PAID = {"left_minor": 1500, "paid_on": "2026-01-05", "reference": "SEPA 17"}
RATE = {"coach_id": "COACH", "currency": "EUR", "valid_from": "2027-06-01"}
FREE, FULL, SEEN = {"slot_id": "FREE"}, {"slot_id": "FULL"}, {"slot_id": "GROUP"}
HELD, ASKED, BEGUN, LATE = ({"booking_id": one} for one in ("HELD", "ASKED", "BEGUN", "LATE"))
HERE = {"location_id": "LOCATION"}
PAYS = {"customer_id": "trainee", "slot_id": "FREE"}
MOVEMENT = {"slug": "SLUG"}
SETS = {"exercise_id": "EXERCISE", "weight_kg": "60", "reps": "5", "rpe": "8"}
PLANNED = {"exercise_id": "EXERCISE", "day": "1", "sets": "3", "reps": "5", "weight_kg": "60"}
HEAD = {"name": "Base", "goal": "strength", "weeks": "4", "sessions_per_week": "2"}
BROWSER = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
    "keys": {"p256dh": "B" + "A" * 86, "auth": "A" * 22},
}
NEWS = {"segment": "everybody", "subject": "Closed on Friday", "body": "See you on Saturday."}
DOUBT = {"message_id": "IN_DOUBT"}
ANNOUNCED = {"announcement_id": "ANNOUNCED"}
LEAD, LOST_LEAD = {"lead_id": "LEAD"}, {"lead_id": "LOST_LEAD"}
KNOWN = {"name": "Lea Lind", "phone": "+49 30 1", "owner": "Ana"}
HEALTH = dict.fromkeys(SCREENING["answers"], "no")

DEEDS: dict[str, Deed] = {
    # commerce
    "GET /api/commerce/subscription": Deed("member"),
    "GET /api/commerce/subscription/plan-change": Deed("member", query=DEARER),
    "GET /api/commerce/plans/{plan_code}/prices": Deed("finance", PLAN),
    "GET /membership/cancel": Deed("member"),
    "GET /membership/pause": Deed("member"),
    "GET /membership/plan": Deed("member"),
    "GET /checkout/return": Deed("buyer", query={"session_id": "PAID_PAGE"}),
    "POST /api/commerce/plans/{plan_code}/prices": Deed(
        "finance", PLAN, body={"currency": "EUR", "amount_minor": 5000, "tax_rate_bp": 1900}
    ),
    "POST /api/commerce/coupons": Deed("finance", body={"code": "DEED10", "percent_bp": 1000}),
    "GET /api/commerce/catalogue": Deed("finance"),
    "POST /api/commerce/plans": Deed("finance", body=A_MONTH),
    "PUT /api/commerce/plans/{plan_code}": Deed("finance", DEARER, body=A_MONTH | {"days_left": "credit"}),
    "POST /api/commerce/plans/{plan_code}/retirement": Deed("finance", DEARER),
    "DELETE /api/commerce/plans/{plan_code}/retirement": Deed("finance", {"plan_code": "RETIRED"}),
    "DELETE /api/commerce/plans/{plan_code}/prices/{price_id}": Deed("finance", COMING),
    "POST /api/commerce/coupons/{coupon_id}/retirement": Deed("finance", {"coupon_id": "COUPON"}),
    "DELETE /api/commerce/coupons/{coupon_id}/retirement": Deed("finance", {"coupon_id": "RETIRED_COUPON"}),
    "GET /staff/plans": Deed("finance"),
    "GET /staff/plans/{plan_code}": Deed("finance", PLAN),
    "POST /staff/plans": Deed("finance", form=MONTHLY | {"kind": "membership", "currency": "EUR", "amount": "89"}),
    "POST /staff/plans/{plan_code}": Deed("finance", DEARER, form=MONTHLY),
    "POST /staff/plans/{plan_code}/retirement": Deed("finance", DEARER, form={"is_sold": "false"}),
    "POST /staff/plans/{plan_code}/prices": Deed("finance", PLAN, form={"currency": "EUR", "amount": "89"}),
    "POST /staff/plans/{plan_code}/prices/{price_id}/withdrawal": Deed("finance", COMING, form={}),
    "GET /staff/coupons": Deed("finance"),
    "POST /staff/coupons": Deed("finance", form={"code": "DEED20", "percent": "20"}),
    "POST /staff/coupons/{coupon_id}/retirement": Deed("finance", {"coupon_id": "COUPON"}, form={"is_taken": "false"}),
    "POST /api/commerce/memberships": Deed("buyer", body=PLAN),
    "POST /api/commerce/checkout-sessions": Deed("newcomer", body=PLAN),
    "POST /checkout": Deed("newcomer", form=PLAN),
    "POST /api/commerce/card-pages": Deed("buyer"),
    "POST /membership/card": Deed("buyer", form={}),
    "POST /api/commerce/subscription/cancellation": Deed("member", body={"reason": "Moving away"}),
    "DELETE /api/commerce/subscription/cancellation": Deed("leaving"),
    "POST /api/commerce/subscription/pause": Deed("member", body={"resumes_on": "NEXT_MONTHS_DAY"}),
    "POST /api/commerce/subscription/resumption": Deed("paused"),
    "POST /api/commerce/subscription/plan-change": Deed("member", body=DEARER),
    "POST /api/commerce/subscription/coupons": Deed("member", body={"code": "KEPT10"}),
    "POST /membership/coupons": Deed("member", form={"code": "KEPT10"}),
    "POST /membership/cancellation": Deed("member", form={"reason": "other", "words": "Moving away"}),
    "POST /membership/cancellation/undo": Deed("leaving", form={}),
    "POST /membership/pause": Deed("member", form={"resumes_on": "NEXT_MONTHS_DAY"}),
    "POST /membership/resume": Deed("paused", form={}),
    "POST /membership/plan": Deed("member", form=DEARER),
    "PUT /api/commerce/customers/{customer_id}/payer": Deed(
        "finance", {"customer_id": "member"}, body={"payer_id": "newcomer"}
    ),
    "POST /api/commerce/invoices/{invoice_id}/credit-notes": Deed(
        "finance", {"invoice_id": "INVOICE"}, body={"amount_minor": 100} | WHY
    ),
    "GET /api/commerce/customers/{customer_id}/wallet": Deed("front_desk", {"customer_id": "buyer"}),
    "POST /api/commerce/customers/{customer_id}/wallet/gifts": Deed(
        "front_desk", {"customer_id": "buyer"}, body={"amount_minor": 500} | WHY
    ),
    "POST /staff/people/{account_id}/gifts": Deed("front_desk", {"account_id": "buyer"}, form={"amount": "5"} | WHY),
    "POST /staff/people/{account_id}/payer": Deed("finance", {"account_id": "buyer"}, form={}),
    "POST /api/commerce/payer-changes/preview": Deed("finance", body=ONE_PAYS | {"payer_id": None}),
    "POST /api/commerce/payer-changes": Deed("finance", body=ONE_PAYS),
    "POST /staff/payers": Deed("finance", form={"customer_id": "buyer"}),
    "POST /staff/people/{account_id}/billed-to": Deed("finance", {"account_id": "buyer"}, form=FIRM),
    "PUT /api/commerce/billed-to": Deed("buyer", body=FIRM),
    "POST /membership/billed-to": Deed("buyer", form=FIRM),
    "GET /wallet": Deed("buyer"),
    "POST /staff/invoices/{invoice_id}/credit-notes": Deed(
        "finance", {"invoice_id": "INVOICE"}, form={"amount_minor": "100"} | WHY
    ),
    "POST /staff/invoices/{invoice_id}/refunds": Deed(
        "finance", {"invoice_id": "PAID_INVOICE"}, form={"payment_id": "PAYMENT", "amount_minor": "100"} | WHY
    ),
    "POST /api/commerce/refunds": Deed("finance", body=REFUND, is_once=True),
    "POST /api/commerce/refund-requests": Deed("support", body=REFUND),
    "POST /api/commerce/refund-requests/{request_id}/approval": Deed("finance", REQUEST, body={}),
    "POST /api/commerce/refund-requests/{request_id}/refusal": Deed("finance", REQUEST, body=WHY),
    "POST /api/commerce/refund-requests/{request_id}/withdrawal": Deed("support", REQUEST),
    "POST /staff/people/{account_id}/refunds": Deed(
        "support", {"account_id": "buyer"}, form={"payment_id": "PAYMENT", "currency": "EUR", "amount": "1.00"} | WHY
    ),
    "POST /staff/requests/refunds/{request_id}/approve": Deed("finance", REQUEST, form={}),
    "POST /staff/requests/refunds/{request_id}/refuse": Deed("finance", REQUEST, form=WHY),
    "POST /staff/requests/refunds/{request_id}/withdraw": Deed("support", REQUEST, form={}),
    "POST /api/commerce/differences/{finding_id}/resolution": Deed("finance", FINDING, body=RESOLVED),
    "POST /staff/books/{finding_id}/resolve": Deed("finance", FINDING, form=RESOLVED),
    "POST /staff/exceptions/items/{item_id}": Deed("finance", {"item_id": "SMALL"}, form={"decision": "waived"} | WHY),
    "POST /staff/exceptions/invoices/{parked_id}": Deed(
        "admin", {"parked_id": "PARKED"}, form={"decision": "approve", "total_minor": "900000"} | WHY
    ),
    "POST /staff/exceptions/customers/{customer_id}": Deed("admin", {"customer_id": "stopped"}, form=WHY),
    "POST /api/commerce/exceptions/items/{item_id}/retries": Deed(
        "finance", {"item_id": "REFUSED"}, body={}, is_once=True
    ),
    "POST /api/commerce/exceptions/items/{item_id}/settlement": Deed(
        "finance", {"item_id": "SMALL"}, body={"how": "waived"} | WHY
    ),
    "DELETE /api/commerce/exceptions/items/{item_id}/settlement": Deed("finance", {"item_id": "WAIVED"}),
    "POST /api/commerce/exceptions/invoices/{parked_id}/decision": Deed(
        "admin", {"parked_id": "PARKED"}, body={"decision": "approve", "total_minor": 900_000} | WHY
    ),
    "POST /api/commerce/exceptions/customers/{customer_id}/release": Deed(
        "admin", {"customer_id": "stopped"}, body=WHY
    ),
    "POST /api/commerce/commission-rates": Deed("finance", body=RATE | {"per_session_minor": 2000}),
    "POST /api/commerce/commission-statements": Deed("finance", body=MONTH),
    "POST /staff/commissions/rates": Deed("finance", form=RATE | {"per_session": "20"}),
    "POST /staff/commissions/close": Deed("finance", form=MONTH),
    "POST /api/commerce/commission-statements/{statement_id}/payouts": Deed(
        "finance", {"statement_id": "STATEMENT"}, body={"amount_minor": 1500} | PAID
    ),
    "POST /staff/commissions/statements/{statement_id}/payouts": Deed(
        "finance", {"statement_id": "STATEMENT"}, form={"amount": "15", "currency": "EUR"} | PAID
    ),
    "POST /api/commerce/commission-payouts/{payout_id}/reversal": Deed("finance", {"payout_id": "PAYOUT"}, body=WHY),
    "POST /staff/commissions/payouts/{payout_id}/reversal": Deed("finance", {"payout_id": "PAYOUT"}, form=WHY),
    "GET /api/commerce/commission-payout-batches/{batch_id}": Deed("finance", {"batch_id": "BATCH"}),
    "POST /api/commerce/commission-payout-batches": Deed("finance", body={"last_on": "2024-01-01", "seen": "UNPAID"}),
    "POST /api/commerce/commission-payout-batches/{batch_id}/reversal": Deed(
        "finance", {"batch_id": "BATCH"}, body=WHY
    ),
    "GET /staff/commissions/paid-outside/{batch_id}": Deed("finance", {"batch_id": "BATCH"}),
    "POST /staff/commissions/paid-outside": Deed("finance", form={"last_on": "2024-01-01", "seen": "UNPAID"}),
    "POST /staff/commissions/paid-outside/{batch_id}/reversal": Deed("finance", {"batch_id": "BATCH"}, form=WHY),
    # scheduling
    "GET /api/scheduling/slots/{slot_id}": Deed("trainee", SEEN),
    "GET /book/{slot_id}": Deed("trainee", SEEN),
    "GET /api/scheduling/clients/{customer_id}/means": Deed(
        "front_desk", {"customer_id": "trainee"}, query={"slot_id": "FREE"}
    ),
    "GET /staff/book/{customer_id}/{slot_id}": Deed("front_desk", PAYS),
    "POST /staff/book/{customer_id}/{slot_id}": Deed("front_desk", PAYS, form={"paid": "means"}),
    "GET /staff/book/{customer_id}/any": Deed("front_desk", {"customer_id": "trainee"}, query=ANY),
    "POST /staff/book/{customer_id}/any": Deed("front_desk", {"customer_id": "trainee"}, form=ANY | {"paid": "means"}),
    "POST /api/scheduling/bookings": Deed("trainee", body=FREE),
    "GET /book/any": Deed("trainee", query=ANY),
    "POST /book/any": Deed("trainee", form=ANY),
    "POST /book/{slot_id}": Deed("trainee", FREE, form={}),
    "POST /api/scheduling/booking-series": Deed("trainee", body=FREE | {"times": 2}),
    "POST /api/scheduling/slots/{slot_id}/hold": Deed("newcomer", FREE),
    "POST /book/{slot_id}/hold": Deed("newcomer", FREE, form={}),
    "POST /api/scheduling/slots/{slot_id}/waitlist": Deed("trainee", FULL),
    "POST /book/{slot_id}/waitlist": Deed("trainee", FULL, form={}),
    "POST /api/scheduling/bookings/{booking_id}/confirmation": Deed("trainee", HELD),
    "POST /api/scheduling/bookings/{booking_id}/release": Deed("trainee", HELD),
    "POST /api/scheduling/bookings/{booking_id}/answer": Deed("coach", ASKED, body={"is_accepted": True}),
    "POST /api/scheduling/bookings/{booking_id}/outcome": Deed("coach", BEGUN, body={"outcome": "attended"}),
    "POST /staff/bookings/{booking_id}/outcome": Deed("coach", BEGUN, form={"outcome": "attended"}),
    "POST /api/scheduling/bookings/{booking_id}/fee-waiver": Deed("front_desk", LATE, body=WHY),
    "POST /staff/bookings/{booking_id}/fee-waiver": Deed("front_desk", LATE, form={"customer_id": "trainee"} | WHY),
    "POST /staff/people/{account_id}/fee-waivers": Deed(
        "front_desk", {"account_id": "trainee"}, form={"booking_id": "LATE"} | WHY
    ),
    "POST /api/scheduling/bookings/{booking_id}/series-cancellation": Deed("regular", {"booking_id": "WEEKLY"}),
    "POST /api/scheduling/bookings/{booking_id}/series-end": Deed("regular", {"booking_id": "WEEKLY"}),
    "POST /api/scheduling/bookings/{booking_id}/undo": Deed("front_desk", {"booking_id": "BY_DESK"}),
    "POST /api/scheduling/bookings/{booking_id}/reassignment": Deed("front_desk", {"booking_id": "BY_DESK"}),
    "POST /staff/bookings/{booking_id}/reassignment": Deed("front_desk", {"booking_id": "BY_DESK"}, form={}),
    "PUT /api/scheduling/coaches/{coach_id}/turn-weight": Deed(
        "lead_coach", {"coach_id": "COACH"}, body={"turn_weight": 50}
    ),
    "GET /api/scheduling/turns": Deed("lead_coach", query={"location_id": "LOCATION"}),
    "POST /studio/turns": Deed("lead_coach", form={"place": "LOCATION", "coach": ["COACH"], "weight": ["50"]}),
    "POST /api/scheduling/classes": Deed("coach", body=CLASS | {"first_on": "2027-03-04"}),
    "PUT /api/scheduling/classes/{slot_id}/assistants": Deed("coach", SEEN, body={"coach_ids": ["HELPER"]}),
    "POST /classes/{slot_id}/assistants": Deed("coach", SEEN, form={"coach_ids": "HELPER"}),
    "POST /api/scheduling/classes/{slot_id}/notices": Deed("coach", SEEN, body={"body": "Bring a mat."}),
    "POST /classes/{slot_id}/notices": Deed("coach", SEEN, form={"body": "Bring a mat."}),
    "POST /classes": Deed("coach", form=CLASS | {"first_on": "2027-03-04"}),
    "POST /availability/days": Deed(
        "coach", form={"what": "holiday", "first_on": "2027-08-02", "last_on": "2027-08-06", "step": "save"}
    ),
    "POST /availability/days/{day_id}/remove": Deed("coach", {"day_id": "DAY_OFF"}, form={}),
    "POST /availability/hours": Deed(
        "coach",
        form={
            "weekday": ["6"],
            "starts_at": "09:00",
            "ends_at": "12:00",
            "valid_from": "2027-08-02",
            "session_minutes": "60",
            "step": "save",
        },
    ),
    "POST /studio/holidays": Deed(
        "admin", form={"place": "LOCATION", "on": "2027-12-24", "name": "Christmas Eve", "step": "save"}
    ),
    "POST /studio/holidays/remove": Deed("admin", form={"place": "LOCATION", "on": "2027-12-25"}),
    "POST /studio/resources": Deed("admin", form={"place": "LOCATION", "resource": "Rack 1", "kind": "rack"}),
    "POST /studio/terms": Deed("admin", form={"place": "LOCATION", "booking_window_days": "30"}),
    "PUT /api/scheduling/studio-terms": Deed("admin", body={"booking_window_days": 30}),
    "PUT /api/scheduling/locations/{location_id}/holidays": Deed(
        "admin", HERE, body={"holidays": [{"holiday_on": "2027-12-24", "name": "Christmas Eve"}]}
    ),
    "PUT /api/scheduling/locations/{location_id}/resources": Deed(
        "admin", HERE, body={"name": "Rack 1", "kind": "rack"}
    ),
    # training
    "GET /api/training/exercises/{slug}": Deed("trainee", MOVEMENT),
    "GET /exercises/{slug}": Deed("trainee", MOVEMENT),
    "GET /welcome/{step}": Deed("newcomer", {"step": "goal"}),
    "POST /welcome/{step}": Deed("newcomer", {"step": "goal"}, form={"text": "A pull-up"}),
    "POST /api/training/workouts": Deed("trainee", body=LOG | {"id": "NEW"}),
    "POST /training/log": Deed("trainee", form={"workout_id": "NEW"} | SETS),
    "POST /training/injuries": Deed(
        "trainee", form={"body_part": "knee", "severity": "1", "occurred_on": "2026-01-05"}
    ),
    "POST /api/training/programmes": Deed("coach", body=PROGRAMME | {"customer_id": "trainee"}),
    "POST /api/training/templates": Deed("coach", body=TEMPLATE),
    "POST /coaching/templates/new": Deed("coach", form=HEAD | PLANNED | {"action": "save"}),
    "POST /api/training/templates/{template_id}/assignments": Deed(
        "coach", {"template_id": "TEMPLATE"}, body={"customer_id": "trainee", "starts_on": "TOMORROW"}
    ),
    "POST /api/training/goals": Deed("trainee", body={"text": "A pull-up"}),
    "POST /wellbeing/goals": Deed("trainee", form={"text": "A pull-up"}),
    "POST /api/training/habits": Deed("trainee", body={"name": "Walk"}),
    "POST /wellbeing/habits": Deed("trainee", form={"name": "Walk"}),
    "PUT /api/training/habits/{habit_id}/checks/{day}": Deed(
        "customer", {"habit_id": "HABIT", "day": "TODAY"}, body={"is_kept": True}
    ),
    "POST /api/training/check-ins": Deed("trainee", body={"mood": 4}),
    "POST /wellbeing/check-in": Deed("trainee", form={"mood": "4"}),
    "POST /wellbeing/health": Deed("trainee", form=HEALTH),
    # engagement
    "POST /api/engagement/leads": Deed("guest", body={"name": "Nora", "email": "nora@plyo.test"}),
    "POST /api/engagement/templates": Deed("coach", body={"name": "Well done", "body": "Well done!"}),
    "GET /api/engagement/leads": Deed("front_desk", query={"q": "lea"}),
    "PUT /api/engagement/leads/{lead_id}": Deed("front_desk", LEAD, body=KNOWN),
    "DELETE /api/engagement/leads/{lead_id}": Deed("front_desk", LEAD),
    "PUT /api/engagement/leads/{lead_id}/loss": Deed("front_desk", LEAD),
    "DELETE /api/engagement/leads/{lead_id}/loss": Deed("front_desk", LOST_LEAD),
    "GET /staff/leads": Deed("front_desk"),
    "POST /staff/leads": Deed("front_desk", form={"name": "Nora", "email": "nora@plyo.test"}),
    "GET /staff/leads/{lead_id}": Deed("front_desk", LEAD),
    "POST /staff/leads/{lead_id}": Deed("front_desk", LEAD, form=KNOWN),
    "POST /staff/leads/{lead_id}/loss": Deed("front_desk", LEAD, form={}),
    "POST /staff/leads/{lead_id}/reopening": Deed("front_desk", LOST_LEAD, form={}),
    "POST /staff/leads/{lead_id}/erasure": Deed("front_desk", LEAD, form={}),
    "POST /api/engagement/announcements": Deed("admin", body=NEWS),
    "POST /api/engagement/announcements/{announcement_id}/cancellation": Deed("admin", ANNOUNCED),
    "POST /staff/announcements": Deed("admin", form=NEWS),
    "POST /staff/announcements/{announcement_id}/cancellation": Deed("admin", ANNOUNCED, form={}),
    "PUT /api/engagement/inbox/{message_id}": Deed("customer", {"message_id": "TOLD"}, body={"is_read": True}),
    "POST /inbox/{message_id}": Deed("customer", {"message_id": "TOLD"}, form={"what": "archive"}),
    "POST /inbox/do-not-disturb": Deed("trainee", form={"days": "3"}),
    "PUT /api/engagement/do-not-disturb": Deed("trainee", body={"until": "NEXT_MONTHS_DAWN"}),
    "POST /messages": Deed("trainee", form={"body": "Hi"}),
    "POST /messages/preferences": Deed("trainee", form={"rhythm_coaching": "daily", "hour_coaching": "7"}),
    "PUT /api/engagement/preferences": Deed("trainee", body={"allows_nudges": False}),
    "POST /api/engagement/devices/browsers": Deed("trainee", body=BROWSER),
    "POST /api/engagement/devices/apps": Deed("trainee", body={"token": "abcdefghijklmnop"}),
    "POST /api/engagement/devices/removals": Deed("trainee", body={"endpoint": "DEVICE"}),
    "GET /unsubscribe/{token}": Deed("guest", {"token": "UNSUBSCRIBE"}),
    "POST /unsubscribe/{token}": Deed("guest", {"token": "UNSUBSCRIBE"}, form={}),
    "POST /api/engagement/undecided-messages/{message_id}/settlement": Deed(
        "admin", DOUBT, body={"sends_again": False}
    ),
    "POST /staff/messages/{message_id}": Deed("admin", DOUBT, form={"decision": "leave"}),
    "POST /staff/people/{account_id}/mail-revivals": Deed("support", {"account_id": "trainee"}, form=WHY),
}

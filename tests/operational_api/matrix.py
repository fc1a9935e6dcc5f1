"""What the matrix expects: written by hand from what the business wants, not from the policy it is compared with.

`ROLES_OF` says for every action who may do it at all, `ROUTES_OF` which routes must name it. `OBJECTS` says for every
route about one object whose it may be: `own` roles reach only what is theirs, `every` roles reach anybody's, and
whoever else may do the action reaches none of the objects here. A new route or action without a row fails the matrix.
"""

from dataclasses import dataclass, field
from typing import Any

from operational_api.training.screening import QUESTIONS, VERSION

EVERYBODY = "guest customer coach lead_coach front_desk finance support admin data service"
PEOPLE = "customer coach lead_coach front_desk finance support admin data"
COACHES = "coach lead_coach"

ROLES_OF: dict[str, str] = {
    "platform.read_public": EVERYBODY,
    "gateway.see_front": EVERYBODY,
    "gateway.see_home": PEOPLE,
    "gateway.read_screens": PEOPLE,
    "gateway.ask_graph": EVERYBODY,
    "gateway.report_violations": EVERYBODY,
    "gateway.open_coach_console": COACHES,
    "gateway.open_admin_console": "finance admin data",
    "gateway.open_pipelines": "data admin",
    "identity.sign_in": EVERYBODY,
    "identity.use_provider": EVERYBODY,
    "identity.keep_account": PEOPLE,
    "identity.read_role_grants": "admin",
    "identity.read_sign_ins": "admin",
    "identity.request_role": "admin",
    "identity.approve_role": "admin",
    "identity.manage_keys": "admin",
    "commerce.read_plans": EVERYBODY,
    "commerce.receive_webhook": EVERYBODY,
    "commerce.buy": "customer",
    "commerce.read_membership": "customer",
    "commerce.change_membership": "customer",
    "commerce.create_refund": "finance admin",
    "commerce.request_refund": "support finance admin",
    "commerce.read_refund_requests": "support finance admin",
    "commerce.approve_refund": "finance admin",
    "commerce.read_differences": "finance admin",
    "commerce.resolve_difference": "finance admin",
    "compliance.read_audit": "admin",
    "compliance.read_readings": "customer",
    "compliance.read_consents": "customer",
    "compliance.decide_consents": "customer",
    "scheduling.read_timetable": EVERYBODY,
    "scheduling.open_calendar_file": EVERYBODY,
    "scheduling.book": "customer",
    "scheduling.see_bookings": "customer",
    "scheduling.list_bookings": f"customer {COACHES} front_desk support admin",
    "scheduling.read_booking": f"customer {COACHES} front_desk support admin",
    "scheduling.cancel_booking": f"customer {COACHES} front_desk admin",
    "scheduling.reschedule_booking": f"customer {COACHES} front_desk admin",
    "scheduling.mark_outcome": f"{COACHES} front_desk admin",
    "scheduling.cancel_slot": f"{COACHES} front_desk admin",
    "scheduling.read_availability": f"{COACHES} front_desk admin",
    "scheduling.replace_availability": f"{COACHES} admin",
    "training.train": "customer",
    "training.read_exercises": f"{PEOPLE} service",
    "training.list_clients": f"{COACHES} front_desk support admin",
    "training.read_client": f"customer {COACHES} front_desk support admin",
    "training.read_progress": f"customer {COACHES} admin",
    "training.read_workouts": f"customer {COACHES} admin",
    "training.read_programmes": f"customer {COACHES} admin",
    "training.log_workout": f"customer {COACHES} admin",
    "training.assign_programme": f"{COACHES} admin",
    "training.read_injuries": f"customer {COACHES}",
    "training.report_injury": f"customer {COACHES}",
    "training.resolve_injury": f"customer {COACHES}",
    "engagement.leave_lead": EVERYBODY,
    "engagement.talk": "customer",
    "engagement.set_preferences": "customer",
    "engagement.read_threads": COACHES,
    "engagement.read_messages": f"customer {COACHES} admin",
    "engagement.send_message": f"customer {COACHES}",
    "automation.put_scores": "service",
    "automation.read_queue": COACHES,
    "automation.act_on_queue": COACHES,
    "automation.read_runs": "admin data",
    "automation.manage_rules": "admin",
    "integrations.receive_webhook": EVERYBODY,
    "integrations.deliver": "service",
    "commerce.take_settlement": "service",
    "integrations.link_wearables": "customer",
    "integrations.read_connectors": "admin data",
    "integrations.connect": "admin data",
    "integrations.test": "admin data",
    "integrations.pause": "admin data",
    "integrations.resume": "admin data",
    "integrations.resync": "admin data",
    "integrations.revoke": "admin data",
    "analytics.read_metrics": f"{PEOPLE} service",
    "analytics.read_lineage": f"{COACHES} finance admin data",
    "compliance.request_customer_export": "admin data",
    "compliance.read_exports": "admin data",
    "compliance.approve_export": "admin",
    "compliance.open_export": "admin data",
    "compliance.open_export_file": EVERYBODY,
    "identity.look_up_person": "front_desk support admin",
    "identity.read_contact": "support admin",
    "identity.read_factor_resets": "front_desk support admin",
    "identity.request_factor_reset": "front_desk support admin",
    "identity.approve_factor_reset": "support admin",
    "identity.end_sessions": "support admin",
    "scheduling.assign_desk": "admin",
    "scheduling.see_day": f"{COACHES} front_desk support admin",
    "staff.open_desk": f"{COACHES} front_desk support finance admin data",
    "staff.read_requests": "front_desk support finance admin data",
    "training.manage_templates": f"{COACHES} admin",
    "training.coach": COACHES,
    "training.answer_screening": "customer",
    "training.read_screening": f"customer {COACHES}",
    "training.clear_screening": COACHES,
    "training.keep_wellbeing": "customer",
    "training.read_wellbeing": f"customer {COACHES}",
    "training.answer_check_in": COACHES,
    "training.onboard": "customer",
    "training.read_funnel": "lead_coach admin data",
    "scheduling.connect_calendars": f"customer {COACHES}",
    "scheduling.open_calendar_feed": EVERYBODY,
    "scheduling.confirm_booking": "customer",
    "scheduling.answer_request": f"{COACHES} front_desk admin",
    "scheduling.manage_classes": f"{COACHES} admin",
    "scheduling.manage_studio": "lead_coach admin",
    "scheduling.waive_fee": "lead_coach front_desk admin",
    "engagement.receive_webhook": EVERYBODY,
    "engagement.unsubscribe": EVERYBODY,
    "engagement.open_attachment_file": EVERYBODY,
    "engagement.keep_templates": COACHES,
    "engagement.schedule_message": COACHES,
    "engagement.announce": "admin",
    "commerce.close_pay_period": "finance admin",
    "commerce.issue_credit_note": "finance admin",
    "commerce.manage_prices": "finance admin",
    "commerce.pay_invoice": "customer",
    "commerce.read_collections": "support finance admin",
    "commerce.read_commissions": f"{COACHES} finance admin",
    "commerce.read_invoice": "customer finance admin",
    "commerce.set_commission": "finance admin",
    "commerce.set_payer": "finance admin",
    "integrations.read_webhooks": "admin",
    "integrations.manage_webhooks": "admin",
    "training.keep_media": f"customer {COACHES} admin",
    "training.watch_media": f"customer {COACHES} admin",
    "training.open_media_file": EVERYBODY,
}


ROUTES_OF: dict[str, tuple[str, ...]] = {
    "automation.act_on_queue": (
        "POST /api/automation/runs/{run_id}/send",
        "POST /api/automation/runs/{run_id}/dismiss",
        "POST /api/automation/runs/{run_id}/undo",
    ),
    "automation.manage_rules": (
        "GET /api/automation/rules",
        "POST /api/automation/rules",
        "PATCH /api/automation/rules/{rule_id}",
    ),
    "automation.put_scores": ("POST /api/automation/churn-scores",),
    "automation.read_queue": ("GET /api/automation/queue",),
    "automation.read_runs": ("GET /api/automation/runs",),
    "commerce.approve_refund": (
        "POST /api/commerce/refund-requests/{request_id}/approval",
        "POST /api/commerce/refund-requests/{request_id}/refusal",
        "POST /staff/requests/refunds/{request_id}/approve",
        "POST /staff/requests/refunds/{request_id}/refuse",
    ),
    "commerce.buy": (
        "POST /api/commerce/checkout-sessions",
        "POST /checkout",
        "GET /checkout/return",
        "POST /api/commerce/card-pages",
        "POST /membership/card",
        "POST /api/commerce/memberships",
    ),
    "commerce.change_membership": (
        "POST /api/commerce/subscription/cancellation",
        "DELETE /api/commerce/subscription/cancellation",
        "GET /membership/cancel",
        "POST /membership/cancellation",
        "POST /membership/cancellation/undo",
        "POST /api/commerce/subscription/pause",
        "POST /api/commerce/subscription/resumption",
        "GET /api/commerce/subscription/plan-change",
        "POST /api/commerce/subscription/plan-change",
        "GET /membership/pause",
        "POST /membership/pause",
        "POST /membership/resume",
        "GET /membership/plan",
        "POST /membership/plan",
    ),
    "commerce.create_refund": ("POST /api/commerce/refunds",),
    "commerce.read_membership": (
        "GET /api/commerce/subscription",
        "GET /api/commerce/invoices",
        "GET /api/commerce/subscription/collections",
        "GET /membership",
    ),
    "commerce.read_plans": (
        "GET /api/commerce/plans",
        "GET /plans",
    ),
    "commerce.read_refund_requests": ("GET /api/commerce/refund-requests",),
    "commerce.receive_webhook": ("POST /webhooks/stripe", "POST /webhooks/momo"),
    "commerce.request_refund": (
        "POST /api/commerce/refund-requests",
        "POST /api/commerce/refund-requests/{request_id}/withdrawal",
        "POST /staff/people/{account_id}/refunds",
        "POST /staff/requests/refunds/{request_id}/withdraw",
    ),
    "compliance.decide_consents": (
        "PUT /api/compliance/consents",
        "POST /privacy",
    ),
    "compliance.read_audit": ("GET /api/compliance/audit", "GET /staff/audit"),
    "compliance.read_consents": (
        "GET /api/compliance/consents",
        "GET /api/compliance/consents/history",
        "GET /privacy",
    ),
    "compliance.read_readings": ("GET /api/compliance/readings",),
    "engagement.leave_lead": ("POST /api/engagement/leads",),
    "engagement.read_messages": (
        "GET /api/engagement/threads/{customer_id}/messages",
        "GET /api/engagement/threads/{customer_id}/attachments",
        "POST /api/engagement/attachments/{attachment_id}/link",
    ),
    "engagement.receive_webhook": (
        "POST /webhooks/sendgrid",
        "POST /webhooks/twilio",
        "POST /webhooks/twilio/status",
    ),
    "engagement.unsubscribe": ("GET /unsubscribe/{token}", "POST /unsubscribe/{token}"),
    "engagement.open_attachment_file": ("GET /api/engagement/attachment-files/{attachment_id}",),
    "engagement.keep_templates": (
        "GET /api/engagement/templates",
        "POST /api/engagement/templates",
        "DELETE /api/engagement/templates/{template_id}",
    ),
    "engagement.schedule_message": (
        "GET /api/engagement/threads/{customer_id}/templates",
        "GET /api/engagement/threads/{customer_id}/scheduled",
        "POST /api/engagement/threads/{customer_id}/scheduled",
        "POST /api/engagement/scheduled-messages/{scheduled_id}/cancellation",
    ),
    "engagement.announce": (
        "GET /api/engagement/announcements",
        "POST /api/engagement/announcements",
        "GET /staff/announcements",
        "POST /staff/announcements",
    ),
    "engagement.read_threads": ("GET /api/engagement/threads",),
    "engagement.send_message": (
        "POST /api/engagement/threads/{customer_id}/messages",
        "POST /api/engagement/threads/{customer_id}/read",
        "POST /api/engagement/threads/{customer_id}/attachments",
    ),
    "engagement.set_preferences": (
        "GET /api/engagement/preferences",
        "PUT /api/engagement/preferences",
        "POST /messages/preferences",
        "GET /messages/preferences",
        "POST /api/engagement/devices/browsers",
        "POST /api/engagement/devices/apps",
        "POST /api/engagement/devices/removals",
    ),
    "engagement.talk": (
        "GET /messages",
        "GET /messages/latest",
        "GET /messages/files/{attachment_id}",
        "POST /messages",
    ),
    "gateway.ask_graph": ("POST /api/graphql",),
    "gateway.open_admin_console": ("GET /api/bff/admin",),
    "gateway.open_coach_console": ("GET /api/bff/coach",),
    "gateway.read_screens": ("GET /api/gateway/screens",),
    "gateway.report_violations": ("POST /gateway/csp-reports",),
    "gateway.see_front": ("GET /",),
    "gateway.see_home": ("GET /home",),
    "gateway.open_pipelines": ("GET /warehouse/docs", "GET /warehouse/quality", "GET /warehouse/quality/{table}"),
    "identity.approve_role": (
        "POST /api/identity/role-grants/{grant_id}/approval",
        "POST /api/identity/role-grants/{grant_id}/refusal",
        "POST /staff/requests/roles/{request_id}/approve",
        "POST /staff/requests/roles/{request_id}/refuse",
    ),
    "identity.keep_account": (
        "GET /api/identity/me",
        "PATCH /api/identity/me",
        "GET /api/identity/sessions",
        "DELETE /api/identity/sessions/{session_id}",
        "DELETE /api/identity/sessions",
        "GET /account",
        "POST /account",
        "POST /account/password",
        "POST /account/sessions/{session_id}/end",
        "POST /account/sessions/end",
        "POST /api/identity/me/email",
        "POST /api/identity/me/deletion",
        "DELETE /api/identity/me/deletion",
        "GET /api/identity/me/factors",
        "GET /api/identity/me/sign-ins",
        "GET /step-up",
        "POST /step-up",
        "GET /account/factors",
        "POST /account/factors/totp/remove",
        "POST /account/factors/passkeys/{passkey_id}/remove",
        "GET /account/password",
        "GET /account/email",
        "POST /account/email",
        "GET /account/deletion",
        "POST /account/deletion",
        "POST /account/deletion/withdraw",
        "GET /account/sign-ins",
        "POST /account/sign-ins/{attempt_id}/dispute",
        "GET /account/logins",
        "POST /account/logins/{name}",
        "POST /account/logins/{login_id}/remove",
    ),
    "identity.manage_keys": (
        "GET /api/identity/signing-keys",
        "POST /api/identity/signing-keys",
        "POST /api/identity/signing-keys/{kid}/withdrawal",
    ),
    "identity.read_role_grants": ("GET /api/identity/role-grants",),
    "identity.read_sign_ins": ("GET /api/identity/sign-ins",),
    "identity.request_role": (
        "POST /api/identity/role-grants",
        "POST /api/identity/role-grants/{grant_id}/withdrawal",
        "POST /staff/people/{account_id}/roles",
        "POST /staff/requests/roles/{request_id}/withdraw",
    ),
    "identity.sign_in": (
        "POST /api/identity/accounts",
        "POST /api/identity/email-verifications",
        "POST /api/identity/email-verifications/requests",
        "POST /api/identity/password-resets",
        "POST /api/identity/password-resets/{token}",
        "GET /login",
        "POST /login",
        "GET /signup",
        "POST /signup",
        "GET /signup/sent",
        "GET /verify-email",
        "POST /verify-email",
        "POST /verify-email/new",
        "GET /reset-password",
        "POST /reset-password",
        "GET /confirm-email",
        "POST /confirm-email",
        "GET /two-step",
        "POST /two-step",
        "POST /two-step/passkey/options",
        "POST /two-step/passkey",
        "GET /two-step/email",
        "POST /two-step/email",
        "POST /two-step/email/new",
        "GET /two-step/set-up",
        "POST /two-step/app/new",
        "GET /two-step/app",
        "POST /two-step/app",
        "POST /two-step/passkeys/options",
        "POST /two-step/passkeys",
        "GET /two-step/codes",
        "POST /two-step/codes",
        "POST /two-step/finish",
        "POST /login/with/{name}",
        "GET /login/with/{name}/callback",
    ),
    "identity.use_provider": (
        "GET /.well-known/oauth-authorization-server",
        "GET /.well-known/openid-configuration",
        "GET /oidc/jwks",
        "GET /oidc/authorize",
        "POST /oidc/token",
        "POST /oidc/revoke",
        "POST /oidc/introspect",
        "POST /oidc/userinfo",
        "GET /oidc/userinfo",
        "GET /oidc/logout",
        "POST /oidc/logout",
        "GET /auth/login",
        "GET /auth/callback",
        "POST /auth/logout",
    ),
    "integrations.connect": ("POST /api/integrations/connectors/{name}/connect",),
    "integrations.deliver": (
        "GET /api/integrations/connectors/{name}/orders",
        "POST /api/integrations/connectors/{name}/runs",
        "GET /api/integrations/wearable-links",
        "POST /api/integrations/wearable-links",
        "POST /api/integrations/wearable-payloads",
    ),
    "integrations.link_wearables": (
        "GET /api/integrations/wearables",
        "POST /api/integrations/wearables",
        "DELETE /api/integrations/wearables/{link_id}",
        "POST /api/integrations/wearables/files",
        "GET /devices",
        "POST /devices/connect",
        "POST /devices/{link_id}/end",
        "POST /devices/files",
    ),
    "integrations.pause": ("POST /api/integrations/connectors/{name}/pause",),
    "integrations.read_connectors": (
        "GET /api/integrations/connectors",
        "GET /api/integrations/connectors/{name}/runs",
    ),
    "integrations.receive_webhook": ("POST /webhooks/terra", "POST /webhooks/hubspot"),
    "integrations.resume": ("POST /api/integrations/connectors/{name}/resume",),
    "integrations.resync": ("POST /api/integrations/connectors/{name}/resync",),
    "integrations.revoke": ("POST /api/integrations/connectors/{name}/revoke",),
    "integrations.test": ("POST /api/integrations/connectors/{name}/test",),
    "platform.read_public": (
        "GET /live",
        "GET /ready",
        "GET /gateway/authorize",
        "GET /sw.js",
        "GET /manifest.webmanifest",
        "GET /favicon.ico",
        "GET /offline",
        "GET /api/docs",
        "GET /design",
        "GET /api/graphql/queries",
    ),
    "scheduling.book": (
        "POST /api/scheduling/slots/{slot_id}/waitlist",
        "DELETE /api/scheduling/slots/{slot_id}/waitlist",
        "POST /api/scheduling/bookings",
        "POST /book/{slot_id}",
        "POST /book/{slot_id}/waitlist",
        "POST /api/scheduling/slots/{slot_id}/hold",
        "POST /book/{slot_id}/hold",
        "POST /api/scheduling/booking-series",
    ),
    "scheduling.cancel_booking": (
        "POST /api/scheduling/bookings/{booking_id}/cancellation",
        "POST /bookings/{booking_id}/cancel",
        "POST /api/scheduling/bookings/{booking_id}/series-cancellation",
    ),
    "scheduling.cancel_slot": ("POST /api/scheduling/slots/{slot_id}/cancellation",),
    "scheduling.list_bookings": ("GET /api/scheduling/bookings",),
    "scheduling.mark_outcome": (
        "POST /api/scheduling/bookings/{booking_id}/outcome",
        "POST /staff/bookings/{booking_id}/outcome",
    ),
    "scheduling.open_calendar_file": ("GET /api/scheduling/calendar-files/{booking_id}",),
    "scheduling.read_availability": ("GET /api/scheduling/availability", "GET /api/scheduling/terms"),
    "scheduling.read_booking": (
        "GET /api/scheduling/bookings/{booking_id}",
        "POST /api/scheduling/bookings/{booking_id}/calendar-link",
        "GET /bookings/{booking_id}/calendar",
        "GET /api/scheduling/bookings/{booking_id}/moves",
    ),
    "scheduling.read_timetable": (
        "GET /api/scheduling/coaches",
        "GET /api/scheduling/slots",
        "GET /api/scheduling/slots/{slot_id}",
        "GET /book",
        "GET /book/{slot_id}",
    ),
    "scheduling.replace_availability": (
        "PUT /api/scheduling/availability",
        "PUT /api/scheduling/terms",
        "GET /availability",
        "POST /availability/days",
        "POST /availability/days/{day_id}/remove",
        "POST /availability/terms",
    ),
    "scheduling.reschedule_booking": ("POST /api/scheduling/bookings/{booking_id}/rescheduling",),
    "scheduling.see_bookings": ("GET /bookings",),
    "training.assign_programme": (
        "POST /api/training/programmes",
        "PUT /api/training/programmes/{programme_id}/lines",
        "POST /api/training/programmes/{programme_id}/archive",
        "POST /api/training/templates/{template_id}/assignments",
    ),
    "training.list_clients": ("GET /api/training/clients",),
    "training.log_workout": (
        "POST /api/training/workouts",
        "PUT /api/training/workouts/{workout_id}",
        "POST /api/training/workouts/{workout_id}/skip",
    ),
    "training.read_client": ("GET /api/training/clients/{customer_id}",),
    "training.read_exercises": (
        "GET /api/training/exercises",
        "GET /api/training/exercises/{slug}",
        "GET /exercises",
        "GET /exercises/{slug}",
    ),
    "training.read_injuries": ("GET /api/training/clients/{customer_id}/injuries",),
    "training.read_programmes": (
        "GET /api/training/programmes",
        "GET /api/training/programmes/{programme_id}/versions",
    ),
    "training.read_progress": (
        "GET /api/training/clients/{customer_id}/progress",
        "GET /api/training/clients/{customer_id}/metrics",
    ),
    "training.read_workouts": (
        "GET /api/training/workouts",
        "GET /api/training/workouts/{workout_id}",
        "GET /api/training/workouts/{workout_id}/revisions",
        "GET /api/training/records",
    ),
    "training.report_injury": ("POST /api/training/clients/{customer_id}/injuries",),
    "training.resolve_injury": ("POST /api/training/injuries/{injury_id}/resolution",),
    "training.train": (
        "GET /training",
        "GET /training/log",
        "POST /training/log",
        "GET /training/workouts/{workout_id}",
        "POST /training/workouts/{workout_id}/skip",
        "POST /training/injuries",
        "POST /training/injuries/{injury_id}/resolve",
        "GET /progress",
        "GET /api/bff/customer",
    ),
    "compliance.read_exports": ("GET /api/compliance/exports", "GET /staff/exports"),
    "compliance.request_customer_export": (
        "POST /api/compliance/exports",
        "POST /api/compliance/exports/{export_id}/withdrawal",
        "POST /staff/exports",
        "POST /staff/requests/exports/{request_id}/withdraw",
    ),
    "compliance.approve_export": (
        "POST /api/compliance/exports/{export_id}/approval",
        "POST /api/compliance/exports/{export_id}/refusal",
        "POST /staff/requests/exports/{request_id}/approve",
        "POST /staff/requests/exports/{request_id}/refuse",
    ),
    "compliance.open_export": ("POST /api/compliance/exports/{export_id}/link", "POST /staff/exports/{export_id}/link"),
    "compliance.open_export_file": ("GET /api/compliance/export-files/{export_id}",),
    "identity.read_factor_resets": ("GET /api/identity/factor-resets",),
    "identity.request_factor_reset": (
        "POST /api/identity/factor-resets",
        "POST /api/identity/factor-resets/{reset_id}/withdrawal",
        "POST /staff/people/{account_id}/factor-resets",
        "POST /staff/requests/factor-resets/{request_id}/withdraw",
    ),
    "identity.approve_factor_reset": (
        "POST /api/identity/factor-resets/{reset_id}/approval",
        "POST /api/identity/factor-resets/{reset_id}/refusal",
        "POST /staff/requests/factor-resets/{request_id}/approve",
        "POST /staff/requests/factor-resets/{request_id}/refuse",
    ),
    "scheduling.assign_desk": (
        "GET /api/scheduling/desk-locations/{account_id}",
        "PUT /api/scheduling/desk-locations/{account_id}",
        "POST /staff/people/{account_id}/studios",
    ),
    "identity.end_sessions": (
        "POST /api/identity/accounts/{account_id}/sign-outs",
        "POST /staff/people/{account_id}/sign-outs",
    ),
    "identity.look_up_person": ("GET /staff/people", "GET /staff/people/{account_id}"),
    "scheduling.see_day": ("GET /staff/today",),
    "commerce.read_differences": ("GET /api/commerce/differences", "GET /staff/books"),
    "commerce.take_settlement": ("POST /api/commerce/settlements",),
    "commerce.resolve_difference": (
        "POST /api/commerce/differences/{finding_id}/resolution",
        "POST /staff/books/{finding_id}/resolve",
    ),
    "staff.open_desk": ("GET /staff",),
    "staff.read_requests": ("GET /staff/requests",),
    "training.manage_templates": (
        "GET /api/training/templates",
        "POST /api/training/templates",
        "PUT /api/training/templates/{template_id}",
        "POST /api/training/templates/{template_id}/archive",
        "GET /coaching/templates",
        "GET /coaching/templates/new",
        "POST /coaching/templates/new",
        "GET /coaching/templates/{template_id}",
        "POST /coaching/templates/{template_id}",
        "POST /coaching/templates/{template_id}/archive",
    ),
    "training.read_screening": ("GET /api/training/clients/{customer_id}/screenings",),
    "training.answer_screening": (
        "POST /api/training/clients/{customer_id}/screenings",
        "GET /wellbeing/health",
        "POST /wellbeing/health",
    ),
    "training.clear_screening": ("POST /api/training/screenings/{screening_id}/clearance",),
    "training.read_wellbeing": ("GET /api/training/clients/{customer_id}/wellbeing",),
    "training.keep_wellbeing": (
        "POST /api/training/goals",
        "POST /api/training/goals/{goal_id}/closing",
        "POST /api/training/habits",
        "POST /api/training/habits/{habit_id}/archive",
        "PUT /api/training/habits/{habit_id}/checks/{day}",
        "POST /api/training/check-ins",
        "GET /wellbeing",
        "POST /wellbeing/check-in",
        "POST /wellbeing/goals",
        "POST /wellbeing/goals/{goal_id}/close",
        "POST /wellbeing/habits",
        "POST /wellbeing/habits/{habit_id}/check",
        "POST /wellbeing/habits/{habit_id}/archive",
    ),
    "training.answer_check_in": ("POST /api/training/check-ins/{check_in_id}/answer",),
    "training.onboard": (
        "GET /api/training/onboarding",
        "GET /welcome",
        "GET /welcome/{step}",
        "POST /welcome/{step}",
    ),
    "training.coach": (
        "GET /coaching",
        "GET /coaching/clients/{customer_id}",
        "POST /coaching/clients/{customer_id}/programmes",
        "POST /coaching/screenings/{screening_id}/clear",
        "POST /coaching/check-ins/{check_in_id}/answer",
        "POST /coaching/programmes/{programme_id}/archive",
    ),
    "training.read_funnel": ("GET /api/training/onboarding/funnel",),
    "scheduling.connect_calendars": (
        "GET /calendars",
        "POST /calendars/connect/{provider}",
        "GET /calendars/connect/{provider}/callback",
        "POST /calendars/caldav",
        "POST /calendars/feeds",
        "POST /calendars/address",
        "POST /calendars/{connection_id}/end",
        "GET /api/scheduling/calendar-connections",
        "DELETE /api/scheduling/calendar-connections/{connection_id}",
        "POST /api/scheduling/calendar-feeds",
    ),
    "scheduling.open_calendar_feed": ("GET /api/scheduling/calendar-feeds/{token}.ics",),
    "scheduling.confirm_booking": (
        "POST /api/scheduling/bookings/{booking_id}/confirmation",
        "POST /api/scheduling/bookings/{booking_id}/release",
        "POST /bookings/{booking_id}/confirm",
        "POST /bookings/{booking_id}/release",
    ),
    "scheduling.answer_request": (
        "POST /api/scheduling/bookings/{booking_id}/answer",
        "POST /classes/requests/{booking_id}",
        "POST /staff/bookings/{booking_id}/answer",
    ),
    "scheduling.manage_classes": (
        "GET /api/scheduling/classes",
        "POST /api/scheduling/classes",
        "PUT /api/scheduling/classes/{slot_id}",
        "POST /api/scheduling/classes/{slot_id}/cancellation",
        "GET /api/scheduling/locations/{location_id}/resources",
        "GET /classes",
        "POST /classes",
        "GET /classes/{slot_id}",
        "POST /classes/{slot_id}",
        "POST /classes/{slot_id}/cancel",
    ),
    "scheduling.manage_studio": (
        "PUT /api/scheduling/locations/{location_id}/resources",
        "PUT /api/scheduling/locations/{location_id}/holidays",
        "PUT /api/scheduling/studio-terms",
        "GET /studio",
        "POST /studio/holidays",
        "POST /studio/holidays/remove",
        "POST /studio/terms",
    ),
    "scheduling.waive_fee": (
        "POST /api/scheduling/bookings/{booking_id}/fee-waiver",
        "POST /staff/people/{account_id}/fee-waivers",
        "POST /staff/bookings/{booking_id}/fee-waiver",
    ),
    "commerce.close_pay_period": ("POST /api/commerce/commission-statements", "POST /staff/commissions/close"),
    "commerce.issue_credit_note": ("POST /api/commerce/invoices/{invoice_id}/credit-notes",),
    "commerce.manage_prices": (
        "GET /api/commerce/coupons",
        "POST /api/commerce/coupons",
        "GET /api/commerce/plans/{plan_code}/prices",
        "POST /api/commerce/plans/{plan_code}/prices",
    ),
    "commerce.pay_invoice": (
        "POST /api/commerce/invoices/{invoice_id}/payment-attempts",
        "POST /membership/invoices/{invoice_id}/pay",
    ),
    "commerce.read_collections": ("GET /api/commerce/collections", "GET /staff/collections"),
    "commerce.read_commissions": ("GET /api/commerce/commission-statements", "GET /staff/commissions"),
    "commerce.read_invoice": (
        "GET /api/commerce/invoices/{invoice_id}",
        "GET /api/commerce/invoices/{invoice_id}/file",
        "GET /api/commerce/credit-notes/{credit_note_id}/file",
        "GET /invoices/{invoice_id}",
        "GET /invoices/{invoice_id}/file",
        "GET /credit-notes/{credit_note_id}/file",
    ),
    "commerce.set_commission": (
        "GET /api/commerce/commission-rates",
        "POST /api/commerce/commission-rates",
        "GET /api/commerce/commissions",
        "POST /staff/commissions/rates",
    ),
    "commerce.set_payer": ("PUT /api/commerce/customers/{customer_id}/payer",),
    "integrations.read_webhooks": (
        "GET /api/integrations/webhook-kinds",
        "GET /api/integrations/webhook-endpoints",
        "GET /api/integrations/webhook-endpoints/{endpoint_id}/deliveries",
        "GET /api/integrations/webhook-endpoints/{endpoint_id}/replays",
        "GET /api/integrations/webhook-deliveries/{delivery_id}",
        "GET /staff/webhooks",
        "GET /staff/webhooks/{endpoint_id}",
        "GET /staff/webhooks/deliveries/{delivery_id}",
    ),
    "integrations.manage_webhooks": (
        "POST /api/integrations/webhook-endpoints",
        "PUT /api/integrations/webhook-endpoints/{endpoint_id}",
        "DELETE /api/integrations/webhook-endpoints/{endpoint_id}",
        "POST /api/integrations/webhook-endpoints/{endpoint_id}/pause",
        "POST /api/integrations/webhook-endpoints/{endpoint_id}/resume",
        "POST /api/integrations/webhook-endpoints/{endpoint_id}/rotation",
        "POST /api/integrations/webhook-endpoints/{endpoint_id}/secret",
        "POST /api/integrations/webhook-endpoints/{endpoint_id}/test",
        "POST /api/integrations/webhook-endpoints/{endpoint_id}/replays",
        "POST /api/integrations/webhook-deliveries/{delivery_id}/replay",
        "POST /staff/webhooks",
        "POST /staff/webhooks/{endpoint_id}",
        "POST /staff/webhooks/{endpoint_id}/secret",
        "POST /staff/webhooks/{endpoint_id}/replays",
        "POST /staff/webhooks/{endpoint_id}/{action}",
        "POST /staff/webhooks/deliveries/{delivery_id}/replay",
    ),
    "training.keep_media": (
        "POST /api/training/media",
        "PUT /api/training/media/{media_id}/parts/{number}",
        "POST /api/training/media/{media_id}/completion",
        "GET /api/training/media/{media_id}/upload",
        "PATCH /api/training/media/{media_id}",
        "DELETE /api/training/media/{media_id}",
        "PUT /api/training/media/{media_id}/captions",
        "GET /media/new",
        "POST /media/new",
        "POST /media/{media_id}/remove",
        "GET /media/{media_id}/captions",
        "POST /media/{media_id}/captions",
    ),
    "training.watch_media": (
        "GET /api/training/media",
        "GET /api/training/media-search",
        "GET /api/training/media/{media_id}",
        "GET /api/training/media/{media_id}/captions",
        "POST /api/training/media/{media_id}/links",
        "PUT /api/training/media/{media_id}/position",
        "GET /media",
        "GET /media/{media_id}",
    ),
    "training.open_media_file": ("GET /api/training/media-files/{media_id}/{edition}/{name}",),
}
"""Every route, under the action that it must name."""


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
    "name": "Base", "goal": "strength", "starts_on": "TODAY", "weeks": 4, "sessions_per_week": 2,
}  # fmt: skip
SCREENING = {"answers": dict.fromkeys((one.key for one in QUESTIONS[VERSION]), False)}
TEMPLATE = LINES | {"name": "Base", "goal": "strength", "weeks": 4, "sessions_per_week": 2}
INJURY = {"body_part": "knee", "severity": 1, "occurred_on": "2026-01-05"}
CLASS: dict[str, Any] = {"title": "Mobility", "wall_start": "18:00", "minutes": 60, "capacity": 8}
HOURS: dict[str, Any] = {"rules": [], "time_off": []}

OBJECTS: dict[str, Object] = {
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
    "POST /api/training/workouts/{workout_id}/skip": Object("planned_workout", "customer coach", "admin"),
    "GET /api/training/programmes": Object("customer", "customer coach", "lead_coach admin", at="query.customer_id"),
    "POST /api/training/programmes": Object(
        "customer", "coach", "lead_coach admin", at="body.customer_id", body=PROGRAMME
    ),
    "PUT /api/training/programmes/{programme_id}/lines": Object("programme", "coach", "lead_coach admin", body=LINES),
    "GET /training/workouts/{workout_id}": Object("workout", "customer"),
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
    "POST /staff/people/{account_id}/factor-resets": Object(
        "customer", every="front_desk support admin", form={"identity_check": "photo_id", "reason": "Lost"}
    ),
    "POST /api/identity/accounts/{account_id}/sign-outs": Object(
        "customer", every="support admin", body={"reason": "Phone stolen"}
    ),
    "GET /api/scheduling/desk-locations/{account_id}": Object("customer", every="admin"),
    "PUT /api/scheduling/desk-locations/{account_id}": Object("customer", every="admin", body={"location_ids": []}),
    "POST /staff/people/{account_id}/studios": Object("customer", every="admin", form={}),
    "POST /staff/people/{account_id}/sign-outs": Object(
        "customer", every="support admin", form={"reason": "Phone stolen"}
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
        "template", "coach", "lead_coach admin", body={"customer_id": "CLIENT", "starts_on": "TODAY"}
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
        "customer", "coach", "lead_coach", form={"template_id": "TEMPLATE", "starts_on": "TODAY"}
    ),
    "POST /coaching/screenings/{screening_id}/clear": Object("screening", "coach", form={"note": "Fine."}),
    "POST /coaching/check-ins/{check_in_id}/answer": Object("check_in", "coach", form={"answer": "Well done."}),
    "GET /coaching/templates/{template_id}": Object("template", "coach", "lead_coach admin"),
    "POST /coaching/templates/{template_id}": Object(
        "template", "coach", "lead_coach admin", form={"action": "find", "find": "squat"}
    ),
    "POST /coaching/templates/{template_id}/archive": Object("template", "coach", "lead_coach admin"),
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
    "GET /classes/{slot_id}": Object("class", "coach", "lead_coach admin"),
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
    "POST /api/engagement/scheduled-messages/{scheduled_id}/cancellation": Object("scheduled", "coach"),
    "DELETE /api/engagement/templates/{template_id}": Object("wording", "coach"),
    "GET /api/commerce/invoices/{invoice_id}": Object("invoice", "customer", "finance admin"),
    "GET /api/commerce/invoices/{invoice_id}/file": Object("invoice", "customer", "finance admin"),
    "GET /api/commerce/credit-notes/{credit_note_id}/file": Object("credit_note", "customer", "finance admin"),
    "GET /invoices/{invoice_id}": Object("invoice", "customer", "finance admin"),
    "GET /invoices/{invoice_id}/file": Object("invoice", "customer", "finance admin"),
    "GET /credit-notes/{credit_note_id}/file": Object("credit_note", "customer", "finance admin"),
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
    "GET /api/compliance/export-files/{export_id}",  # whoever holds its signed address
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
    "POST /staff/bookings/{booking_id}/fee-waiver",  # it has to be its customer's too, tested beside it
    "POST /availability/days/{day_id}/remove",  # of the calendar in the form, tested beside it
    "GET /unsubscribe/{token}", "POST /unsubscribe/{token}",  # whoever holds the link
    "GET /api/engagement/attachment-files/{attachment_id}",  # whoever holds its signed address
    "POST /api/commerce/invoices/{invoice_id}/credit-notes", "GET /api/commerce/plans/{plan_code}/prices",
    "POST /api/commerce/plans/{plan_code}/prices", "PUT /api/commerce/customers/{customer_id}/payer",
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

SEES_STRANGERS = {
    "scheduling.list_bookings": "front_desk support admin",
    "training.list_clients": "front_desk support admin",
    "automation.read_runs": "admin data",
    "integrations.deliver": "service",
    "scheduling.see_day": "front_desk support admin",
    "identity.look_up_person": "front_desk support admin",
    "training.manage_templates": "lead_coach admin",
    "commerce.read_collections": "support finance admin",
}
"""Lists that show some roles everybody's rows. No other answer to a request without an id has a stranger in it."""

OWN_PROOF = {
    "GET /oidc/userinfo", "POST /oidc/userinfo",  # by an access token of a live session, checked there
    "GET /two-step/set-up", "POST /two-step/app/new", "GET /two-step/app", "POST /two-step/app",
    "POST /two-step/passkeys/options", "POST /two-step/passkeys", "GET /two-step/codes", "POST /two-step/codes",
    # by a sign-in under way, or a session
    "GET /gateway/authorize",  # answers for the gateway: by the action in its query
}  # fmt: skip
"""Open routes that ask for a proof of their own and may refuse."""

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

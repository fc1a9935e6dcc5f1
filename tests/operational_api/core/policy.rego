# The rules of core/policies/ said a second time, by hand and in another language, to be compared on random requests.
# Deliberately laid out otherwise: by action and what one must be to the object, not by role.
package plyo

import rego.v1

decisions := [d | some r in input.requests; d := verdict(r)]

verdict(r) := true if {
	permitted(r)
	not forbidden(r)
} else := false

# Who must be what: "own" is about oneself, "coached" is about one's client, "any" is about anybody.
anybody := {
	"platform.read_public", "gateway.see_front", "identity.sign_in", "identity.use_provider", "commerce.read_plans",
	"scheduling.read_timetable", "engagement.leave_lead", "commerce.receive_webhook", "integrations.receive_webhook",
	"gateway.ask_graph", "gateway.report_violations", "scheduling.open_calendar_file",
	"compliance.open_export_file", "scheduling.open_calendar_feed",
	"engagement.receive_webhook", "engagement.unsubscribe", "engagement.open_attachment_file",
	"training.open_media_file",
}

people := {
	"identity.keep_account", "gateway.see_home", "gateway.read_screens", "engagement.keep_inbox",
	"engagement.set_preferences",
}

signed_in := {"training.read_exercises", "analytics.read_metrics"}

services := {"automation.put_scores", "integrations.deliver", "commerce.take_settlement"}

own := {
	"analytics.read_client", "commerce.buy", "commerce.change_membership", "commerce.read_membership",
	"commerce.read_client_membership", "commerce.read_wallet",
	"compliance.decide_consents", "compliance.read_consents", "compliance.read_readings",
	"engagement.read_messages",
	"engagement.send_message", "engagement.talk", "integrations.link_wearables",
	"scheduling.book", "scheduling.cancel_booking", "scheduling.list_bookings", "scheduling.read_booking",
	"scheduling.reschedule_booking", "scheduling.see_bookings", "training.log_workout", "training.read_client",
	"training.read_injuries", "training.read_programmes", "training.read_progress", "training.read_workouts",
	"training.report_injury", "training.resolve_injury", "training.train", "training.answer_screening",
	"training.keep_wellbeing", "training.onboard", "training.read_screening", "training.read_wellbeing",
	"scheduling.connect_calendars",
	"scheduling.confirm_booking",
	"commerce.pay_invoice", "commerce.read_invoice",
	"training.keep_media", "training.watch_media",
}

paid_for := {"commerce.pay_invoice", "commerce.read_invoice"}

coached := {
	"analytics.read_client", "analytics.read_lineage", "automation.act_on_queue", "automation.read_queue",
	"commerce.read_client_membership",
	"engagement.read_messages", "engagement.read_threads", "engagement.send_message", "gateway.open_coach_console",
	"engagement.keep_templates", "engagement.schedule_message",
	"scheduling.cancel_booking", "scheduling.cancel_slot", "scheduling.list_bookings", "scheduling.mark_outcome",
	"scheduling.read_availability", "scheduling.read_booking", "scheduling.replace_availability",
	"scheduling.reschedule_booking", "training.assign_programme", "training.list_clients", "training.log_workout",
	"training.read_client", "training.read_injuries", "training.read_programmes", "training.read_progress",
	"training.read_workouts", "training.report_injury", "training.resolve_injury", "scheduling.see_day",
	"staff.open_desk", "training.answer_check_in", "training.clear_screening", "training.coach",
	"training.manage_templates", "training.read_screening", "training.read_wellbeing",
	"scheduling.connect_calendars",
	"scheduling.answer_request", "scheduling.book_for", "scheduling.manage_classes",
	"scheduling.assign_assistants", "scheduling.read_class", "scheduling.write_notice",
	"commerce.read_commissions",
	"training.keep_media", "training.watch_media",
}

staff := {
	"analytics.read_client": {"lead_coach", "admin"},
	"analytics.read_everything": {"admin"},
	"analytics.read_lineage": {"finance", "data", "admin"},
	"analytics.read_masked": {"data"},
	"analytics.read_money": {"finance", "admin"},
	"analytics.read_team": {"lead_coach"},
	"automation.manage_rules": {"admin"},
	"automation.read_runs": {"data", "admin"},
	"commerce.approve_refund": {"finance", "admin"},
	"commerce.create_refund": {"finance", "admin"},
	"commerce.read_client_membership": {"front_desk", "support", "lead_coach", "admin"},
	"commerce.read_refund_requests": {"support", "finance", "admin"},
	"commerce.request_refund": {"support", "finance", "admin"},
	"compliance.approve_export": {"admin"},
	"compliance.check_events": {"admin"},
	"compliance.read_audit": {"admin"},
	"compliance.request_export": {"admin"},
	"engagement.read_messages": {"admin"},
	"engagement.announce": {"admin"},
	"engagement.keep_leads": {"front_desk", "admin"},
	"engagement.settle_message": {"admin"},
	"engagement.revive_address": {"support", "admin"},
	"gateway.ask_anything": {"coach", "lead_coach", "front_desk", "support", "finance", "data", "admin"},
	"gateway.open_admin_console": {"finance", "data", "admin"},
	"gateway.open_pipelines": {"data", "admin"},
	"identity.approve_role": {"admin"},
	"identity.manage_keys": {"admin"},
	"identity.read_role_grants": {"admin"},
	"identity.read_sign_ins": {"admin"},
	"identity.request_role": {"admin"},
	"integrations.connect": {"data", "admin"},
	"integrations.pause": {"data", "admin"},
	"integrations.read_connectors": {"data", "admin"},
	"integrations.resume": {"data", "admin"},
	"integrations.resync": {"data", "admin"},
	"integrations.revoke": {"data", "admin"},
	"integrations.test": {"data", "admin"},
	"scheduling.cancel_booking": {"front_desk", "lead_coach", "admin"},
	"scheduling.cancel_slot": {"front_desk", "lead_coach", "admin"},
	"scheduling.list_bookings": {"front_desk", "support", "admin"},
	"scheduling.mark_outcome": {"front_desk", "lead_coach", "admin"},
	"scheduling.read_availability": {"front_desk", "lead_coach", "admin"},
	"scheduling.read_booking": {"front_desk", "support", "lead_coach", "admin"},
	"scheduling.replace_availability": {"lead_coach", "admin"},
	"scheduling.reschedule_booking": {"front_desk", "lead_coach", "admin"},
	"training.assign_programme": {"lead_coach", "admin"},
	"training.list_clients": {"front_desk", "support", "admin"},
	"training.log_workout": {"admin"},
	"training.read_client": {"front_desk", "support", "lead_coach", "admin"},
	"training.read_programmes": {"lead_coach", "admin"},
	"training.read_progress": {"lead_coach", "admin"},
	"training.read_workouts": {"lead_coach", "admin"},
	"compliance.open_export": {"data", "admin"},
	"compliance.read_exports": {"data", "admin"},
	"compliance.request_customer_export": {"data", "admin"},
	"identity.approve_factor_reset": {"support", "admin"},
	"identity.look_up_person": {"front_desk", "support", "admin"},
	"identity.read_contact": {"support", "admin"},
	"identity.read_factor_resets": {"front_desk", "support", "admin"},
	"identity.request_factor_reset": {"front_desk", "support", "admin"},
	"identity.end_sessions": {"support", "admin"},
	"scheduling.assign_desk": {"admin"},
	"scheduling.see_day": {"front_desk", "support", "admin"},
	"commerce.read_differences": {"finance", "admin"},
	"commerce.resolve_difference": {"finance", "admin"},
	"staff.open_desk": {"front_desk", "support", "finance", "data", "admin"},
	"staff.read_requests": {"front_desk", "support", "finance", "data", "admin"},
	"training.manage_templates": {"lead_coach", "admin"},
	"training.read_funnel": {"lead_coach", "data", "admin"},
	"scheduling.answer_request": {"front_desk", "lead_coach", "admin"},
	"scheduling.manage_classes": {"lead_coach", "admin"},
	"scheduling.manage_studio": {"lead_coach", "admin"},
	"scheduling.assign_assistants": {"front_desk", "lead_coach", "admin"},
	"scheduling.book_for": {"front_desk", "admin"},
	"scheduling.read_class": {"front_desk", "lead_coach", "admin"},
	"scheduling.reassign_booking": {"front_desk", "lead_coach", "admin"},
	"scheduling.waive_fee": {"front_desk", "lead_coach", "admin"},
	"scheduling.write_notice": {"front_desk", "lead_coach", "admin"},
	"commerce.close_pay_period": {"finance", "admin"},
	"commerce.decide_parked": {"admin"},
	"commerce.give_credit": {"front_desk", "finance", "admin"},
	"commerce.read_wallet": {"front_desk", "support", "finance", "admin"},
	"commerce.settle_waiting": {"finance", "admin"},
	"commerce.issue_credit_note": {"finance", "admin"},
	"commerce.manage_prices": {"finance", "admin"},
	"commerce.read_collections": {"support", "finance", "admin"},
	"commerce.read_commissions": {"finance", "admin"},
	"commerce.read_invoice": {"finance", "admin"},
	"commerce.record_payout": {"finance", "admin"},
	"commerce.set_commission": {"finance", "admin"},
	"commerce.set_payer": {"finance", "admin"},
	"integrations.manage_webhooks": {"admin"},
	"integrations.read_webhooks": {"admin"},
	"training.keep_media": {"admin"},
	"training.watch_media": {"admin"},
}

helped_with := {
	"scheduling.mark_outcome", "scheduling.read_booking", "scheduling.read_class", "scheduling.write_notice",
}

approvals := {
	"commerce.approve_refund", "compliance.approve_export", "identity.approve_role", "identity.approve_factor_reset",
}

not_for_oneself := {
	"commerce.decide_parked", "commerce.give_credit", "commerce.issue_credit_note", "commerce.record_payout",
	"commerce.settle_waiting",
	"commerce.request_refund", "compliance.request_export", "identity.request_role", "identity.request_factor_reset",
}

is_about_me(r) if r.object.customer == r.account

is_my_clients(r) if r.object.coach == r.account

permitted(r) if r.action in anybody

permitted(r) if {
	r.action in people
	r.account
}

permitted(r) if {
	r.action in signed_in
	r.account
}

permitted(r) if {
	r.action in signed_in
	r.role == "service"
}

permitted(r) if {
	r.action in services
	r.role == "service"
}

permitted(r) if {
	r.role == "customer"
	r.action in own
	is_about_me(r)
}

permitted(r) if {
	r.role == "customer"
	r.action in paid_for
	r.object.payer == r.account
}

permitted(r) if {
	r.role in {"coach", "lead_coach"}
	r.action in coached
	is_my_clients(r)
}

permitted(r) if {
	r.role in {"coach", "lead_coach"}
	r.action in helped_with
	r.account in r.object.assistants
}

permitted(r) if {
	r.account
	r.role in staff[r.action]
}

forbidden(r) if {
	r.object.kind == "health"
	not is_about_me(r)
	not is_my_clients(r)
}

forbidden(r) if {
	r.object.data_kind
	not is_about_me(r)
	not consents(r)
}

consents(r) if r.object.data_kind in r.object.consents

forbidden(r) if {
	r.role == "customer"
	r.object.kind == "business"
}

forbidden(r) if {
	r.action in approvals
	r.object.requested_by == r.account
}

forbidden(r) if {
	r.action in approvals | not_for_oneself
	is_about_me(r)
}

forbidden(r) if {
	r.action in approvals
	r.object.expires_at <= r.now
}

forbidden(r) if {
	r.action == "compliance.open_export"
	r.object.requested_by
	not is_mine(r)
}

is_mine(r) if r.object.requested_by == r.account

forbidden(r) if {
	r.action == "identity.look_up_person"
	r.role == "front_desk"
	r.object.kind == "business"
}

forbidden(r) if {
	r.action in {"identity.approve_factor_reset", "identity.end_sessions", "identity.request_factor_reset"}
	r.object.kind == "business"
	r.role != "admin"
}

forbidden(r) if {
	r.object.location
	not works_there(r)
}

works_there(r) if not r.locations

works_there(r) if r.object.location in r.locations

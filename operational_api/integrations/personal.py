"""What integrations give a person of itself: what their devices sent, opened, and what a CRM was told."""

from operational_api.core.personal import Contributed, Elsewhere, Emptied, given

PERSONAL = [
    Contributed(
        "integrations",
        {
            "crm_contacts": given("person_id", Elsewhere("contacts.leave"), omit="marks"),
            "crm_deals": given("person_id", Elsewhere("contacts.leave"), omit="marks"),
            "wearable_links": given("customer_id", Emptied({"state": "ended", "ended_reason": "account_closed"})),
            "wearable_payloads": given(
                "customer_id",
                Emptied({"body": None, "is_kept": False, "external_user_id": None, "refusal": "account_closed"}),
                sealed="body",
            ),
        },
        {
            "webhook_attempts": "answers of systems that are told of what happens here",
            "webhook_deliveries": "copies of events, on their way to systems that the business runs",
        },
    )
]

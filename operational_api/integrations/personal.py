"""What integrations give a person of itself: what their devices sent, opened, and what a CRM was told."""

from operational_api.core.personal import Contributed, given

PERSONAL = [
    Contributed(
        "integrations",
        {
            "crm_contacts": given("person_id", omit="marks"),
            "crm_deals": given("person_id", omit="marks"),
            "wearable_links": given("customer_id"),
            "wearable_payloads": given("customer_id", sealed="body"),
        },
        {
            "webhook_attempts": "answers of systems that are told of what happens here",
            "webhook_deliveries": "copies of events, on their way to systems that the business runs",
        },
    )
]

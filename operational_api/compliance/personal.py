"""What compliance gives a person of itself and of the platform: what they allowed, who saw their data, their copies."""

from operational_api.core.personal import IDS, Contributed, Elsewhere, Kept, given

PROOF = Kept("what was allowed and who looked, by which we answer for it; nobody is named but by ids")
PERSONAL = [
    Contributed(
        "compliance",
        {
            "consents": given("customer_id", PROOF, omit="decided_by"),
            "personal_exports": given("account_id", Elsewhere("files.remove_of_person")),
        },
    ),
    Contributed(
        "platform",
        {
            "audit_entries": given(
                "subject_id", PROOF, among="group_id:subjects", omit="group_id address details traceparent"
            ),
            "role_changes": given("account_id", IDS),
        },
        {
            "audit_groups": "who else was in a list that somebody looked at; that you were in it is given",
            "idempotency_keys": "answers that are kept a day for who asks twice",
            "inbox_messages": "messages between parts of Plyo, copies of what is given",
            "outbox_events": "what happened as the parts of Plyo tell each other; what came of it is given",
            "web_sessions": "a browser's key to being signed in; identity lists the sessions",
        },
    ),
]

"""What automation gives a person of itself: what was predicted of them, why, and what was done about it."""

from operational_api.core.personal import Contributed, given

PERSONAL = [
    Contributed(
        "automation",
        {
            "churn_scores": given("customer_id"),
            "runs": given("customer_id", omit="decided_by", named="rule_id:name"),
        },
    )
]

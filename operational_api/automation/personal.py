"""What automation gives a person of itself: what was predicted of them, why, and what was done about it."""

from operational_api.core.personal import IDS, Contributed, Emptied, given

PERSONAL = [
    Contributed(
        "automation",
        {
            "churn_scores": given("customer_id", IDS),
            "runs": given("customer_id", Emptied({"suggested_message": None}), omit="decided_by", named="rule_id:name"),
        },
    )
]

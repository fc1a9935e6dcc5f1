"""What is predicted: whether the membership ends in the 30 days from `as_of`. dbt decides it; this reads it.

A row's outcome counts as known only 30 days after its date, for everybody alike. Who left early is known early, but
training on early leavers next to nobody who stayed would teach that everybody leaves.
"""

from datetime import timedelta

HORIZON = timedelta(days=30)
"""From `as_of` on; also the embargo between what a model learned from and what it is judged on."""

TARGET = "is_churned_30d"

LABELLED = f"""
    select features.*, labels.{TARGET}
    from marts.retention.fct_churn_features as features
    inner join marts.retention.fct_churn_labels as labels using (customer_id, as_of)
    where labels.{TARGET} is not null and as_of + {HORIZON.days} <= (
        select max(as_of) from marts.retention.fct_churn_features
    )
"""
"""Every row whose 30 days are over."""

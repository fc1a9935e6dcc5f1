"""Metrics of members: how many, who comes and goes, how long they stay, who comes to train."""

from contracts.former import Former
from contracts.metrics.definition import Metric

_DAILY = "finance.fct_mrr_daily"
_MONTHS = "finance.fct_membership_months"
_MOVEMENTS = "finance.fct_mrr_movements"
_AT_RISK = (
    "days_since_last_session > 14 or (days_since_last_session is null and tenure_days > 14) or "
    "adherence_drop >= 0.2 - 1e-9 or (sessions_attended_7d = 0 and not has_next_booking)"
)

METRICS = (
    Metric(
        "active_members", "Active members",
        "Memberships that have started, have not ended and are not paused, whether or not the member visits.",
        "count", _DAILY, "sum(active_members)", "day", "stock", exclusions="Trials, paused memberships, packs.",
    ),
    Metric(
        "paused_members", "Paused members", "Memberships on pause: they pay nothing and have not left.",
        "count", _DAILY, "sum(paused_members)", "day", "stock", better="neither",
    ),
    Metric(
        "members_started", "Members joined", "Memberships that started or started again.",
        "count", _DAILY, "sum(members_started)", "day", exclusions="Trials until they pay; resumed pauses.",
    ),
    Metric(
        "members_ended", "Members lost", "Memberships that ended, by the customer's wish or by failed payment.",
        "count", _DAILY, "sum(members_ended)", "day", exclusions="Trials that never paid; pauses.", better="less",
    ),
    Metric(
        "net_member_movement", "Net member movement", "Members joined minus members lost.",
        "count", _DAILY, "sum(members_started) - sum(members_ended)", "day",
    ),
    Metric(
        "voluntary_churn", "Cancelled by the member",
        "Memberships that ended because the customer cancelled.",
        "count", _MOVEMENTS, "count(*)", "changed_on", where="kind = 'churn' and cancel_kind = 'voluntary'",
        exclusions="Trials that never paid; pauses.", owner="retention", better="less",
    ),
    Metric(
        "involuntary_churn", "Lost to failed payment",
        "Memberships that ended because payment could not be collected.",
        "count", _MOVEMENTS, "count(*)", "changed_on", where="kind = 'churn' and cancel_kind = 'involuntary'",
        exclusions="Trials that never paid.", owner="retention", better="less",
    ),
    Metric(
        "involuntary_churn_rate", "Involuntary share of churn",
        "Of the memberships that ended, the share that ended because payment could not be collected.",
        "ratio", _MOVEMENTS,
        "avg(case when cancel_kind = 'involuntary' then 1.0 else 0.0 end)", "changed_on", where="kind = 'churn'",
        better="less",
    ),
    Metric(
        "attrition", "Attrition",
        "Of the members at the start of the month, the share who are not members at its end.",
        "ratio", _MONTHS, "sum(members_lost) / nullif(sum(members_at_start), 0)", "month",
        exclusions="Who joined within the month; a pause is not a loss. The running month counts until today.",
        owner="retention", grains=("month",), better="less",
    ),
    Metric(
        "member_retention", "Retention",
        "Of the members at the start of the month, the share who are still members at its end.",
        "ratio", _MONTHS, "1 - sum(members_lost) / nullif(sum(members_at_start), 0)", "month",
        exclusions="Who joined within the month.", owner="retention", grains=("month",),
    ),
    Metric(
        "customer_lifetime", "Customer lifetime",
        "Months a membership lasts on average, by Kaplan and Meier over all memberships, as known at the month's end.",
        "months", _MONTHS, "case when count(distinct currency) = 1 then max_by(lifetime_months, month) end", "month",
        exclusions=(
            "Months beyond the longest membership seen so far; trials. A pause goes on counting, a return "
            "starts anew. Across currencies nothing is told."
        ),
        owner="retention", grains=("month",),
        former=(
            Former(
                "2026-11-29T09:00:00Z", "max(lifetime_months)", "",
                "of several months or currencies the longest lifetime was told, not that of the last month",
            ),
        ),
    ),
    Metric(
        "customer_lifetime_shortcut", "Customer lifetime (shortcut)",
        "One divided by the month's attrition: months a member would stay if every month were like this one.",
        "months", _MONTHS, "sum(members_at_start) / nullif(sum(members_lost), 0)", "month",
        exclusions="Months in which nobody left say nothing.", owner="retention", grains=("month",),
    ),
    Metric(
        "cohort_lifetime", "Months kept by cohort",
        "Months that members who joined in the month have stayed so far, on average.",
        "months", "retention.fct_cohort_retention",
        "sum(retained) / nullif(sum(case when months_since = 0 then members end), 0)", "cohort_month",
        exclusions="What is still to come: a young cohort reads low and is only comparable to others of its age.",
        owner="retention", grains=("month",), better="neither",
        former=(
            Former(
                "2026-11-29T09:00:00Z", "sum(retention)", "",
                "of several months the means of their cohorts were added up",
            ),
        ),
    ),
    Metric(
        "active_clients_30d", "Active clients",
        "Customers who attended a session in the 30 days up to the day, whatever they pay with.",
        "count", "core.fct_stages_daily", "sum(visited_30d)", "day", "stock", exclusions="Members who did not come.",
        owner="retention",
    ),
    Metric(
        "visiting_members", "Members who visit",
        "Members who are not paused and attended a session in the 30 days up to the day.",
        "count", "core.fct_stages_daily", "sum(visited_30d)", "day", "stock",
        where="stage in ('active', 'won_back')", exclusions="Clients with packs or on trial; members on pause.",
        owner="retention",
    ),
    Metric(
        "at_risk_clients", "Clients at risk",
        "Active members without a visit for more than 14 days, whose adherence fell by 20 points or more, or "
        "who neither came in the last 7 days nor have a session booked.",
        "count", "retention.fct_churn_features", f"count(*) filter (where {_AT_RISK})", "as_of", "stock",
        exclusions=(
            "Trials, pauses, packs. Failed payments, which dunning looks after. Known on Mondays and for "
            "today."
        ),
        owner="retention", better="less",
        former=(
            Former(
                "2026-11-27T23:00:00Z", "count(*)",
                "days_since_last_session > 14 or (days_since_last_session is null and tenure_days > 14) or "
                "adherence_drop >= 0.2 or (sessions_attended_7d = 0 and not has_next_booking)",
                "a fall from 100 % to 80 % was less than 20 points by a hair of floating numbers",
            ),
            Former(
                "2026-11-29T09:00:00Z", "count(*)", _AT_RISK,
                "where nobody was at risk any more, those of the last day on which somebody was were told",
            ),
        ),
        counts=_AT_RISK,
    ),
    Metric(
        "attendance_per_member", "Sessions per member and week",
        "Sessions that an active member attended in the seven days before a Monday, on average.",
        "number", "retention.fct_churn_features", "avg(sessions_attended_7d)", "as_of",
        where="extract(isodow from as_of) = 1", exclusions="Trials, pauses, packs.", owner="retention",
        grains=("week", "month"),
    ),
)  # fmt: skip

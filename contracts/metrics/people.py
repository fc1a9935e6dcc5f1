"""Metrics of coaches: time, clients, pay."""

from contracts.metrics.definition import Metric

METRICS = (
    Metric(
        "utilisation", "Coach utilisation",
        "Hours of sessions delivered divided by the hours coaches were available.",
        "ratio", "scheduling.fct_coach_weeks", "sum(delivered_hours) / nullif(sum(available_hours), 0)",
        "week_starts_on",
        exclusions=(
            "Absences, public holidays and closed days are not available, other hours of single days are. A slot "
            "counts once, however full."
        ),
        owner="operations", grains=("week", "month"),
    ),
    Metric(
        "coach_load", "Coach load",
        "Clients a coach has at the end of the week divided by the clients they have room for.",
        "ratio", "scheduling.fct_coach_weeks", "sum(clients) / nullif(sum(client_capacity), 0)", "week_starts_on",
        "stock", exclusions=(
            "Clients on pause or gone, and those with nothing but a pack; weeks in which a coach is away throughout. "
            "Room is today's."
        ),
        owner="operations", grains=("week", "month"), better="neither",
    ),
    Metric(
        "commission", "Commission",
        "What coaches earned in pay periods that ended in the period.",
        "money", "finance.fct_commissions", "sum(total_minor)", "last_on",
        exclusions="Periods that are not closed yet.", owner="finance", better="neither",
    ),
    Metric(
        "commission_paid", "Commission paid",
        "What coaches were paid of closed pay periods, as finance noted it, on days in the period.",
        "money", "finance.fct_commission_payouts", "sum(amount_minor)", "paid_on", where="reversed_at is null",
        exclusions="What was noted by mistake and taken back.", owner="finance", better="neither",
    ),
)  # fmt: skip

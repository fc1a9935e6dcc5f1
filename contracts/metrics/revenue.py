"""Metrics of money: what is contracted, billed and collected, what a customer costs and brings."""

from contracts.former import Former
from contracts.metrics.definition import Metric

_DAILY = "finance.fct_mrr_daily"
_MONTHS = "finance.fct_membership_months"
_MRR_MONTHS = "finance.fct_mrr_months"
_CASH = "provider not in ('wallet', 'gift')"
_TAX = "Tax, packs and one-off sales; trials and paused memberships, which pay nothing."

METRICS = (
    Metric(
        "mrr", "Monthly recurring revenue",
        "What all running memberships pay in a month at their contracted price, each normalised to one month.",
        "money", _DAILY, "sum(mrr_minor)", "day", "stock", exclusions=_TAX,
    ),
    Metric(
        "new_mrr", "New MRR", "MRR of customers who became members for the first time.",
        "money", _DAILY, "sum(new_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "expansion_mrr", "Expansion MRR",
        "MRR added by price rises, larger plans and memberships resumed after a pause.",
        "money", _DAILY, "sum(expansion_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "contraction_mrr", "Contraction MRR",
        "MRR lost to price cuts, smaller plans and pauses, as a negative amount.",
        "money", _DAILY, "sum(contraction_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "churned_mrr", "Churned MRR", "MRR of memberships that ended, as a negative amount.",
        "money", _DAILY, "sum(churn_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "reactivation_mrr", "Reactivation MRR", "MRR of former members who came back.",
        "money", _DAILY, "sum(reactivation_minor)", "day", exclusions=_TAX,
    ),
    Metric(
        "billed_mrr", "Billed MRR",
        "What invoices charge for the month's last day, each normalised to one month, with discounts taken off.",
        "money", _MRR_MONTHS, "sum(billed_minor)", "month", "stock",
        exclusions=(
            "Tax, prorations, void invoices, memberships that have ended. Refunds and credit notes are not "
            "subtracted."
        ),
        grains=("month",),
    ),
    Metric(
        "collected_mrr", "Collected MRR",
        "The part of billed MRR whose invoice has been paid.",
        "money", _MRR_MONTHS, "sum(collected_minor)", "month", "stock",
        exclusions="As for billed MRR; what is paid in part counts when it is paid in full.", grains=("month",),
    ),
    Metric(
        "arpm", "Average revenue per member",
        "Money collected in the month, less refunds, divided by everybody who was a member in it.",
        "money", _MONTHS, "sum(revenue_minor) / nullif(sum(members_any), 0)", "month",
        exclusions=(
            "Payments by customers without a membership that month; top-ups of wallets until they pay something, gifts."
        ),
        grains=("month",),
    ),
    Metric(
        "arpu", "Average revenue per active member",
        "Money collected in the 30 days up to the day, less refunds, divided by the mean number of active "
        "members on those days.",
        "money", _DAILY, "sum(revenue_30d_minor) / nullif(sum(mean_members_30d), 0)", "day", "stock",
        exclusions=(
            "Members on pause are not divided by; their payments count. Top-ups of wallets until they pay something, "
            "gifts."
        ),
    ),
    Metric(
        "payments_captured", "Payments collected", "Money captured, before refunds, disputes and provider fees.",
        "money", "finance.fct_payments", "sum(amount_minor)", "captured_on", where=f"status = 'captured' and {_CASH}",
        exclusions=(
            "Failed and pending attempts; what wallets pay, which was captured when it was paid in. Tax is included."
        ),
        former=(
            Former(
                "2026-11-28T07:00:00Z", "sum(amount_minor)", "status = 'captured'",
                "an invoice that a wallet pays brings no cash: its top-up did",
            ),
        ),
    ),
    Metric(
        "net_revenue", "Net revenue",
        "Money that paid invoices, less what was refunded or is disputed and not won, on the day it was captured.",
        "money", "finance.fct_payments", "sum(amount_minor - refunded_minor - disputed_minor)", "captured_on",
        where="status = 'captured' and kind <> 'top_up' and provider <> 'gift'",
        exclusions=(
            "Top-ups of wallets, until they pay an invoice; gifts. Provider fees are not subtracted. Tax is included."
        ),
        former=(
            Former(
                "2026-11-28T07:00:00Z", "sum(amount_minor - refunded_minor - disputed_minor)", "status = 'captured'",
                "a top-up is owed to its owner until it pays something, and a gift was never paid",
            ),
        ),
    ),
    Metric(
        "refund_rate", "Refunded share",
        "Of the money captured in the period, the share that has been given back since.",
        "ratio", "finance.fct_payments", "sum(refunded_minor) / nullif(sum(amount_minor), 0)", "captured_on",
        where=f"status = 'captured' and {_CASH}",
        exclusions=(
            "Disputes; what goes back into a wallet. Young payments may still be refunded: recent periods read low."
        ),
        better="less",
        former=(
            Former(
                "2026-11-28T07:00:00Z", "sum(refunded_minor) / nullif(sum(amount_minor), 0)", "status = 'captured'",
                "what goes back into a wallet is not given back yet",
            ),
        ),
    ),
    Metric(
        "credited", "Credit notes",
        "Sum of the credit notes on invoices that were issued in the period.",
        "money", "finance.fct_invoices", "sum(credited_minor)", "issued_on",
        exclusions="Placed by the invoice's day, not by the credit note's. Tax is included.", better="less",
    ),
    Metric(
        "invoices_owed", "Still owed",
        "Of the invoices issued in the period, what open ones still ask for.",
        "money", "finance.fct_invoices", "sum(owed_minor)", "issued_on",
        exclusions="What was written off as uncollectible or void. Tax is included.", better="less",
    ),
    Metric(
        "payment_failure_rate", "Failed payment attempts", "Share of attempts to collect that failed.",
        "ratio", "finance.fct_payments", "avg(case when status = 'failed' then 1.0 else 0.0 end)", "attempted_on",
        where=f"status in ('captured', 'failed') and {_CASH}",
        exclusions="Attempts still pending or of unknown fate; what wallets pay, which cannot fail.", better="less",
        former=(
            Former(
                "2026-11-28T07:00:00Z", "avg(case when status = 'failed' then 1.0 else 0.0 end)",
                "status in ('captured', 'failed')",
                "what a wallet pays is no attempt: it cannot fail",
            ),
        ),
    ),
    Metric(
        "dunning_recovery_rate", "Recovered after failed payment",
        "Of the invoices whose payment first failed in the period and whose fate is known, the share "
        "collected after all.",
        "ratio", "finance.fct_invoices", "avg(case when dunning = 'recovered' then 1.0 else 0.0 end)",
        "first_failed_on", where="dunning in ('recovered', 'lost')",
        exclusions="Invoices still being collected, and those of which nothing was owed after all.",
    ),
    Metric(
        "days_to_recover", "Days to recover",
        "Days from the first failed attempt to the money, on average over the invoices that were recovered.",
        "days", "finance.fct_invoices", "avg(days_to_recover)", "first_failed_on", where="dunning = 'recovered'",
        exclusions="Invoices that were lost or credited, or are still being collected.", better="less",
    ),
    Metric(
        "cac", "Cost to acquire a customer",
        "Marketing and sales spend of the month divided by customers whose first membership began in it.",
        "money", _MONTHS,
        "sum(marketing_spend_minor) / "
        "nullif(sum(case when marketing_spend_minor is not null then members_new end), 0)", "month",
        exclusions="Former members who came back. Months without spend entered say nothing.", owner="growth",
        grains=("month",), better="less",
        former=(
            Former(
                "2026-11-27T23:00:00Z", "sum(marketing_spend_minor) / nullif(sum(members_new), 0)", "",
                "of several months, those whose spend nobody had entered seemed to bring customers for nothing",
            ),
        ),
    ),
    Metric(
        "ltv_by_churn", "Lifetime value (revenue / churn)",
        "Average revenue per member of the month divided by its attrition: what a member would bring if this "
        "month went on for ever.",
        "money", _MONTHS,
        "(sum(revenue_minor) / nullif(sum(members_any), 0)) / nullif(sum(members_lost) / "
        "nullif(sum(members_at_start), 0), 0)",
        "month", exclusions="Months in which nobody left say nothing. Costs are not subtracted.", grains=("month",),
    ),
    Metric(
        "ltv_by_lifetime", "Lifetime value (revenue x lifetime)",
        "Average revenue per member of the month times the months a membership lasts, by Kaplan and Meier.",
        "money", _MONTHS, "sum(revenue_minor) / nullif(sum(members_any), 0) * max_by(lifetime_months, month)", "month",
        exclusions="What members bring after the longest membership seen so far. Costs are not subtracted.",
        grains=("month",),
        former=(
            Former(
                "2026-11-29T09:00:00Z", "sum(revenue_minor) / nullif(sum(members_any), 0) * max(lifetime_months)", "",
                "of several months the longest lifetime counted, not that of the last",
            ),
        ),
    ),
    Metric(
        "ltv_billed", "Lifetime value (billed / memberships)",
        "Everything ever invoiced for memberships by the month's end divided by memberships ever started.",
        "money", _MONTHS,
        "max_by(billed_to_date_minor, month) / nullif(max_by(memberships_to_date, month), 0)", "month",
        exclusions=(
            "What today's members will still pay: it reads low while a business is young. Tax; void "
            "invoices."
        ),
        grains=("month",),
        former=(
            Former(
                "2026-11-29T09:00:00Z", "sum(billed_to_date_minor) / nullif(sum(memberships_to_date), 0)", "",
                "of several months what was billed by the end of each was added up",
            ),
        ),
    ),
    Metric(
        "package_renewal_rate", "Package renewal",
        "Of the session packs that ended in the period, the share whose owner bought again within 30 days of the end.",
        "ratio", "finance.fct_packs", "avg(case when is_renewed then 1.0 else 0.0 end)", "ended_on",
        where="is_outcome_known and sessions_refunded < sessions_total",
        exclusions="Packs that ended less than 30 days ago, renewed or not; packs that were given back whole.",
        owner="retention",
        former=(
            Former(
                "2026-11-29T09:00:00Z", "avg(case when is_renewed then 1.0 else 0.0 end)", "is_outcome_known",
                "a pack that was given back whole was told as one that its owner did not renew, and as a renewal",
            ),
        ),
    ),
)  # fmt: skip

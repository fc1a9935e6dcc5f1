"""Metrics of conversation and growth: messages, leads, trials, setting up, what people say."""

from contracts.former import Former
from contracts.metrics.definition import Metric

_DAILY = "finance.fct_mrr_daily"
_DELIVERIES = "engagement.fct_deliveries"

METRICS = (
    Metric(
        "messages_sent", "Messages", "Messages between clients and coaches.",
        "count", "engagement.fct_messages", "count(*)", "sent_on", where="kind <> 'system'",
        exclusions="Messages written by the system.", owner="coaching", better="neither",
    ),
    Metric(
        "nudges_sent", "Nudges sent", "Messages a coach sent from the queue because a rule suggested it.",
        "count", "engagement.fct_messages", "count(*)", "sent_on", where="kind = 'nudge'", owner="coaching",
        better="neither",
    ),
    Metric(
        "deliveries_sent", "Messages sent out",
        "E-mails, texts and notifications that left Plyo.",
        "count", _DELIVERIES, "count(*)", "created_on", where="status = 'sent'",
        exclusions="What wishes held back, what failed, what still waits.", owner="growth", better="neither",
    ),
    Metric(
        "delivery_rate", "Confirmed deliveries",
        "Of the messages that left, the share whose arrival a provider confirmed.",
        "ratio", _DELIVERIES, "avg(case when delivered_at is not null then 1.0 else 0.0 end)", "created_on",
        where="status = 'sent'", exclusions="A provider that confirms nothing counts as not arrived.",
        owner="growth",
    ),
    Metric(
        "withheld_rate", "Held back by wishes",
        "Of the messages whose fate is known, the share that wishes, quiet hours or caps held back for good.",
        "ratio", _DELIVERIES, "avg(case when status = 'withheld' then 1.0 else 0.0 end)", "created_on",
        where="status <> 'queued'", exclusions="Messages that still wait.", owner="growth", better="less",
    ),
    Metric(
        "announcement_reach", "Reach of announcements",
        "Of the people an announcement was for, the share it was sent to.",
        "ratio", "engagement.fct_announcements", "sum(sent) / nullif(sum(recipients), 0)", "created_on",
        exclusions="None.", owner="growth",
    ),
    Metric(
        "onboarding_drop_off", "Onboarding drop-off",
        "Of the steps of setting up that were entered, the share that was not left within a week.",
        "ratio", "engagement.fct_onboarding_steps", "avg(case when is_dropped then 1.0 else 0.0 end)", "entered_on",
        where="is_outcome_known", exclusions="Steps entered less than a week ago and not left yet.", owner="growth",
        better="less",
    ),
    Metric(
        "lead_to_trial", "Leads on trial",
        "Of the leads captured in the period, the share who began a trial.",
        "ratio", "engagement.fct_leads", "avg(case when trial_started_at is not null then 1.0 else 0.0 end)",
        "created_on",
        exclusions=(
            "Leads who became members without a trial. Young leads may still begin one: recent periods read "
            "low."
        ),
        owner="growth",
    ),
    Metric(
        "lead_conversion", "Lead conversion", "Of the leads captured in the period, the share who became members.",
        "ratio", "engagement.fct_leads",
        "avg(case when became_member_at is not null then 1.0 else 0.0 end)", "created_on",
        exclusions="Young leads may still convert: recent periods read low.", owner="growth",
    ),
    Metric(
        "trial_conversion", "Trial conversion",
        "Of the trials that began in the period and are decided, the share that became a membership.",
        "ratio", _DAILY, "sum(trials_converted) / nullif(sum(trials_decided), 0)", "day",
        exclusions="Trials still running.", owner="growth",
    ),
    Metric(
        "nps", "Net promoter score",
        "Of those who answered how likely they are to recommend us, the percentage of 9 and 10 less that of 0 to 6.",
        "number", "engagement.fct_survey_answers",
        "100.0 * (count(*) filter (where attitude = 'promoter') - count(*) filter (where attitude = "
        "'detractor')) / nullif(count(*), 0)",
        "answered_on",
        exclusions="Who was not asked or did not answer. Answers come from outside: Plyo does not ask.",
        owner="growth",
        former=(
            Former(
                "2026-11-29T09:00:00Z",
                "100.0 * (count(*) filter (where attitude = 'promoter') - count(*) filter (where attitude = "
                "'detractor')) / count(*)",
                "", "of a period without answers it was no number, and not nothing",
            ),
        ),
    ),
)  # fmt: skip

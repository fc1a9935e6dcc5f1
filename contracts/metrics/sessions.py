"""Metrics of sessions and classes: held, missed, filled, waited for."""

from contracts.metrics.definition import Metric

_BOOKINGS = "scheduling.fct_bookings"
_SLOTS = "scheduling.fct_slots"
_CLASSES = "kind = 'group' and status = 'open' and has_started"

METRICS = (
    Metric(
        "sessions_delivered", "Sessions delivered", "Sessions that at least one customer attended.",
        "count", _SLOTS, "count(*)", "local_day", where="seats_attended > 0",
        exclusions="A group session counts once, however full.", owner="operations",
    ),
    Metric(
        "attendances", "Attendances", "Seats that were attended.",
        "count", _BOOKINGS, "count(*)", "local_day", where="status = 'attended'", owner="operations",
    ),
    Metric(
        "no_show_rate", "No-show rate", "Of the bookings that came due, the share neither attended nor cancelled.",
        "ratio", _BOOKINGS, "avg(case when status = 'no_show' then 1.0 else 0.0 end)", "local_day",
        where="status in ('attended', 'no_show', 'late_cancelled')",
        exclusions="Bookings cancelled in time, and those whose outcome is not marked yet.", owner="operations",
        better="less",
    ),
    Metric(
        "late_cancel_rate", "Late-cancel rate",
        "Of the bookings that came due, the share cancelled inside the cancellation window.",
        "ratio", _BOOKINGS, "avg(case when status = 'late_cancelled' then 1.0 else 0.0 end)", "local_day",
        where="status in ('attended', 'no_show', 'late_cancelled')",
        exclusions="Bookings cancelled in time, and those whose outcome is not marked yet.", owner="operations",
        better="less",
    ),
    Metric(
        "late_fee_waiver_rate", "Late fees waived",
        "Of the fees that fell due for cancelling late or not coming, the share that was waived.",
        "ratio", _BOOKINGS, "avg(case when is_late_fee_waived then 1.0 else 0.0 end)", "local_day",
        where="is_late_fee_waived is not null", exclusions="Bookings whose terms ask no fee.", owner="operations",
        better="neither",
    ),
    Metric(
        "active_clients", "Clients who came", "Customers who attended at least one session, whatever they pay with.",
        "count", _BOOKINGS, "count(distinct customer_id)", "local_day", where="status = 'attended'",
        exclusions="Members who did not come.", owner="operations",
    ),
    Metric(
        "fill_rate", "Fill rate", "Seats held divided by seats offered, over slots that have started.",
        "ratio", _SLOTS, "sum(seats_held) / nullif(sum(capacity), 0)", "local_day",
        where="status = 'open' and has_started", exclusions="Cancelled slots.", owner="operations",
    ),
    Metric(
        "class_fill_rate", "Class fill rate",
        "Seats held divided by seats offered, over group classes that have started.",
        "ratio", _SLOTS, "sum(seats_held) / nullif(sum(capacity), 0)", "local_day", where=_CLASSES,
        exclusions="One-to-one sessions; cancelled classes.", owner="operations",
    ),
    Metric(
        "average_class_size", "Average class size",
        "Check-ins divided by group classes that have started.",
        "number", _SLOTS, "avg(seats_attended)", "local_day", where=_CLASSES,
        exclusions="Cancelled classes; a class to which nobody came counts.", owner="operations", better="neither",
    ),
    Metric(
        "waitlist_conversion", "Waitlist conversion",
        "Of those who waited for a seat of a session that has started, the share who got one and took it.",
        "ratio", _SLOTS, "sum(waitlist_promoted) / nullif(sum(waitlisted), 0)", "local_day", where="has_started",
        exclusions="Sessions still to come.", owner="operations",
    ),
)  # fmt: skip

"""What scheduling gives a person of itself: their bookings and calendars, and a coach's hours and classes."""

from operational_api.core.personal import Contributed, given

PERSONAL = [
    Contributed(
        "scheduling",
        {
            "availability_exceptions": given("coach_id"),
            "availability_rules": given("coach_id"),
            "booking_moves": given(through="origin_id", omit="moved_by"),
            "booking_series": given("customer_id", named="coach_id:display_name location_id:name"),
            "booking_terms": given("coach_id"),
            "bookings": given("customer_id", omit="late_fee_waived_by"),
            "busy_times": given(through="connection_id"),
            "calendar_connections": given("account_id", omit="cursor"),
            "coaches": given("id", named="location_id:name"),
            "desk_locations": given("account_id", omit="given_by", named="location_id:name"),
            "session_series": given("coach_id", named="location_id:name"),
            "slots": given("coach_id", named="location_id:name"),
            "time_off": given("coach_id"),
            "waitlist_entries": given("customer_id"),
        },
        {
            "calendar_feeds": "a secret address under which your calendar is read; make or end it under Calendars",
            "calendar_pushes": "which of your bookings stand in your own calendar: both are given",
            "calendar_secrets": "the key by which your calendar lets us in",
            "slot_resources": "which room or rack a session takes",
        },
    )
]

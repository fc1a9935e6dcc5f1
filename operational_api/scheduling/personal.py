"""What scheduling gives a person of itself: their bookings and calendars, and a coach's hours and classes."""

from operational_api.core.personal import DELETED, IDS, Contributed, Elsewhere, Emptied, Kept, given

PERSONAL = [
    Contributed(
        "scheduling",
        {
            "availability_exceptions": given("coach_id", IDS),
            "availability_rules": given("coach_id", IDS),
            "booking_moves": given(closing=IDS, through="origin_id", omit="moved_by"),
            "booking_series": given("customer_id", IDS, named="coach_id:display_name location_id:name"),
            "booking_terms": given("coach_id", IDS),
            "bookings": given("customer_id", IDS, omit="late_fee_waived_by booked_by"),
            "busy_times": given(closing=Elsewhere("connections.forget_person"), through="connection_id"),
            "calendar_connections": given("account_id", Elsewhere("connections.forget_person"), omit="cursor"),
            "class_notices": given("author_id", Kept("words to a class, which are those of who was told")),
            "coaches": given(
                "id", Emptied({"display_name": "Former coach", "bio": "", "specialities": []}), named="location_id:name"
            ),
            "desk_locations": given("account_id", DELETED, omit="given_by", named="location_id:name"),
            "session_series": given("coach_id", IDS, named="location_id:name"),
            "slots": given("coach_id", IDS, named="location_id:name"),
            "time_off": given("coach_id", IDS),
            "waitlist_entries": given("customer_id", IDS),
        },
        {
            "calendar_feeds": "a secret address under which your calendar is read; make or end it under Calendars",
            "calendar_pushes": "which of your bookings stand in your own calendar: both are given",
            "calendar_secrets": "the key by which your calendar lets us in",
            "slot_resources": "which room or rack a session takes",
        },
    )
]

"""A booked session as an iCalendar file, for the calendar on a phone: the same event as in feeds and calendars."""

from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.scheduling.calendars import feed
from operational_api.scheduling.errors import BookingNotFound
from operational_api.scheduling.service import entries


def render(session: Session, booking_id: UUID, account_id: UUID) -> bytes:
    """The file as one of a booking's two people sees it.

    Raises:
        BookingNotFound: it was moved, and the booking in its place has a file of its own.
    """
    entry = entries.of_booking(session, booking_id, account_id)
    if entry is None:
        raise BookingNotFound
    return feed.render([entry])

"""Many who want one coach to assist one of two classes at the same hour."""

from collections import Counter

from sqlalchemy import func, select

from operational_api.scheduling.models import Slot
from tests.factories import make_account, make_coach, make_location, make_slot
from tests.operational_api.scheduling.races.callers import CALLERS, SOON, WEEK, Server


@CALLERS
def test_one_coach_assists_one_class_at_a_time(server: Server, callers: int) -> None:
    """Each caller names the same assistant, half of them in either class: one class has them, all others are told."""
    with server.sessions.begin() as session:
        here = make_location(session)
        helper = make_coach(session, location=here)
        classes = [
            make_slot(session, coach=make_coach(session, location=here), starts_at=SOON + 2 * WEEK, capacity=8).id
            for _ in range(2)
        ]
        desk = make_account(session, role="front_desk")
    body = {"coach_ids": [str(helper.id)]}
    told = server.race(
        [(desk, f"/api/scheduling/classes/{classes[number % 2]}/assistants", body) for number in range(callers)],
        method="PUT",
    )
    # The same again is no news, so all who named the class that won are answered alike.
    assert told == Counter({"200": callers // 2, "409 scheduling.assistant_not_free": callers // 2})
    with server.sessions() as session:
        held = select(func.count()).where(Slot.coach_id == helper.id, Slot.kind == "assist", Slot.status == "open")
        assert session.scalar(held) == 1

"""What a customer sees first. The home page and the API show the same parts."""

from operational_api.commerce import public as commerce
from operational_api.engagement import public as engagement
from operational_api.gateway.bff.composition import Asker, Part
from operational_api.gateway.bff.schemas import Membership
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training


def _membership(asker: Asker) -> Membership:
    return Membership(
        plan=commerce.current_plan(asker.session, asker.account_id),
        pack_sessions=commerce.pack_sessions_left(asker.session, asker.account_id, asker.now),
    )


def _coach(asker: Asker) -> str | None:
    coach_id = training.coach_of(asker.session, asker.account_id)
    return scheduling.coach_names(asker.session, [coach_id]).get(coach_id) if coach_id else None


PARTS: dict[str, Part] = {
    "setting_up": lambda asker: training.setting_up(asker.session, asker.account_id, asker.now),
    "next_session": lambda asker: scheduling.next_session(asker.session, asker.account_id, asker.now),
    "workout": lambda asker: training.next_workout(asker.session, asker.account_id, asker.now),
    "is_on_hold": lambda asker: training.is_on_hold(asker.session, asker.account_id),
    "membership": _membership,
    "unread": lambda asker: engagement.unread_count(asker.session, asker.account_id),
    "coach": _coach,
    "progress": lambda asker: training.progress(asker.session, asker.account_id, asker.now),
}

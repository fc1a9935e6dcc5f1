"""What a coach sees first: today's sessions, whom to write to, what is unread."""

from datetime import timedelta

from operational_api.automation import public as automation
from operational_api.engagement import public as engagement
from operational_api.gateway.bff.composition import Asker, Part
from operational_api.gateway.bff.schemas import CoachSession
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training

BEHIND, AHEAD = timedelta(hours=12), timedelta(days=2)
"""Sessions of the day that are still to be marked, and those to prepare for, wherever the coach's midnight is."""
SUGGESTIONS = 50


def _sessions(asker: Asker) -> list[CoachSession]:
    found = scheduling.sessions_of_coach(
        asker.session, asker.account_id, since=asker.now - BEHIND, until=asker.now + AHEAD
    )
    names = training.client_names(asker.session, {one.customer_id for one in found})
    return [CoachSession.of(one, names.get(one.customer_id, "New client")) for one in found]


PARTS: dict[str, Part] = {
    "person": lambda asker: identity.person(asker.session, asker.account_id),
    "sessions": _sessions,
    "suggestions": lambda asker: automation.open_suggestions(
        asker.session, asker.account_id, asker.now, limit=SUGGESTIONS
    ),
    "unread": lambda asker: engagement.unread_count(asker.session, asker.account_id),
    "clients": lambda asker: len(training.clients_of(asker.session, asker.account_id)),
}

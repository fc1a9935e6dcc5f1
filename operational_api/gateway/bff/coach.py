"""What a coach sees first: today's sessions, whom to write to, what is unread."""

from datetime import timedelta

from operational_api.automation import public as automation
from operational_api.engagement import public as engagement
from operational_api.gateway.bff.composition import Asker, Part
from operational_api.gateway.bff.schemas import CoachSession
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training

AHEAD = timedelta(hours=24)
SUGGESTIONS = 10


def _sessions(asker: Asker) -> list[CoachSession]:
    """Those that run now and those of the next day: "today" without asking where the coach is."""
    since = asker.now - timedelta(hours=1)
    found = scheduling.sessions_of_coach(asker.session, asker.account_id, since=since, until=asker.now + AHEAD)
    names = training.client_names(asker.session, {one.customer_id for one in found})
    return [CoachSession.of(one, names.get(one.customer_id, "New client")) for one in found]


PARTS: dict[str, Part] = {
    "sessions": _sessions,
    "suggestions": lambda asker: automation.open_suggestions(
        asker.session, asker.account_id, asker.now, limit=SUGGESTIONS
    ),
    "unread": lambda asker: engagement.unread_count(asker.session, asker.account_id),
    "clients": lambda asker: len(training.clients_of(asker.session, asker.account_id)),
}

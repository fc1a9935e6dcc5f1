"""The other side of each adapter, and a person's own hand on it: what they put into their calendar, move and delete."""

from tests.operational_api.scheduling.calendars.worlds.caldav import CaldavWorld, local_radicale, local_xandikos
from tests.operational_api.scheduling.calendars.worlds.files import FeedWorld, PublishedWorld, local_files
from tests.operational_api.scheduling.calendars.worlds.google import GoogleWorld, local_google
from tests.operational_api.scheduling.calendars.worlds.graph import GraphWorld, local_graph
from tests.operational_api.scheduling.calendars.worlds.texts import calendar, day_event, drawn, event, series
from tests.operational_api.scheduling.calendars.worlds.world import BERLIN, HOUR, LOCAL, WEEK, World, weeks_later

__all__ = [
    "BERLIN",
    "HOUR",
    "LOCAL",
    "WEEK",
    "CaldavWorld",
    "FeedWorld",
    "GoogleWorld",
    "GraphWorld",
    "PublishedWorld",
    "World",
    "calendar",
    "day_event",
    "drawn",
    "event",
    "local_files",
    "local_google",
    "local_graph",
    "local_radicale",
    "local_xandikos",
    "series",
    "weeks_later",
]

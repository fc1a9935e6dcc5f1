"""The worker process: relays events, runs their handlers and webhooks', sends messages, runs recurring jobs.

`python -m operational_api.worker`, as many as wanted. Only the assembly is here; each loop's work is `core` or a
context's own. Alive means: `plyo-worker-listen` is seen in `pg_stat_activity`.
"""

import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from threading import Event
from types import FrameType, ModuleType

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts import telemetry
from operational_api.compliance.keeping import ExportKeeper
from operational_api.core import failpoints, supervisor
from operational_api.core.consumers import handle_next
from operational_api.core.database import make_engine, session_factory
from operational_api.core.periodic import PeriodicJobs
from operational_api.core.personal import Contribution
from operational_api.core.relay import Routes, relay_due
from operational_api.core.retries import RetryPolicy
from operational_api.core.supervisor import Loop
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.filing import FileKeeper
from operational_api.engagement.sending import CHANNELS
from operational_api.engagement.settings import ChannelSettings
from operational_api.integrations.crm.sync import CrmWorker
from operational_api.integrations.outgoing.sender import WebhookSender
from operational_api.integrations.settings import IntegrationSettings
from operational_api.scheduling.service.calendar_sync import CalendarWorker
from operational_api.scheduling.settings import CalendarSettings
from operational_api.training.media.worker import MediaWorker

log = telemetry.get_logger(__name__)
CONTEXTS = (
    "identity",
    "compliance",
    "commerce",
    "training",
    "scheduling",
    "engagement",
    "automation",
    "integrations",
    "gateway",
)
WEBHOOK_LOOPS = 2
"""Endpoints that are sent to at the same time by this process: one that is slow has one of them at most."""


class WorkerSettings(BaseSettings):
    """Environment of the worker, prefix `PLYO_`. What a context's handlers need beyond it, that context reads."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    database_url: SecretStr
    """`postgresql+psycopg://…/plyo` as the role `plyo_api`."""
    worker_threads: int = 2
    """Handlers that run at the same time in this process."""
    handler_attempts: int = 8
    """Tries of one message before it is parked: 8 span about two minutes."""
    retry_first_seconds: float = 1
    idle_seconds: float = 1
    """How often each loop looks for what comes due by time; new work wakes it at once."""
    failpoint: str = ""
    """For tests: where to die (`core.failpoints`)."""


def handler_modules(contexts: Sequence[str] = CONTEXTS) -> list[ModuleType]:
    """`handlers` of every context that has one."""
    return [import_module(name) for name in _parts(contexts, "handlers")]


def contributions() -> list[Contribution]:
    """What every context gives to a person who wants their data."""
    handler_modules()  # and with them every table: a rule is about one by its name
    modules = (import_module(name) for name in _parts(CONTEXTS, "personal"))
    return [each for module in modules for each in module.PERSONAL]


def _parts(contexts: Sequence[str], name: str) -> list[str]:
    names = [f"operational_api.{context}.{name}" for context in contexts]
    return [name for name in names if find_spec(name)]


def run(settings: WorkerSettings, modules: Sequence[ModuleType], stop: Event) -> bool:
    """Work until `stop` is set.

    Args:
        modules: Each may have `HANDLERS`, `WEBHOOKS` and `PERIODIC`.

    Returns:
        Whether every loop finished what it had in hand.
    """
    failpoints.arm(settings.failpoint)
    url = settings.database_url.get_secret_value()
    engine = make_engine(url, application_name="plyo-worker", pool_size=settings.worker_threads + 11 + WEBHOOK_LOOPS)
    sessions = session_factory(engine, viewer=lambda: SYSTEM)
    routes = Routes(modules)
    retry = RetryPolicy(attempts=settings.handler_attempts, first_seconds=settings.retry_first_seconds)
    dispatcher = Dispatcher(sessions, ChannelSettings())
    outside = IntegrationSettings()
    webhooks = WebhookSender(sessions, outside)
    jobs = PeriodicJobs(engine, sessions, modules)
    loops = [
        Loop("relay", lambda: relay_due(sessions, routes), wakes_on="outbox"),
        *(Loop(channel, partial(dispatcher.send_due, channel), wakes_on="emails") for channel in CHANNELS),
        Loop("calendars", CalendarWorker(sessions, CalendarSettings()).run_due),
        *(Loop(f"webhooks-{n}", webhooks.run_due) for n in range(WEBHOOK_LOOPS)),
        Loop("crm", CrmWorker(sessions, outside).run_due),
        Loop("files", FileKeeper.of_environment(sessions).run_due),
        Loop("exports", ExportKeeper.of_environment(sessions, contributions()).run_due),
        Loop("media", MediaWorker.of_environment(sessions, stop).run_due),
        Loop("periodic", jobs.run_due),
        *(
            Loop(f"handlers-{n}", lambda: handle_next(sessions, routes.consumers, retry=retry), wakes_on="inbox")
            for n in range(settings.worker_threads)
        ),
    ]
    for loop in loops:
        loop.idle_seconds = settings.idle_seconds
    log.info("worker_started", consumers=sorted(routes.consumers))
    is_clean = supervisor.run(loops, url=url.replace("+psycopg", ""), stop=stop)
    jobs.resign()
    engine.dispose()
    log.info("worker_stopped", clean=is_clean)
    return is_clean


def main() -> int:
    """Until SIGTERM or SIGINT."""
    telemetry.configure("worker")
    stop = Event()

    def end(number: int, _: FrameType | None) -> None:
        log.info("signal_received", signal=signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return 0 if run(WorkerSettings(), handler_modules(), stop) else 1


if __name__ == "__main__":
    sys.exit(main())

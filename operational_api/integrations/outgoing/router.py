"""HTTP to the services of outgoing webhooks and back, under /api/integrations. All of it is admins' alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from contracts.events.registry import EVENTS
from contracts.events.schemas import schema_of
from contracts.sealing import Sealer
from operational_api.core import audit, egress
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.core.routing import ContextRouter
from operational_api.integrations.errors import WebhooksNotSetUp
from operational_api.integrations.outgoing.catalogue import KINDS
from operational_api.integrations.outgoing.models import WebhookEndpoint
from operational_api.integrations.outgoing.schemas import (
    AttemptRead,
    DeliveryDetail,
    DeliveryRead,
    DeliveryState,
    EndpointRead,
    EndpointWrite,
    KindRead,
    ReplayCreate,
    ReplayRead,
    SecretRead,
)
from operational_api.integrations.outgoing.service import deliveries, endpoints, replays
from operational_api.integrations.provided import Settings

READ, MANAGE = "integrations.read_webhooks", "integrations.manage_webhooks"
api = ContextRouter(prefix="/api/integrations", tags=["webhooks"], route_class=IdempotentRoute)
once = ContextRouter(prefix="/api/integrations", tags=["webhooks"])
"""Of the one answer that must not be kept to be given again."""


def sealer_of(settings: Settings) -> Sealer:
    """What seals secrets of endpoints.

    Raises:
        WebhooksNotSetUp: no key is set.
    """
    if (found := settings.webhook_sealer) is None:
        raise WebhooksNotSetUp
    return found


def allowed_networks(settings: Settings) -> Sequence[egress.Network]:
    """Networks off the internet that endpoints may be in."""
    return egress.networks_of(settings.webhook_private_networks)


WebhookSealer = Annotated[Sealer, Depends(sealer_of)]
Networks = Annotated[Sequence[egress.Network], Depends(allowed_networks)]


def _now() -> datetime:
    return datetime.now(UTC)


def _told(session: DbSession, row: WebhookEndpoint) -> EndpointRead:
    return EndpointRead.model_validate(row).model_copy(update=deliveries.counts(session).get(row.id, {}))


@api.get("/webhook-kinds", dependencies=[Allowed(READ)])
def list_kinds() -> Page[KindRead]:
    """Every kind of event that an endpoint may hear of."""
    return Page(
        items=[
            KindRead(kind=kind, label=label, version=EVENTS[kind].version, data_schema=schema_of(EVENTS[kind]))
            for kind, label in KINDS.items()
        ]
    )


@api.get("/webhook-endpoints", dependencies=[Allowed(READ)])
def list_endpoints(session: DbSession) -> Page[EndpointRead]:
    """Every endpoint, by its name."""
    counted = deliveries.counts(session)
    items = [
        EndpointRead.model_validate(row).model_copy(update=counted.get(row.id, {}))
        for row in endpoints.endpoints(session)
    ]
    return Page(items=items)


@api.post("/webhook-endpoints", status_code=201, dependencies=[Allowed(MANAGE)])
def create_endpoint(
    body: EndpointWrite, admin_id: CurrentAccount, session: DbSession, sealer: WebhookSealer, networks: Networks
) -> EndpointRead:
    """Listen from now on. What signs is asked for apart, once."""
    row = endpoints.create(session, **body.model_dump(), admin_id=admin_id, allowed=networks, sealer=sealer, now=_now())
    return _told(session, row)


@api.put("/webhook-endpoints/{endpoint_id}", dependencies=[Allowed(MANAGE)])
def edit_endpoint(
    endpoint_id: UUID, body: EndpointWrite, admin_id: CurrentAccount, session: DbSession, networks: Networks
) -> EndpointRead:
    """Another name, address or other kinds."""
    row = endpoints.edit(session, endpoint_id, **body.model_dump(), admin_id=admin_id, allowed=networks, now=_now())
    return _told(session, row)


@api.delete("/webhook-endpoints/{endpoint_id}", status_code=204, dependencies=[Allowed(MANAGE)])
def remove_endpoint(endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession) -> Response:
    """End it, with what is known of its deliveries."""
    endpoints.remove(session, endpoint_id, admin_id=admin_id, now=_now())
    return Response(status_code=204)


@api.post("/webhook-endpoints/{endpoint_id}/pause", dependencies=[Allowed(MANAGE)])
def pause_endpoint(endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession) -> EndpointRead:
    """Send nothing there; what happens meanwhile waits."""
    return _told(session, endpoints.pause(session, endpoint_id, admin_id=admin_id, now=_now()))


@api.post("/webhook-endpoints/{endpoint_id}/resume", dependencies=[Allowed(MANAGE)])
def resume_endpoint(endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession) -> EndpointRead:
    """Send there again, what waits first."""
    return _told(session, endpoints.resume(session, endpoint_id, admin_id=admin_id, now=_now()))


@api.post("/webhook-endpoints/{endpoint_id}/rotation", dependencies=[Allowed(MANAGE)])
def rotate_secret(
    endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession, sealer: WebhookSealer
) -> EndpointRead:
    """Sign with a new secret, and for a day with the old one besides."""
    endpoints.rotate(session, endpoint_id, admin_id=admin_id, sealer=sealer, now=_now())
    return _told(session, endpoints.endpoint(session, endpoint_id))


@once.post("/webhook-endpoints/{endpoint_id}/secret", dependencies=[Allowed(MANAGE)])
def reveal_secret(endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession, sealer: WebhookSealer) -> SecretRead:
    """What signs, to whoever asks first. No Idempotency-Key brings it back."""
    told = endpoints.reveal(session, endpoint_id, admin_id=admin_id, sealer=sealer, now=_now())
    return SecretRead(secret=told)


@api.post("/webhook-endpoints/{endpoint_id}/test", status_code=202, dependencies=[Allowed(MANAGE)])
def test_endpoint(endpoint_id: UUID, admin_id: CurrentAccount, session: DbSession) -> DeliveryRead:
    """Have an event about nobody sent there."""
    return DeliveryRead.model_validate(deliveries.queue_test(session, endpoint_id, admin_id=admin_id, now=_now()))


@api.get("/webhook-endpoints/{endpoint_id}/deliveries", dependencies=[Allowed(READ)])
def list_deliveries(
    endpoint_id: UUID,
    session: DbSession,
    state: DeliveryState | None = None,
    kind: Annotated[str | None, Query(max_length=80, pattern="^[a-z_.]*$")] = None,
    person_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryRead]:
    """What was sent there or waits, the newest first."""
    rows, following = deliveries.page(
        session, endpoint_id, state=state, kind=kind, person_id=person_id, limit=limit, cursor=cursor
    )
    return Page(items=[DeliveryRead.model_validate(row) for row in rows], next_cursor=following)


@api.get("/webhook-deliveries/{delivery_id}", dependencies=[Allowed(READ)])
def read_delivery(delivery_id: UUID, admin_id: CurrentAccount, session: DbSession) -> DeliveryDetail:
    """One with what is sent and every try. That it was read is in the audit log."""
    row, tries = deliveries.delivery(session, delivery_id)
    note_read(session, row.id, row.person_id, admin_id)
    return DeliveryDetail(
        **DeliveryRead.model_validate(row).model_dump(), body=row.body,
        tries=[AttemptRead.model_validate(one) for one in tries],
    )  # fmt: skip


def note_read(session: DbSession, delivery_id: UUID, person_id: UUID, admin_id: UUID) -> None:
    """That somebody saw what is told about a person."""
    audit.record(
        session, READ, "WebhookDelivery", delivery_id, actor_id=admin_id, subject_id=person_id, purpose="operations",
        now=_now(),
    )  # fmt: skip


@api.post("/webhook-deliveries/{delivery_id}/replay", status_code=202, dependencies=[Allowed(MANAGE)])
def replay_delivery(delivery_id: UUID, admin_id: CurrentAccount, session: DbSession) -> DeliveryRead:
    """Send it once more, under the same id."""
    return DeliveryRead.model_validate(deliveries.replay(session, delivery_id, admin_id=admin_id, now=_now()))


@api.get("/webhook-endpoints/{endpoint_id}/replays", dependencies=[Allowed(READ)])
def list_replays(endpoint_id: UUID, session: DbSession) -> Page[ReplayRead]:
    """The newest replays and how far they are."""
    return Page(items=[ReplayRead.of(one) for one in replays.of_endpoint(session, endpoint_id)])


@api.post("/webhook-endpoints/{endpoint_id}/replays", status_code=202, dependencies=[Allowed(MANAGE)])
def create_replay(endpoint_id: UUID, body: ReplayCreate, admin_id: CurrentAccount, session: DbSession) -> ReplayRead:
    """Have what happened in a span sent once more, in its order, also what was missed."""
    row = replays.ask(session, endpoint_id, **body.model_dump(), admin_id=admin_id, now=_now())
    return ReplayRead.of(replays.Progress(row, 0, 0))


router = APIRouter()
router.include_router(api)
router.include_router(once)

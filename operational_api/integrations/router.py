"""HTTP to the services of integrations and back: the admin's connectors, customers' devices, Terra's webhooks."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, File, Header, Request, UploadFile

from contracts.sealing import Sealer
from operational_api.compliance import public as compliance
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed, Resource, require
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.core.routing import ContextRouter
from operational_api.integrations.crm import contacts, hooks, standing
from operational_api.integrations.errors import ConnectorNotFound
from operational_api.integrations.outgoing import router as outgoing
from operational_api.integrations.provided import Settings
from operational_api.integrations.providers.terra import Terra
from operational_api.integrations.schemas import (
    AliveLink,
    ChangesRead,
    ConnectorRead,
    FileRead,
    LinkCreate,
    LinkRead,
    OrdersRead,
    PayloadCreate,
    PayloadReceipt,
    ProbeRead,
    RunCreate,
    RunRead,
    RunReceipt,
    WebhookRead,
    WidgetRead,
)
from operational_api.integrations.service import connectors, direct, files, links, runs, webhooks
from operational_api.integrations.settings import IntegrationSettings

router = APIRouter()
api = ContextRouter(prefix="/api/integrations", tags=["integrations"], route_class=IdempotentRoute)


def sealer_of(settings: Settings) -> Sealer | None:
    """What seals health data; None where no key is set, and nothing can be kept."""
    keys = settings.health_data_keys.get_secret_value()
    return Sealer.of(keys) if keys else None


MaybeSealer = Annotated[Sealer | None, Depends(sealer_of)]


def _now() -> datetime:
    return datetime.now(UTC)


def _one(session: DbSession, settings: IntegrationSettings, name: str) -> ConnectorRead:
    kind, known = connectors.kind_of(name), connectors.known(session)
    mine = {name: known[name]} if name in known else {}
    condition = runs.conditions(session, mine, now=_now()).get(name)
    return ConnectorRead.of(kind, known.get(name), condition, kind.missing(settings), _others(session, name))


def _others(session: DbSession, name: str) -> list[dict[str, Any]]:
    """Streams of a connector that the data platform does not pull."""
    found = standing.stream(session, _now()) if name == contacts.PROVIDER else None
    return [found] if found else []


def _may(principal: CurrentPrincipal, action: str, name: str) -> None:
    require(principal, action, Resource("Connector", name, kind="business"), missing=ConnectorNotFound)


@api.get("/connectors", dependencies=[Allowed("integrations.read_connectors")])
def list_connectors(principal: CurrentPrincipal, session: DbSession, settings: Settings) -> Page[ConnectorRead]:
    """Every connector there is, with its health and where each of its streams goes on."""
    _may(principal, "integrations.read_connectors", "*")
    known = connectors.known(session)
    conditions = runs.conditions(session, known, now=_now())
    items = [
        ConnectorRead.of(kind, known.get(name), conditions.get(name), kind.missing(settings), _others(session, name))
        for name, kind in connectors.KINDS.items()
    ]
    return Page(items=items)


@api.post("/connectors/{name}/connect", dependencies=[Allowed("integrations.connect")])
def connect_connector(
    name: str, admin_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> ConnectorRead:
    """Test a connector, and pull it from now on."""
    _may(principal, "integrations.connect", name)
    connectors.connect(session, name=name, admin_id=admin_id, settings=settings, now=_now())
    return _one(session, settings, name)


@api.post("/connectors/{name}/test", dependencies=[Allowed("integrations.test")])
def test_connector(
    name: str, admin_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> ProbeRead:
    """Ask the source whether it lets us in. Changes nothing."""
    _may(principal, "integrations.test", name)
    problem = connectors.probe(session, name=name, admin_id=admin_id, settings=settings, now=_now())
    return ProbeRead(problem=problem)


@api.post("/connectors/{name}/pause", dependencies=[Allowed("integrations.pause")])
def pause_connector(
    name: str, admin_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> ConnectorRead:
    """Pull it no more until it is resumed. A pull under way ends by itself."""
    _may(principal, "integrations.pause", name)
    connectors.set_state(session, name=name, state="paused", admin_id=admin_id, now=_now())
    return _one(session, settings, name)


@api.post("/connectors/{name}/resume", dependencies=[Allowed("integrations.resume")])
def resume_connector(
    name: str, admin_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> ConnectorRead:
    """Pull it again, from where it was."""
    _may(principal, "integrations.resume", name)
    connectors.set_state(session, name=name, state="connected", admin_id=admin_id, now=_now())
    return _one(session, settings, name)


@api.post("/connectors/{name}/resync", dependencies=[Allowed("integrations.resync")])
def resync_connector(
    name: str, admin_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> ConnectorRead:
    """Have the next pull begin at the beginning."""
    _may(principal, "integrations.resync", name)
    connectors.resync(session, name=name, admin_id=admin_id, now=_now())
    return _one(session, settings, name)


@api.post("/connectors/{name}/revoke", dependencies=[Allowed("integrations.revoke")])
def revoke_connector(
    name: str, admin_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession, settings: Settings
) -> ConnectorRead:
    """End it. What it brought stays."""
    _may(principal, "integrations.revoke", name)
    connectors.revoke(session, name=name, admin_id=admin_id, now=_now())
    return _one(session, settings, name)


@api.get("/connectors/{name}/runs", dependencies=[Allowed("integrations.read_connectors")])
def list_runs(
    name: str,
    principal: CurrentPrincipal,
    session: DbSession,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunRead]:
    """How its pulls went, newest first."""
    _may(principal, "integrations.read_connectors", name)
    rows, following = runs.runs_of(session, name, limit=limit, cursor=cursor)
    return Page(items=[RunRead.model_validate(row) for row in rows], next_cursor=following)


@api.get("/connectors/{name}/orders", dependencies=[Allowed("integrations.deliver")])
def read_orders(name: str, session: DbSession) -> OrdersRead:
    """What the data platform is to do about a connector now."""
    return OrdersRead.model_validate(connectors.orders(session, name))


@api.post("/connectors/{name}/runs", status_code=201, dependencies=[Allowed("integrations.deliver")])
def create_run(name: str, body: RunCreate, session: DbSession) -> RunReceipt:
    """The data platform reports a pull; reporting it again changes nothing."""
    is_new = runs.report(
        session,
        connector=name,
        run_id=body.id,
        kind=body.kind,
        started_at=body.started_at,
        finished_at=body.finished_at,
        streams=[stream.model_dump() for stream in body.streams],
    )
    return RunReceipt(is_new=is_new)


@api.get("/wearable-links", dependencies=[Allowed("integrations.deliver")])
def list_alive_links(session: DbSession, limit: Limit = 200, cursor: Cursor = None) -> Page[AliveLink]:
    """Terra's links that are alive, each with the kinds of data that its customer lets us keep."""
    found, following = links.alive_links(session, source=webhooks.SOURCE, limit=limit, cursor=cursor)
    allowed = compliance.storable_kinds(session, {link.customer_id for link in found})
    items = [
        AliveLink(
            link_id=link.id,
            customer_id=link.customer_id,
            external_user_id=link.external_user_id,
            provider=link.provider,
            data_kinds=[kind for kind in compliance.DATA_KINDS if (link.customer_id, kind) in allowed],
        )
        for link in found
    ]
    return Page(items=items, next_cursor=following)


@api.post("/wearable-links", status_code=201, dependencies=[Allowed("integrations.deliver")])
def create_direct_link(body: LinkCreate, session: DbSession) -> LinkRead:
    """Note whose account at a maker it is that sends to us directly. Noting it again changes nothing."""
    link = links.connect(
        session,
        customer_id=body.customer_id,
        source=body.source,
        external_user_id=body.external_user_id,
        provider=body.source.upper(),
        scopes=body.scopes,
        at=_now(),
    )
    return LinkRead.model_validate(link)


@api.post("/wearable-payloads", status_code=202, dependencies=[Allowed("integrations.deliver")])
def create_direct_payload(body: PayloadCreate, session: DbSession, sealer: MaybeSealer) -> PayloadReceipt:
    """Hand in what Fitbit or Garmin sent."""
    receipt = direct.keep(session, **dict(body), sealer=sealer, now=_now())
    return PayloadReceipt.model_validate(receipt)


@api.get("/wearables", dependencies=[Allowed("integrations.link_wearables")])
def list_links(customer_id: CurrentAccount, session: DbSession) -> Page[LinkRead]:
    """The customer's devices."""
    return Page(items=[LinkRead.model_validate(link) for link in links.links_of(session, customer_id)])


@api.post("/wearables", status_code=201, dependencies=[Allowed("integrations.link_wearables")])
def create_link(customer_id: CurrentAccount, settings: Settings) -> WidgetRead:
    """Open a page where the customer picks a device and signs in at its maker."""
    with Terra(settings) as terra:
        home = f"{settings.public_url}/devices"
        return WidgetRead(url=terra.widget_url(customer_id, success_url=home, failure_url=f"{home}?failed=1"))


@api.delete("/wearables/{link_id}", dependencies=[Allowed("integrations.link_wearables")])
def delete_link(link_id: UUID, customer_id: CurrentAccount, session: DbSession, settings: Settings) -> LinkRead:
    """Disconnect a device. What it sent stays until the customer withdraws consent."""
    with Terra(settings) as terra:
        link = links.end_by_customer(session, terra, customer_id=customer_id, link_id=link_id, now=_now())
    return LinkRead.model_validate(link)


@api.post("/wearables/files", status_code=201, dependencies=[Allowed("integrations.link_wearables")])
def create_file(
    customer_id: CurrentAccount, session: DbSession, sealer: MaybeSealer, file: Annotated[UploadFile, File()]
) -> FileRead:
    """Add a workout from a FIT, GPX or TCX file of 20 MB at most."""
    content = file.file.read(files.LARGEST + 1)
    receipt = files.keep(session, customer_id=customer_id, file=content, sealer=sealer, now=_now())
    return FileRead(is_new=receipt.is_new, kind=files.kind_of(content))


async def raw_body(request: Request) -> bytes:
    """The body as it came over the wire, which is what was signed."""
    return await request.body()


@router.post("/webhooks/terra", tags=["webhooks"], dependencies=[Allowed("integrations.receive_webhook")])
def receive_terra_webhook(
    body: Annotated[bytes, Depends(raw_body)],
    session: DbSession,
    settings: Settings,
    sealer: MaybeSealer,
    terra_signature: Annotated[str | None, Header()] = None,
    x_terra_trace_id: Annotated[str | None, Header()] = None,
    x_terra_ordering_timestamp: Annotated[str | None, Header()] = None,
) -> WebhookRead:
    """Keep what a wearable sent, or the news of its account. Answered 200 also when it came before."""
    receipt = webhooks.receive(
        session,
        body=body,
        signature_header=terra_signature,
        trace_id=x_terra_trace_id,
        ordering=x_terra_ordering_timestamp,
        secrets=settings.signing_secrets,
        sealer=sealer,
        now=_now(),
    )
    return WebhookRead(is_new=receipt.is_new)


@router.post("/webhooks/hubspot", tags=["webhooks"], dependencies=[Allowed("integrations.receive_webhook")])
def receive_hubspot_webhook(
    body: Annotated[bytes, Depends(raw_body)],
    session: DbSession,
    settings: Settings,
    x_hubspot_signature_v3: Annotated[str | None, Header()] = None,
    x_hubspot_request_timestamp: Annotated[str | None, Header()] = None,
) -> ChangesRead:
    """Hear which contacts changed. Answered 200 also where that was our own doing."""
    now = _now()
    hooks.verify(
        body,
        url=f"{settings.public_url}/webhooks/hubspot",
        signature=x_hubspot_signature_v3,
        timestamp=x_hubspot_request_timestamp,
        secret=settings.hubspot_client_secret.get_secret_value(),
        now=now,
    )
    return ChangesRead(marked=hooks.receive(session, body, now))


router.include_router(api)
router.include_router(outgoing.router)

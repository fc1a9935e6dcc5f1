"""The page /devices: a customer's watches, rings and scales, connecting and disconnecting them, workout files.

The staff's page /staff/webhooks is `outgoing.pages`.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Request, Response, UploadFile

from operational_api.compliance import public as compliance
from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.integrations.errors import UnreadableFile
from operational_api.integrations.outgoing import pages as outgoing
from operational_api.integrations.provided import Settings
from operational_api.integrations.providers.terra import Terra
from operational_api.integrations.router import MaybeSealer
from operational_api.integrations.service import connectors, files, links
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter()
router.include_router(outgoing.router)
NAV = [
    NavItem("Devices", "/devices", "integrations.link_wearables", order=80, icon="device", place="account"),
    *outgoing.NAV,
]
ENDED = {
    "by_customer": "You disconnected it",
    "access_revoked": "You took our access back at the maker",
    "deauthenticated": "Disconnected",
    "replaced": "Replaced when you signed in again",
    "revoked": "We no longer connect devices this way",
}


@router.get("/devices", dependencies=[Allowed("integrations.link_wearables")])
def devices_page(
    request: Request, customer_id: CurrentAccount, session: DbSession, settings: Settings, failed: bool = False
) -> Response:
    """What is connected, and what can be."""
    found = links.links_of(session, customer_id)
    allowed = {kind for _, kind in compliance.storable_kinds(session, [customer_id])}
    return render(
        request,
        "integrations/devices.html",
        links=found,
        ended=ENDED,
        allowed=allowed,
        can_connect=not connectors.KINDS["terra"].missing(settings),
        has_failed=failed,
    )


@router.post("/devices/connect", dependencies=[Allowed("integrations.link_wearables")])
def connect_device(request: Request, customer_id: CurrentAccount, settings: Settings) -> Response:
    """Off to Terra's page, where the device is picked."""
    try:
        with Terra(settings) as terra:
            home = f"{settings.public_url}/devices"
            url = terra.widget_url(customer_id, success_url=home, failure_url=f"{home}?failed=1")
    except DomainError as error:
        return redirect(request, "/devices", flash=error.detail, tone="bad")
    return redirect(request, url)


@router.post("/devices/{link_id}/end", dependencies=[Allowed("integrations.link_wearables")])
def end_device(
    request: Request, link_id: UUID, customer_id: CurrentAccount, session: DbSession, settings: Settings
) -> Response:
    """Disconnect a device at its maker."""
    with Terra(settings) as terra:
        link = links.end_by_customer(session, terra, customer_id=customer_id, link_id=link_id, now=datetime.now(UTC))
    return redirect(request, "/devices", flash=f"{link.provider.title()} no longer sends us anything.")


@router.post("/devices/files", dependencies=[Allowed("integrations.link_wearables")])
def add_file(
    request: Request,
    customer_id: CurrentAccount,
    session: DbSession,
    sealer: MaybeSealer,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Add a workout from a file."""
    content = file.file.read(files.LARGEST + 1) if file else b""
    try:
        if not content:
            raise UnreadableFile("Choose a file first.")
        receipt = files.keep(session, customer_id=customer_id, file=content, sealer=sealer, now=datetime.now(UTC))
    except DomainError as error:
        return redirect(request, "/devices", flash=error.detail, tone="bad")
    told = "Added. It is part of your training in a few minutes." if receipt.is_new else "We have this file already."
    return redirect(request, "/devices", flash=told)

"""The offer to link: somebody came by a provider to an account that exists, and may link it by signing in once as
before. It waits in a signed cookie, for a quarter of an hour, and counts for that account alone."""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from operational_api.core.errors import DomainError
from operational_api.identity.models import Account
from operational_api.identity.upstream import service
from operational_api.identity.upstream.claims import Person
from operational_api.web.cookies import read_cookie, set_cookie

SECONDS = 900


@dataclass(frozen=True, slots=True)
class Offer:
    """Who would be linked to which account."""

    person: Person
    account_id: UUID
    email: str

    @property
    def label(self) -> str:
        """The provider's name."""
        return service.LABELS[self.person.provider]


def make(request: Request, response: Response, person: Person, account: Account) -> None:
    """Remember the offer in this browser."""
    told = [asdict(person), str(account.id), account.email]
    set_cookie(request, response, "link", _signer(request).dumps(told), max_age=SECONDS)


def find(request: Request) -> Offer | None:
    """The offer that waits in this browser."""
    try:
        person, account_id, email = _signer(request).loads(read_cookie(request, "link") or "", max_age=SECONDS)
    except (BadSignature, ValueError):
        return None
    return Offer(Person(**person), UUID(account_id), email)


def take(request: Request, response: Response, session: Session, account: Account, *, now: datetime) -> None:
    """They have signed in: link what was offered to this very account, and forget the offer either way."""
    offer = find(request)
    if offer is None:
        return
    if offer.account_id == account.id:
        try:
            service.link(session, account=account, person=offer.person, now=now)
        except DomainError:  # linked elsewhere meanwhile: their sign-in is good all the same
            return
    set_cookie(request, response, "link", "", max_age=0)


def _signer(request: Request) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(request.app.state.settings.session_secret.get_secret_value(), salt="link")

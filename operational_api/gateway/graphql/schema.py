"""What may be asked, and who may see each field: the same policy as everywhere decides, object by object."""

import uuid
from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from strawberry import Info
from strawberry.schema.config import StrawberryConfig

from operational_api.commerce import public as commerce
from operational_api.core.errors import Forbidden, Invalid, NotFound, Unauthenticated
from operational_api.core.policy import Resource, is_allowed, may_principal, may_see_everybody
from operational_api.core.principal import Principal
from operational_api.gateway.errors import FieldForbidden
from operational_api.gateway.graphql.loaders import Context
from operational_api.gateway.graphql.metrics import Metric
from operational_api.gateway.graphql.metrics import metric as ask_metric
from operational_api.gateway.graphql.mutations import Mutation
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training

MOST_ROWS = 50
Asked = Info[Context, None]


def _principal(info: Asked) -> Principal:
    if info.context.principal is None:
        raise Unauthenticated
    return info.context.principal


@strawberry.type(description="A price is in minor units of its currency, tax included.")
class Plan:
    code: str
    name: str
    description: str
    amount_minor: int
    currency: str


@strawberry.type
class Coach:
    id: uuid.UUID
    display_name: str


@strawberry.type(description="What lets a customer book. Null for unlimited sessions.")
class Membership:
    plan_name: str
    status: str
    sessions_included: int | None
    ends_at: datetime | None


@strawberry.type(description="A booked session. Times are UTC; timeZone is the studio's.")
class Session:
    id: uuid.UUID
    title: str
    starts_at: datetime
    ends_at: datetime
    status: str
    location_name: str
    time_zone: str
    coach: Coach
    assistant_names: list[str]

    @classmethod
    def of(cls, facts: scheduling.SessionFacts) -> "Session":
        """As scheduling tells it."""
        return cls(
            id=facts.booking_id, title=facts.title, starts_at=facts.starts_at, ends_at=facts.ends_at,
            status=facts.status, location_name=facts.location_name, time_zone=facts.time_zone,
            coach=Coach(id=facts.coach_id, display_name=facts.coach_name), assistant_names=facts.assistant_names,
        )  # fmt: skip


@strawberry.type(description="Something that hurts today. Severity 1 to 5.")
class Injury:
    id: uuid.UUID
    body_part: str
    severity: int
    occurred_on: date


@strawberry.type(description="A person who trains, as far as you may see them.")
class Client:
    id: uuid.UUID
    display_name: str
    time_zone: str
    coach_id: strawberry.Private[uuid.UUID | None]

    @classmethod
    def of(cls, card: training.ClientCard) -> "Client":
        """As training tells it."""
        return cls(
            id=card.customer_id, display_name=card.display_name, time_zone=card.time_zone, coach_id=card.coach_id
        )

    def resource(self, **told: Any) -> Resource:
        """The client as the policy sees them."""
        return Resource("Client", self.id, customer_id=self.id, coach_id=self.coach_id, **told)

    def _require(self, info: Asked, action: str, **told: Any) -> None:
        if not is_allowed(_principal(info), action, self.resource(**told)):
            raise FieldForbidden

    @strawberry.field
    async def coach(self, info: Asked) -> Coach | None:
        name = await info.context.coaches.load(self.coach_id) if self.coach_id else None
        return Coach(id=self.coach_id, display_name=name) if self.coach_id and name else None

    @strawberry.field
    async def next_session(self, info: Asked) -> Session | None:
        self._require(info, "scheduling.read_booking")
        found = await info.context.next_sessions.load(self.id)
        return Session.of(found) if found else None

    @strawberry.field
    async def membership(self, info: Asked) -> Membership | None:
        self._require(info, "commerce.read_client_membership")
        found = await info.context.memberships.load(self.id)
        if found is None:
            return None
        return Membership(
            plan_name=found.name, status=found.status, sessions_included=found.sessions_included, ends_at=found.ends_at
        )

    @strawberry.field(description="Health data: for the client, and their coach unless the client withholds it.")
    async def injuries(self, info: Asked) -> list[Injury] | None:
        shown = await info.context.shown_kinds.load(self.id)
        self._require(info, "training.read_injuries", kind="health", data_kind="injuries", consents=shown)
        found = await info.context.injuries.load(self.id) or []
        return [
            Injury(id=one.injury_id, body_part=one.body_part, severity=one.severity, occurred_on=one.occurred_on)
            for one in found
        ]


@strawberry.type
class ClientPage:
    items: list[Client]
    next_cursor: str | None


@strawberry.type(description="Whoever asks.")
class Viewer:
    id: uuid.UUID | None
    role: str
    display_name: str


First = Annotated[int, strawberry.argument(description=f"Rows on a page, at most {MOST_ROWS}.")]


@strawberry.type
class Query:
    metric: Metric | None = strawberry.field(
        resolver=ask_metric, description="A number of the business, as every other surface tells it."
    )

    @strawberry.field(description="Whoever asks; null for a guest.")
    def me(self, info: Asked) -> Viewer | None:
        found = info.context.principal
        return Viewer(id=found.account_id, role=found.role, display_name=found.display_name) if found else None

    @strawberry.field(description="What is for sale, for everybody.")
    def plans(self, info: Asked, currency: str = "EUR") -> list[Plan]:
        found = commerce.plans_for_sale(info.context.session, currency, info.context.now)
        return [Plan(**{name: getattr(one, name) for name in commerce.PlanOffer.__slots__}) for one in found]

    @strawberry.field(description="One client; a customer's own self without an id.")
    async def client(self, info: Asked, id: uuid.UUID | None = None) -> Client | None:  # noqa: A002
        principal = _principal(info)
        wanted = id or principal.account_id
        card = await info.context.clients.load(wanted) if wanted else None
        if card is None:
            raise NotFound
        client = Client.of(card)
        if not is_allowed(principal, "training.read_client", client.resource()):
            raise NotFound
        return client

    @strawberry.field(description="A coach's own clients, everybody's for the roles that see them, by name.")
    async def clients(
        self, info: Asked, first: First = 20, after: str | None = None, search: str = ""
    ) -> ClientPage | None:
        principal = _principal(info)
        if not may_principal(principal, "training.list_clients") or principal.account_id is None:
            raise Forbidden
        if not 1 <= first <= MOST_ROWS or len(search) > 80:
            raise Invalid(f"`first` is 1 to {MOST_ROWS}, `search` at most 80 characters.")
        cards, following = training.client_page(
            info.context.session,
            coach_id=None if may_see_everybody(principal, "training.list_clients") else principal.account_id,
            search=search,
            limit=first,
            cursor=after,
        )
        clients = [Client.of(card) for card in cards]
        seen = [one for one in clients if is_allowed(principal, "training.read_client", one.resource())]
        return ClientPage(items=seen, next_cursor=following)


SCHEMA = strawberry.Schema(Query, Mutation, config=StrawberryConfig(disable_field_suggestions=True))

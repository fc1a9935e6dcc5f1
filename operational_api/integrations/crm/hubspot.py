"""HubSpot by its own client: contacts read and written in batches, deals, owners, what changed. Knows no rule of ours.

Properties that HubSpot does not have (`PROPERTIES`) are made once. Every request is counted before it leaves, over all
processes, and a refusal says how long to stay away.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import hubspot
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchReadInputSimplePublicObjectId,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInput,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
)
from hubspot.crm.properties import PropertyCreate
from urllib3.exceptions import HTTPError

from operational_api.core.rate_limit import Limiter
from operational_api.core.rate_policy import Limit

SECONDS = 15
ALSO = "hs_additional_emails"
"""Addresses of a contact beside its first, which it is found by as well: those of contacts merged into it."""
SOURCE, STAGE, PERSON, SALE = "plyo_lead_source", "plyo_stage", "plyo_person_id", "plyo_sale_id"
PROPERTIES = {"contacts": (SOURCE, STAGE, PERSON), "deals": (SALE,)}
READ = ("email", "firstname", "lastname", "phone", "hubspot_owner_id", "lifecyclestage", SOURCE, STAGE, ALSO)
LONGEST_REST = timedelta(hours=1)
SEARCHES_A_SECOND = 2
"""HubSpot allows five for an account; the nightly reading makes three."""
Properties = dict[str, str | None]


class CrmResting(Exception):
    """Not now: too many requests, ours or theirs. `rest` is how long to stay away."""

    def __init__(self, rest: timedelta) -> None:
        super().__init__(f"rests for {rest.total_seconds():.0f} s")
        self.rest = rest


class CrmDown(Exception):
    """It did not answer, or with a failure of its own."""


class CrmRefused(Exception):
    """It does not take this: what was asked is wrong, not the moment. `status` is its answer's."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as it is there. Empty values are None."""

    id: str
    properties: Properties

    @property
    def addresses(self) -> set[str]:
        """All that it is found by, in small letters."""
        told = [self.properties.get("email") or "", *(self.properties.get(ALSO) or "").split(";")]
        return {one.strip().lower() for one in told if one.strip()}


class HubSpotCrm:
    """One account.

    Args:
        limiter: Counts over all processes.
        in_ten_seconds: Requests of ours, as is `in_a_day`.
    """

    def __init__(self, base: str, token: str, limiter: Limiter, *, in_ten_seconds: int, in_a_day: int) -> None:
        self._client = hubspot.HubSpot(access_token=token, host=base)
        self._limiter = limiter
        self._limits = [
            Limit("hubspot", in_ten_seconds, 10, is_sensitive=True), Limit("hubspot_day", in_a_day, 86_400),
        ]  # fmt: skip
        self._search = Limit("hubspot_search", SEARCHES_A_SECOND, 1, is_sensitive=True)

    def prepare(self) -> None:
        """Make our properties; ones that are there are left."""
        for kind, names in PROPERTIES.items():
            for name in names:
                made = PropertyCreate(
                    name=name, label=name.replace("_", " ").capitalize(), type="string", field_type="text",
                    group_name="contactinformation" if kind == "contacts" else "dealinformation",
                    has_unique_value=name == SALE,
                )  # fmt: skip
                try:
                    self._ask(self._client.crm.properties.core_api.create, kind, made)
                except CrmRefused as refused:
                    if refused.status != 409:
                        raise

    def owners(self) -> dict[str, str]:
        """Names of those who sell, by id."""
        page = self._ask(self._client.crm.owners.owners_api.get_page, limit=500)
        return {
            str(one.id): " ".join(filter(None, (one.first_name, one.last_name))) or str(one.email or one.id)
            for one in page.results
        }

    def read(self, ids: Sequence[str], *, by_email: bool = False) -> list[Contact]:
        """Contacts by id, or by address; who is not there is left out."""
        if not ids:
            return []
        asked = BatchReadInputSimplePublicObjectId(
            inputs=[SimplePublicObjectId(id=one) for one in ids], properties=list(READ), properties_with_history=[],
            id_property="email" if by_email else None,
        )  # fmt: skip
        answer = self._ask(self._client.crm.contacts.batch_api.read, asked)
        return [_contact(one) for one in answer.results or []]

    def update(self, changes: Mapping[str, Properties]) -> dict[str, Properties]:
        """Write properties of contacts by id. Returns what each says of itself afterwards.

        Raises:
            CrmRefused: one of them is wrong, and none of the batch may have been written.
        """
        if not changes:
            return {}
        asked = BatchInputSimplePublicObjectBatchInput(
            inputs=[SimplePublicObjectBatchInput(id=id_, properties=_sent(one)) for id_, one in changes.items()]
        )
        return _told(self._ask(self._client.crm.contacts.batch_api.update, asked), lambda one: str(one.id))

    def upsert(self, people: Mapping[str, Properties]) -> dict[str, Contact]:
        """Make contacts by address, or write to who is there already. Returns who they are, by address."""
        if not people:
            return {}
        asked = BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                SimplePublicObjectBatchInputUpsert(id=email, id_property="email", properties=_sent(one))
                for email, one in people.items()
            ]
        )
        answer = self._ask(self._client.crm.contacts.batch_api.upsert, asked)
        _refuse_in_part(answer)
        return {str(one.properties.get("email")): _contact(one) for one in answer.results}

    def archive(self, contact_id: str) -> None:
        """Put a contact in the bin; one that is gone is no failure."""
        try:
            self._ask(self._client.crm.contacts.basic_api.archive, contact_id)
        except CrmRefused as refused:
            if refused.status != 404:
                raise

    def changed_since(self, since: datetime) -> Iterator[Contact]:
        """Contacts that changed since then, the earliest first; at most 10,000, which is where a search ends."""
        after: str | None = None
        while True:
            asked = PublicObjectSearchRequest(
                filter_groups=[{"filters": [
                    {"propertyName": "lastmodifieddate", "operator": "GTE",
                     "value": str(int(since.timestamp() * 1000))}
                ]}],
                sorts=[{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
                properties=[*READ, "lastmodifieddate"], limit=100, after=after or "0",
            )  # fmt: skip
            page = self._ask(self._client.crm.contacts.search_api.do_search, asked, limit=self._search)
            yield from map(_contact, page.results)
            following = page.paging.next.after if page.paging and page.paging.next else None
            if following is None or int(following) >= 10_000:
                return
            after = following

    def upsert_deal(self, sale_id: str, properties: Properties, contact_id: str | None) -> str:
        """Make a deal, or write to the one of that sale, and have it belong to a contact. Returns its id."""
        asked = BatchInputSimplePublicObjectBatchInputUpsert(
            inputs=[
                SimplePublicObjectBatchInputUpsert(
                    id=sale_id, id_property=SALE, properties=_sent(properties | {SALE: sale_id})
                )
            ]
        )
        answer = self._ask(self._client.crm.deals.batch_api.upsert, asked)
        _refuse_in_part(answer)
        deal_id = str(answer.results[0].id)
        if contact_id is not None:
            self._ask(
                self._client.crm.associations.v4.basic_api.create_default, "deals", deal_id, "contacts", contact_id
            )
        return deal_id

    def _ask(self, call: Callable[..., Any], *args: Any, limit: Any = None, **options: Any) -> Any:
        is_search = isinstance(limit, Limit)
        if limit is not None and not is_search:
            options["limit"] = limit
        for one in [*self._limits, *([self._search] if is_search else [])]:
            verdict = self._limiter.hit(one, one.name)
            if verdict is not None and not verdict.is_allowed:
                raise CrmResting(min(timedelta(seconds=verdict.reset_seconds), LONGEST_REST))
        with _refusals():
            return call(*args, _request_timeout=SECONDS, **options)


@contextmanager
def _refusals() -> Iterator[None]:
    """HubSpot's refusals by what they mean. Its client has an exception of the same name in every package."""
    try:
        yield
    except HTTPError as error:
        raise CrmDown(type(error).__name__) from error
    except Exception as error:
        status = getattr(error, "status", None)
        if not isinstance(status, int):
            raise
        body, headers = str(getattr(error, "body", "") or ""), getattr(error, "headers", None) or {}
        if status == 429:
            raise CrmResting(_rest(body, headers.get("Retry-After"))) from error
        if status >= 500:
            raise CrmDown(f"it answered {status}") from error
        raise CrmRefused(status, f"{status}: {body[:200]}") from error


def _rest(body: str, told: str | None) -> timedelta:
    if told and told.replace(".", "", 1).isdecimal():
        return min(timedelta(seconds=max(float(told), 1)), LONGEST_REST)
    if "DAILY" in body:
        return LONGEST_REST
    return timedelta(seconds=10 if "TEN_SECONDLY" in body else 1)


def _sent(properties: Properties) -> dict[str, str]:
    return {name: value or "" for name, value in properties.items()}


def _contact(one: Any) -> Contact:
    return Contact(str(one.id), {name: (value or None) for name, value in (one.properties or {}).items()})


def _told(answer: Any, key: Callable[[Any], str]) -> dict[str, Properties]:
    _refuse_in_part(answer)
    return {key(one): _contact(one).properties for one in answer.results}


def _refuse_in_part(answer: Any) -> None:
    """A 207 took some of a batch and not all of it."""
    errors = getattr(answer, "errors", None)
    if errors:
        raise CrmRefused(207, "; ".join(str(one.message) for one in errors)[:200])

"""The HTTP application: lists, searches, reads by id, associations, owners, pipelines; its refusals are HubSpot's."""

import time
from collections import deque
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from tests.fakes.hubspot.store import TYPE_IDS, Object, Store

_CORRELATION = "aeb5f871-7f07-4993-9211-075dc63e7cbf"


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, message: str, *, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = {"status": "error", "message": message, "correlationId": _CORRELATION} | members


class Search(BaseModel):
    """Body of a search."""

    filterGroups: list[dict[str, list[dict[str, Any]]]] = []
    sorts: list[dict[str, str]] = []
    properties: list[str] = []
    limit: int = 10
    after: str | int = 0


class Read(BaseModel):
    """Body of a batch read."""

    inputs: list[dict[str, str]]
    properties: list[str] = []
    idProperty: str | None = None


class Write(BaseModel):
    """Body of a batch that writes."""

    inputs: list[dict[str, Any]]


class Limits:
    """What the server refuses.

    Args:
        results: A search ends after so many, as HubSpot's after 10,000.
        searches_a_second: Of the account.
    """

    def __init__(self, results: int, searches_a_second: int) -> None:
        self.results, self.searches_a_second = results, searches_a_second
        self.searches: deque[float] = deque(maxlen=searches_a_second)
        self.in_ten_seconds, self.in_a_day, self.today = 100, 250_000, 0
        self.requests: deque[float] = deque()
        self.refusals = 0
        self.faults: list[tuple[int, float | None]] = []

    def count_request(self) -> None:
        """Refuse the 101st request within ten seconds, and whatever comes once the day's are used up."""
        if self.today >= self.in_a_day:
            self.refusals += 1
            raise Refused(429, "You have reached your daily limit.", errorType="RATE_LIMIT", policyName="DAILY")
        self.today += 1
        now = time.monotonic()
        while self.requests and now - self.requests[0] >= 10:
            self.requests.popleft()
        if len(self.requests) >= self.in_ten_seconds:
            self.refusals += 1
            raise Refused(
                429, "You have reached your ten_secondly_rolling limit.", errorType="RATE_LIMIT",
                policyName="TEN_SECONDLY_ROLLING", groupName="publicapi:private-apps-api-calls",
            )  # fmt: skip
        self.requests.append(now)

    def count_search(self) -> None:
        """Refuse the sixth search within a second."""
        now = time.monotonic()
        if len(self.searches) == self.searches_a_second and now - self.searches[0] < 1:
            self.refusals += 1
            raise too_many(None)
        self.searches.append(now)


def too_many(retry_after: float | None) -> Refused:
    """The answer to a request too many."""
    return Refused(
        429,
        "You have reached your secondly limit.",
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
        errorType="RATE_LIMIT",
        policyName="SECONDLY",
    )


def create_app(store: Store, token: str, limits: Limits) -> FastAPI:
    """The application on a store."""
    app = FastAPI(title="Local HubSpot", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.body, error.status, error.headers)

    @app.middleware("http")
    async def admit(request: Request, call_next: Any) -> Response:
        try:
            if limits.faults:
                status, retry_after = limits.faults.pop(0)
                raise too_many(retry_after) if status == 429 else Refused(status, "internal error")
            _check_token(request, token)
            limits.count_request()
        except Refused as error:
            return JSONResponse(error.body, error.status, error.headers)
        answer: Response = await call_next(request)
        return answer

    @app.get("/crm/v3/properties/{kind}")
    def properties(kind: str) -> Object:
        return {"results": [{"name": name, "label": name, "type": "string"} for name in store.properties[kind]]}

    @app.post("/crm/v3/properties/{kind}", status_code=201)
    def make_property(kind: str, body: dict[str, Any]) -> Object:
        if body["name"] in store.properties[kind]:
            raise Refused(409, f"A property named '{body['name']}' already exists.", category="CONFLICT")
        store.properties[kind].append(body["name"])
        if body.get("hasUniqueValue"):
            store.unique.setdefault(kind, set()).add(body["name"])
        return body | {"archived": False, "groupName": body["groupName"], "options": []}

    @app.get("/crm/v3/owners")
    @app.get("/crm/v3/owners/")  # as its client asks: one request, not two
    def owners(limit: int = 100, after: str | None = None, archived: bool = False) -> Object:
        with store.lock:
            return _page([one for one in store.owners.values() if one["archived"] == archived], limit, after, 500)

    @app.get("/crm/v3/pipelines/{kind}")
    def pipelines(kind: str) -> Object:
        return {"results": list(store.pipelines.values()) if kind == "deals" else []}

    @app.get("/crm/v3/objects/{kind}")
    def listed(
        kind: str,
        limit: int = 10,
        after: str | None = None,
        archived: bool = False,
        properties: str = Query(""),
    ) -> Object:
        with store.lock:
            ordered = sorted(_of(store, kind).values(), key=lambda one: int(one["id"]))
            found = _page([one for one in ordered if one["archived"] == archived], limit, after, 100)
            found["results"] = [_shown(store, kind, one, properties.split(",")) for one in found["results"]]
            return found

    @app.post("/crm/v3/objects/{kind}/search")
    def search(kind: str, body: Search) -> Object:
        limits.count_search()
        with store.lock:
            return _search(store, kind, body, limits.results)

    @app.post("/crm/v3/objects/{kind}/batch/read")
    def read(kind: str, body: Read, response: Response, archived: bool = False) -> Object:
        if len(body.inputs) > 100:
            raise Refused(400, "The batch size exceeds the limit of 100", category="VALIDATION_ERROR")
        with store.lock:
            wanted = [
                store.by(kind, body.idProperty, one["id"]) if body.idProperty else store.find(kind, one["id"])
                for one in body.inputs
            ]
            found = {one["id"]: one for one in wanted if one and one["archived"] == archived}
            missing = [asked["id"] for asked, one in zip(body.inputs, wanted, strict=True) if one is None]
            answer: Object = {
                "status": "COMPLETE",
                "results": [_shown(store, kind, one, body.properties) for one in found.values()],
            }
        if missing:
            response.status_code = 207
            answer |= {"numErrors": 1, "errors": [
                {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects",
                 "context": {"ids": missing}}
            ]}  # fmt: skip
        return answer

    @app.post("/crm/v3/objects/{kind}/batch/update")
    def update(kind: str, body: Write) -> Object:
        with store.lock:
            _check_batch(store, kind, body)
            for one in body.inputs:
                if store.find(kind, one["id"]) is None:
                    raise Refused(404, f"Object not found: {one['id']}", category="OBJECT_NOT_FOUND")
                other = store.by(kind, "email", one["properties"].get("email") or "?")
                if other is not None and other["id"] != one["id"]:
                    raise Refused(409, f"Contact already exists. Existing ID: {other['id']}", category="CONFLICT")
            changed = [_written(store, kind, one["id"], one["properties"]) for one in body.inputs]
            return {"status": "COMPLETE", "results": [_shown(store, kind, one, _sent(body)) for one in changed]}

    @app.post("/crm/v3/objects/{kind}/batch/upsert")
    def upsert(kind: str, body: Write) -> Object:
        with store.lock:
            _check_batch(store, kind, body)
            results = []
            for one in body.inputs:
                name = one["idProperty"]
                if name not in store.unique.get(kind, ()):
                    raise Refused(400, f"{name} is not a unique property", category="VALIDATION_ERROR")
                known = store.by(kind, name, one["id"])
                made = known or store.make(kind, **{name: one["id"].lower() if name == "email" else one["id"]})
                written = _written(store, kind, made["id"], one["properties"])
                results.append(_shown(store, kind, written, [*_sent(body), name]) | {"new": known is None})
            return {"status": "COMPLETE", "results": results}

    @app.delete("/crm/v3/objects/{kind}/{id_}", status_code=204)
    def archive(kind: str, id_: str) -> Response:
        with store.lock:
            if store.find(kind, id_) is None:
                raise Refused(404, f"Object not found: {id_}", category="OBJECT_NOT_FOUND")
            store.archive(kind, id_)
            store.writes += 1
        return Response(status_code=204)

    @app.put("/crm/v4/objects/{kind}/{id_}/associations/default/{to_kind}/{to_id}")
    def associate(kind: str, id_: str, to_kind: str, to_id: str) -> Object:
        with store.lock:
            store.associate(kind, id_, to_kind, to_id)
        now = store.clock().isoformat()
        return {"status": "COMPLETE", "results": [], "startedAt": now, "completedAt": now}

    @app.get("/crm/v3/objects/{kind}/{id_}")
    def retrieve(kind: str, id_: str, properties: str = "") -> Object:
        with store.lock:
            found = store.find(kind, id_)
            if found is None or found["archived"]:
                raise Refused(404, f"Object not found.  objectId are usually numeric: {id_}")
            return _shown(store, kind, found, properties.split(","))

    @app.post("/crm/v4/associations/{kind}/{to_kind}/batch/read")
    def associations(kind: str, to_kind: str, body: Read, response: Response) -> Object:
        results, missing = [], []
        with store.lock:
            for asked in body.inputs:
                to = store.associations.get((kind, asked["id"], to_kind), [])
                start = int(asked.get("after", 0))
                if not to:
                    missing.append(asked["id"])
                    continue
                one: Object = {
                    "from": {"id": asked["id"]},
                    "to": [_association(kind, to_kind, id_) for id_ in to[start : start + 500]],
                }
                if len(to) > start + 500:
                    one["paging"] = {"next": {"after": str(start + 500)}}
                results.append(one)
        answer: Object = {"status": "COMPLETE", "results": results}
        if missing:
            response.status_code = 207
            answer |= {"numErrors": len(missing), "errors": [
                {"status": "error", "category": "OBJECT_NOT_FOUND", "subCategory":
                 "crm.associations.NO_ASSOCIATIONS_FOUND", "message": f"No {to_kind} is associated with {kind} {id_}."}
                for id_ in missing
            ]}  # fmt: skip
        return answer

    return app


def _check_batch(store: Store, kind: str, body: Write) -> None:
    if not 1 <= len(body.inputs) <= 100:
        raise Refused(400, "The batch size must be between 1 and 100", category="VALIDATION_ERROR")
    if len({one["id"] for one in body.inputs}) < len(body.inputs):
        raise Refused(400, "Duplicate IDs found in batch input", category="VALIDATION_ERROR")
    for name in _sent(body):
        if name not in store.properties[kind]:
            raise Refused(400, f"Property values were not valid: Property {name} does not exist")
    for one in body.inputs:
        if "@" not in one["properties"].get("email", "@"):
            raise Refused(400, "Email address is invalid", category="VALIDATION_ERROR")


def _sent(body: Write) -> list[str]:
    return list(dict.fromkeys(name for one in body.inputs for name in one["properties"]))


def _written(store: Store, kind: str, id_: str, properties: dict[str, str]) -> Object:
    store.writes += 1
    return store.change(kind, id_, by="INTEGRATION", **properties)


def _check_token(request: Request, token: str) -> None:
    given = request.headers.get("authorization", "")
    if not given.startswith("Bearer "):
        raise Refused(
            401,
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
            "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            category="INVALID_AUTHENTICATION",
        )
    if given != f"Bearer {token}":
        raise Refused(401, "The OAuth token used to make this call is invalid.", category="INVALID_AUTHENTICATION")


def _of(store: Store, kind: str) -> dict[str, Object]:
    if kind not in store.objects:
        raise Refused(400, f"Unable to infer object type from: {kind}")
    return store.objects[kind]


def _page(objects: list[Object], limit: int, after: str | None, most: int) -> Object:
    if not 1 <= limit <= most:
        raise Refused(400, f"Limit must be between 1 and {most}", category="VALIDATION_ERROR")
    start = next((n for n, one in enumerate(objects) if int(one["id"]) > int(after)), len(objects)) if after else 0
    found = objects[start : start + limit]
    answer: Object = {"results": found}
    if len(objects) > start + limit:
        answer["paging"] = {"next": {"after": found[-1]["id"]}}
    return answer


def _shown(store: Store, kind: str, one: Object, properties: list[str]) -> Object:
    first = ("hs_object_id", "createdate", "hs_createdate", "lastmodifieddate", "hs_lastmodifieddate")
    names = [name for name in dict.fromkeys([*first, *filter(None, properties)]) if name in store.properties[kind]]
    return one | {"properties": {name: one["properties"].get(name) for name in names}}


def _search(store: Store, kind: str, body: Search, most: int) -> Object:
    start = int(body.after)
    if not 1 <= body.limit <= 200:
        raise Refused(400, "Limit must be between 1 and 200", category="VALIDATION_ERROR")
    if start + body.limit > most:
        raise Refused(400, f"Paging is limited to {most} results", category="VALIDATION_ERROR")
    if len(body.filterGroups) > 5 or any(len(group["filters"]) > 6 for group in body.filterGroups):
        raise Refused(400, "Too many filters", category="VALIDATION_ERROR")
    found = [
        one
        for one in store.searchable.get(kind, {}).values()
        if not body.filterGroups
        or any(all(_matches(one, test) for test in group["filters"]) for group in body.filterGroups)
    ]
    for sort in body.sorts[:1]:
        found.sort(key=lambda one: _value(one, sort["propertyName"]), reverse=sort["direction"] == "DESCENDING")
    page = found[start : start + body.limit]
    answer: Object = {"total": len(found), "results": [_shown(store, kind, one, body.properties) for one in page]}
    if len(found) > start + body.limit:
        answer["paging"] = {"next": {"after": str(start + body.limit)}}
    return answer


def _value(one: Object, name: str) -> float:
    text = one["properties"].get(name) or "0"
    return datetime.fromisoformat(text).timestamp() * 1000 if "T" in text else float(text)


def _matches(one: Object, test: dict[str, Any]) -> bool:
    value, limit = _value(one, test["propertyName"]), float(test["value"])
    return {
        "GTE": value >= limit,
        "GT": value > limit,
        "LT": value < limit,
        "LTE": value <= limit,
        "EQ": value == limit,
    }[test["operator"]]


def _association(kind: str, to_kind: str, id_: str) -> Object:
    type_id = TYPE_IDS.get((kind, to_kind), 190)
    return {
        "toObjectId": int(id_),
        "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}],
    }

"""The road of a request: key check, form decoding, idempotency, dispatch, expansion, pagination, error bodies."""

import base64
import copy
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.stripe import forms
from tests.fakes.stripe.errors import StripeError, invalid, required
from tests.fakes.stripe.settings import StripeFakeSettings
from tests.fakes.stripe.store import API_VERSION, Object, Store, make_id

Handler = Callable[..., Object]


@dataclass(slots=True)
class Call:
    """One authenticated API request."""

    store: Store
    settings: StripeFakeSettings
    method: str
    path: str
    params: dict[str, Any]

    @property
    def now(self) -> int:
        """The server's clock."""
        return self.store.now()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and path, and the top-level parameters it takes."""

    method: str
    pattern: re.Pattern[str]
    accepts: frozenset[str]
    requires: tuple[str, ...]
    handler: Handler


@dataclass(slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: str
    headers: dict[str, str]


ENDPOINTS: list[Endpoint] = []
EXPANDED_LISTS: dict[tuple[str, str], Callable[[Store, Object], Object]] = {}
"""Lists that appear in an object only on request: (object, field) to the function that makes them."""

_LIST_PARAMS = "limit starting_after ending_before created"


def endpoint(method: str, path: str, accepts: str = "", requires: str = "") -> Callable[[Handler], Handler]:
    """Register a handler `(call, *ids)`.

    Args:
        path: Below /v1, with `:id` for each id.
        accepts: Space-separated optional parameters. `expand` is always taken, and the list parameters on lists.
        requires: Space-separated parameters that must be there.
    """
    pattern = re.compile("/v1/" + re.sub(r":id", r"([^/]+)", path))
    names = f"{accepts} {requires} expand" + (
        f" {_LIST_PARAMS}" if method == "GET" and not path.endswith(":id") else ""
    )

    def register(handler: Handler) -> Handler:
        ENDPOINTS.append(Endpoint(method, pattern, frozenset(names.split()), tuple(requires.split()), handler))
        return handler

    return register


class Api:
    """Answers API requests on one store."""

    def __init__(self, store: Store, settings: StripeFakeSettings) -> None:
        self.store = store
        self.settings = settings
        self.faults: list[int] = []
        self.retry_after: float | None = None
        self._running: set[str] = set()
        self._running_lock = threading.Lock()

    def answer(self, method: str, path: str, query: str, body: str, headers: dict[str, str]) -> Answer:
        """The answer to one request; never raises for a client's mistake."""
        request_id = make_id("req", 14)
        plain = {"Request-Id": request_id, "Stripe-Version": headers.get("stripe-version", API_VERSION)}
        key = headers.get("idempotency-key")
        if key:
            plain["Idempotency-Key"] = key
        try:
            self._check_key(headers)
            if self.faults:
                raise self._fault(self.faults.pop(0), plain)
            if path.split("/")[2] in self.store.forbidden:
                raise invalid(
                    "The provided key does not have the required permissions for this endpoint on this account. "
                    "Having more permissions would allow this request to continue.",
                    code="more_permissions_required_for_application",
                    status=403,
                )
            params = forms.decode(body if method == "POST" else query)
            if method == "POST" and key:
                return self._answer_once(key, method, path, params, request_id, plain)
            return self._run(method, path, params, request_id, None, plain)
        except StripeError as error:
            return _error_answer(error, request_id, plain)

    def _fault(self, status: int, headers: dict[str, str]) -> StripeError:
        if status != 429:
            return StripeError(status, "api_error", "An unknown error occurred.")
        headers["Stripe-Rate-Limited-Reason"] = "global-rate"
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return invalid("Request rate limit exceeded.", code="rate_limit", status=429)

    def _check_key(self, headers: dict[str, str]) -> None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            key = _basic_user(key)
        elif scheme.lower() != "bearer":
            key = ""
        if not key:
            raise invalid(
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key != self.settings.secret_key:
            raise invalid(f"Invalid API Key provided: {key[:7]}{'*' * 8}{key[-4:]}", status=401)

    def _answer_once(
        self, key: str, method: str, path: str, params: dict[str, Any], request_id: str, headers: dict[str, str]
    ) -> Answer:
        if len(key) > 255:
            raise invalid("Idempotency keys may be at most 255 characters long.", code="idempotency_key_too_long")
        digest = hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()
        with self._running_lock:
            saved = self.store.replies.get(key)
            if saved is None and key in self._running:
                raise StripeError(
                    409,
                    "idempotency_error",
                    f"There is currently another in-progress request using this Idempotent Key ({key}). "
                    "Please try again later.",
                    code="idempotency_key_in_use",
                )
            if saved is None:
                self._running.add(key)
        if saved is not None:
            return self._replay(saved, key, path, digest, headers)
        try:
            answer = self._run(method, path, params, request_id, key, headers)
            if answer.headers.pop("x-not-executed", None) is None:
                reply = {"path": path, "digest": digest, "status": answer.status, "body": answer.body}
                with self.store.transaction():
                    self.store.save_reply(key, reply | {"request_id": request_id})
            return answer
        finally:
            with self._running_lock:
                self._running.discard(key)

    def _replay(self, saved: dict[str, Any], key: str, path: str, digest: str, headers: dict[str, str]) -> Answer:
        if saved["digest"] != digest:
            what = (
                f"for the same endpoint they were first used for ('{path}' vs '{saved['path']}')"
                if saved["path"] != path
                else "with the same parameters they were first used with"
            )
            raise StripeError(
                400,
                "idempotency_error",
                f"Keys for idempotent requests can only be used {what}. Try using a key other than '{key}' if you "
                "meant to execute a different request.",
            )
        replayed = headers | {"Idempotent-Replayed": "true", "Original-Request": saved["request_id"]}
        return Answer(saved["status"], saved["body"], replayed)

    def _run(
        self, method: str, path: str, params: dict[str, Any], request_id: str, key: str | None, headers: dict[str, str]
    ) -> Answer:
        if self.settings.latency_seconds:
            time.sleep(self.settings.latency_seconds)
        try:
            handler, ids = _route(method, path, params)
        except StripeError as error:
            answer = _error_answer(error, request_id, headers)
            answer.headers["x-not-executed"] = "1"
            return answer
        with self.store.transaction():
            self.store.request = {"id": request_id, "idempotency_key": key}
            try:
                call = Call(self.store, self.settings, method, path, params)
                result = expand(self.store, handler(call, *ids), params.get("expand", []))
                return Answer(200, json.dumps(result, indent=2), headers)
            except StripeError as error:
                return _error_answer(error, request_id, headers)
            finally:
                self.store.request = {"id": None, "idempotency_key": None}


def _basic_user(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode().partition(":")[0]
    except ValueError:
        return ""


def _route(method: str, path: str, params: dict[str, Any]) -> tuple[Handler, tuple[str, ...]]:
    for candidate in ENDPOINTS:
        match = candidate.pattern.fullmatch(path) if candidate.method == method else None
        if match:
            unknown = [name for name in params if name not in candidate.accepts]
            if unknown:
                raise invalid(f"Received unknown parameter: {unknown[0]}", param=unknown[0], code="parameter_unknown")
            for name in candidate.requires:
                if params.get(name, "") in ("", {}, []):
                    raise required(name)
            return candidate.handler, match.groups()
    raise invalid(
        f"Unrecognized request URL ({method}: {path}). The local Stripe knows only what Plyo uses; "
        "see tests/fakes/stripe.",
        status=404,
    )


def _error_answer(error: StripeError, request_id: str, headers: dict[str, str]) -> Answer:
    log = f"https://dashboard.stripe.com/test/logs/{request_id}"
    return Answer(error.status, json.dumps(error.as_json(log), indent=2), dict(headers))


def expand(store: Store, obj: Object, paths: Iterable[str]) -> Object:
    """A copy of `obj` in which the ids at `paths` (dotted; `data.` on lists) are replaced by their objects."""
    result = copy.deepcopy(obj)
    for path in paths:
        parts = path.split(".")
        if len(parts) > (5 if result.get("object") == "list" else 4):
            raise invalid(f"You cannot expand more than 4 levels of a property ({path}).", param="expand")
        _expand_into(store, result, parts, path)
    return result


def _expand_into(store: Store, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for child in node:
            _expand_into(store, child, parts, path)
        return
    if not isinstance(node, dict) or not parts:
        return
    field, rest = parts[0], parts[1:]
    made = EXPANDED_LISTS.get((str(node.get("object")), field))
    if made and field not in node:
        node[field] = made(store, node)
    elif field not in node:
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    elif isinstance(node[field], str):
        target = store.objects.get(node[field])
        if target is None:
            raise invalid(f"This property cannot be expanded ({path}).", param="expand")
        node[field] = copy.deepcopy(target)
    _expand_into(store, node[field], rest, path)


def page(call: Call, objects: list[Object]) -> Object:
    """One page of `objects` (oldest first as stored), newest first, by Stripe's cursor parameters."""
    newest_first = [obj for obj in reversed(objects) if _in_range(obj, call.params.get("created"))]
    limit = forms.integer(call.params, "limit", 10) or 0
    if not 1 <= limit <= 100:
        raise invalid("Invalid integer: limit must be between 1 and 100", param="limit")
    ids = [obj["id"] for obj in newest_first]
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            raise invalid(f"No such object: '{cursor}'", param=name, code="resource_missing")
    if before:
        end = ids.index(before)
        start = max(0, end - limit)
        return listed(newest_first[start:end], call.path, has_more=start > 0)
    start = ids.index(after) + 1 if after else 0
    return listed(newest_first[start : start + limit], call.path, has_more=len(ids) > start + limit)


def _in_range(obj: Object, created: Any) -> bool:
    if not created:
        return True
    if isinstance(created, str):
        return bool(obj["created"] == int(created))
    at = obj["created"]
    tests: dict[str, Callable[[int], bool]] = {
        "gt": lambda limit: at > limit,
        "gte": lambda limit: at >= limit,
        "lt": lambda limit: at < limit,
        "lte": lambda limit: at <= limit,
    }
    return all(tests[name](int(value)) for name, value in created.items() if name in tests)


def listed(objects: list[Object], url: str, *, has_more: bool = False) -> Object:
    """A Stripe list object."""
    return {"object": "list", "data": [copy.deepcopy(obj) for obj in objects], "has_more": has_more, "url": url}

"""Counts requests against `core.rate_policy` and refuses the ones beyond it, with headers that say when to come back.

All processes count in one store (`PLYO_REDIS_URL`, Valkey or Redis), each request by one atomic script: the sum over
processes is exact. Without a URL a process counts for itself. Why what happens when the store is down: ADR 0023.
"""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request
from limits.storage import MemoryStorage, RedisStorage
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contracts.telemetry import get_logger
from operational_api.core.errors import DomainError
from operational_api.core.principal import Principal, is_known, maybe_principal
from operational_api.core.rate_policy import SERVICE, SERVICES, Limit, limit_of
from operational_api.core.threads import in_a_turn

log = get_logger(__name__)
PATIENCE_SECONDS = 0.25
"""How long a request waits for the store."""
ASK_AGAIN_SECONDS = 1.0
"""After a failure the store is left alone for so long: one request pays for finding out, not all."""
LOCAL_SHARE = 4
"""While the store is down a process allows this fraction of a sensitive limit: there may be so many processes."""


class RateLimited(DomainError):
    """That is too often. Wait a moment and try again."""

    status = 429


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a count came to. `reset_seconds` is when the window (or its oldest request) is over."""

    limit: Limit
    amount: int
    remaining: int
    reset_seconds: int
    is_allowed: bool

    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit` (IETF draft ratelimit-headers), with `Retry-After` on a refusal."""
        told = {
            "RateLimit-Policy": f'"{self.limit.name}";q={self.amount};w={self.limit.seconds}',
            "RateLimit": f'"{self.limit.name}";r={self.remaining};t={self.reset_seconds}',
        }
        return told if self.is_allowed else told | {"Retry-After": str(self.reset_seconds)}


class Limiter:
    """Counts for one process.

    Args:
        url: `redis://` or `rediss://` address of the store; empty counts in this process only.
        factor: Multiplies every limit; 0 switches counting off.
        clock: Seconds since 1970. Processes of one store must agree about it to within a fraction of a window.
    """

    def __init__(self, url: str = "", *, factor: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self.factor = factor
        self._clock = clock
        self.outcomes: Counter[str] = Counter()
        """Since the start: allowed, refused, and counted without the store (`uncounted`, `local`)."""
        self.url = url
        self._local = MemoryStorage()
        self._shared = _store(url) if url else None
        self._left_alone_until = 0.0

    def hit(self, limit: Limit, bucket: str, *, method: str = "POST") -> Verdict | None:
        """Count one request; None where nothing is counted."""
        amount = int(limit.amount * self.factor)
        if amount <= 0:
            return None
        if self._shared is not None:
            if time.monotonic() >= self._left_alone_until:
                with self._guarded():
                    return self._told(_count(self._shared, limit, amount, bucket, self._clock()))
            if method in ("GET", "HEAD") and not limit.is_sensitive:
                self.outcomes["uncounted"] += 1
                return None
            self.outcomes["local"] += 1
            if limit.is_sensitive:
                amount = max(1, amount // LOCAL_SHARE)
        return self._told(_count(self._local, limit, amount, bucket, self._clock()))

    @property
    def counts_here(self) -> bool:
        """Whether `hit` waits for nobody."""
        return self._shared is None

    def tally(self) -> "Tally":
        """One who counts many at once, for one event loop."""
        return Tally(self)

    def _told(self, verdict: Verdict) -> Verdict:
        self.outcomes["allowed" if verdict.is_allowed else "refused"] += 1
        return verdict

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            self._left_alone_until = time.monotonic() + ASK_AGAIN_SECONDS
            log.error("rate_limit_store_down", error=type(error).__name__, outcomes=dict(self.outcomes))


class Tally:
    """Counts reads that came at once in one round trip to the store, each as `Limiter.hit` does. Of one event loop."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._store: AsyncRedis | None = None
        if limiter.url:
            self._store = AsyncRedis.from_url(
                limiter.url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS,
                retry=AsyncRetry(NoBackoff(), 0),
            )  # fmt: skip
            self._script = self._store.register_script(_COUNT_ALL)

    async def close(self) -> None:
        if self._store is not None:
            await self._store.aclose()

    async def hit(self, asked: Sequence[tuple[Limit, str]]) -> list[Verdict | None]:
        """Count each; None where nothing is counted here."""
        limiter, now = self._limiter, self._limiter._clock()
        if self._store is None:
            return [limiter.hit(limit, bucket, method="GET") for limit, bucket in asked]
        amounts = [0 if limit.is_sensitive else int(limit.amount * limiter.factor) for limit, _ in asked]
        found: list[Verdict | None] = [None] * len(asked)
        here = [place for place, amount in enumerate(amounts) if amount > 0]
        if not here or time.monotonic() < limiter._left_alone_until:
            return found
        windows = {place: _window_of(asked[place][0], asked[place][1], now) for place in here}
        with limiter._guarded():
            keys = [f"{_PREFIX}:{windows[place][0]}" for place in here]
            told = await self._script(keys=keys, args=[" ".join(str(asked[place][0].seconds) for place in here)])
            for place, count in zip(here, told.split(), strict=True):
                verdict = _in_window(asked[place][0], amounts[place], windows[place][1], int(count))
                found[place] = limiter._told(verdict)
        return found


_PREFIX = "plyo:rate"
_COUNT_ALL = """
local counts, seconds = {}, {}
for each in string.gmatch(ARGV[1], '%d+') do seconds[#seconds + 1] = each end
for place, key in ipairs(KEYS) do
    counts[place] = redis.call('incr', key)
    if counts[place] == 1 then redis.call('expire', key, seconds[place]) end
end
return table.concat(counts, ' ')
"""
"""What the library does for one key (`incr`, and an end for a new one), for many. Numbers go in a text each way: the
library's own writing and reading of sixteen takes as long as all else of a turn."""


def _store(url: str) -> RedisStorage:
    return RedisStorage(
        url, key_prefix=_PREFIX, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed through to redis.from_url
    )  # fmt: skip


def _count(store: RedisStorage | MemoryStorage, limit: Limit, amount: int, bucket: str, now: float) -> Verdict:
    if limit.is_sensitive:
        is_allowed = store.acquire_entry(bucket, amount, limit.seconds)
        began, count = store.get_moving_window(bucket, amount, limit.seconds)
        left = max(1, int(began + limit.seconds - now) + 1)
        return Verdict(limit, amount, max(0, amount - count), left, is_allowed)
    name, left = _window_of(limit, bucket, now)
    return _in_window(limit, amount, left, store.incr(name, limit.seconds))


def _window_of(limit: Limit, bucket: str, now: float) -> tuple[str, int]:
    """Name of the window that a moment is in, and how many seconds of it are left."""
    window, passed = divmod(int(now), limit.seconds)
    return f"{bucket}:{window}", limit.seconds - passed


def _in_window(limit: Limit, amount: int, left: int, count: int) -> Verdict:
    return Verdict(limit, amount, max(0, amount - count), left, count <= amount)


def who(principal: Principal | None, address: str, *, by_address: bool = False) -> str:
    """Whose budget a request is counted against. An IPv6 address counts as its /64: one household has all of it."""
    if principal is not None and not by_address:
        return principal.key
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"address:{address}"
    if parsed.version == 6:
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False).network_address}"
    return f"address:{parsed}"


async def enforce(request: Request) -> None:
    """Dependency of every route: count the request, leave the headers for the answer, refuse it when it is too many.

    Who asks is found out in the same turn of a thread, for all dependencies that follow. A process that counts for
    itself takes none for who brings a token, while the keys are at hand.

    Raises:
        RateLimited: with `retry_after` in seconds.
    """
    counted_already: Verdict | None = getattr(request.state, "verdict", None)
    path = getattr(request.scope.get("route"), "path", None) or request.scope["path"]
    if counted_already is not None:
        _settle(request, counted_already, request.method, path)
    elif limit_of(request.method, path).amount:
        limiter: Limiter = request.app.state.limiter
        if limiter.counts_here and is_known(request):
            count(request, request.method, path)
        else:
            await in_a_turn(count, request, request.method, path)


def count(request: Request, method: str, path: str) -> None:
    """Count the request as one to this route: for a way in that stands for others, so that it is no way around.

    Raises:
        RateLimited: with `retry_after` in seconds.
    """
    limiter: Limiter = request.app.state.limiter
    if limit_of(method, path).amount == 0:
        return
    address = request.client.host if request.client else ""
    limit, bucket = counted(_known(request), address, method, path)
    verdict = limiter.hit(limit, bucket, method=method)
    if verdict is not None:
        _settle(request, verdict, method, path)


def _settle(request: Request, verdict: Verdict, method: str, path: str) -> None:
    request.state.rate_limit = verdict.headers()
    if not verdict.is_allowed:
        log.warning("rate_limited", limit=verdict.limit.name, method=method, path=path)
        raise RateLimited(retry_after=verdict.reset_seconds)


def counted(principal: Principal | None, address: str, method: str, path: str) -> tuple[Limit, str]:
    """The limit that a request to this route (its template) is counted against, and the name of its count."""
    limit = limit_of(method, path)
    if principal is not None and principal.role == SERVICE and not limit.is_sensitive:
        limit = SERVICES
    place = limit.name if limit.is_sensitive else f"{limit.name}:{method} {path}"
    return limit, f"{place}:{who(principal, address, by_address=limit.by_address)}"


def _known(request: Request) -> Principal | None:
    try:
        return maybe_principal(request)
    except DomainError:  # a bad credential is the endpoint's to refuse; until then it is a guest's request
        return None


def headers_of(request: Request) -> dict[str, str]:
    """What `enforce` left for the answer."""
    found: dict[str, str] = getattr(request.state, "rate_limit", {})
    return found

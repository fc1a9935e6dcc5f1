"""Many requests at once: nobody waits for a connection in a thread that somebody with a connection needs."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from operational_api.core.admission import Admission, Busy
from tests.factories import make_account
from tests.operational_api.conftest import ISSUER, access_token


class TestManyAtOnce:
    def test_are_all_answered(self, serve_app: Callable[[str], FastAPI], fresh_database: Callable[[], str]) -> None:
        """Twenty connections and forty threads: 200 requests stood still until the pool gave up, after 30 seconds."""
        app = serve_app(fresh_database())
        with app.state.sessions.begin() as session:
            token = access_token(app, make_account(session))

        async def ask() -> list[int]:
            transport = httpx.ASGITransport(app)
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=headers) as client:
                answers = await asyncio.gather(*(client.get("/api/identity/me") for _ in range(200)))
            return [one.status_code for one in answers]

        try:
            assert Counter(asyncio.run(ask())) == {200: 200}
        finally:
            app.state.sessions.kw["bind"].dispose()


class TestAdmission:
    def test_lets_in_so_many_and_the_next_when_one_leaves(self) -> None:
        async def go() -> list[str]:
            admission, seen, leave = Admission(1), [], asyncio.Event()

            async def work(name: str) -> None:
                async with admission.admitted():
                    seen.append(name)
                    await leave.wait()

            tasks = [asyncio.create_task(work(name)) for name in ("first", "second")]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert seen == ["first"]
            leave.set()
            await asyncio.gather(*tasks)
            return seen

        assert asyncio.run(go()) == ["first", "second"]

    def test_tells_who_waited_too_long_when_to_come_back(self) -> None:
        async def go() -> None:
            admission = Admission(1, patience_seconds=0.01)
            async with admission.admitted():
                with pytest.raises(Busy) as refused:
                    async with admission.admitted():
                        pass
            assert (refused.value.status, refused.value.extra["retry_after"]) == (503, 2)
            async with admission.admitted():
                pass

        asyncio.run(go())

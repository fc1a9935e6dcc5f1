"""The HTTP application: API below /v2/gateway/api, the payment page below /pay."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic_settings import BaseSettings, SettingsConfigDict

from tests.fakes.momo import signatures
from tests.fakes.momo.store import MESSAGES, Json, Store

_ORDER_ID = re.compile(r"^[0-9a-zA-Z]([-_.]*[0-9a-zA-Z]+)*$")
_PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Local MoMo</title>
<style>body {{ font: 1rem/1.5 system-ui; margin: 2rem auto; max-width: 24rem; padding: 0 1rem }}
button {{ display: block; font: inherit; margin: .75rem 0; padding: .75rem; width: 100% }}</style>
<h1>{amount:,} ₫</h1><p>{info}</p><p>This is a local MoMo: no money moves.</p><form method="post">
<button name="code" value="0">Pay</button> <button name="code" value="1006">Decline</button>
<button name="code" value="1001">Too little money</button> <button name="code" value="7002">Keep me waiting</button>
</form>"""


class MomoFakeSettings(BaseSettings):
    """One partner, and where this server is reached. From the environment with the prefix MOMO_FAKE_.

    Attributes:
        notifies: Whether results are posted to the order's `ipnUrl` by themselves; tests post them when they want.
        retry_seconds: Pauses between attempts to tell a result; after the last one it is told no more.
        state: SQLite file that keeps orders and refunds over a restart; in memory without one.
    """

    model_config = SettingsConfigDict(env_prefix="MOMO_FAKE_")

    public_url: str
    partner_code: str = "MOMOTEST"
    access_key: str = "F8BBA842ECF8"
    secret_key: str = "a-secret-key-of-the-local-momo"
    notifies: bool = False
    retry_seconds: tuple[float, ...] = (0.5, 2, 5, 15, 60)
    state: Path | None = None


def create_app(settings: MomoFakeSettings) -> FastAPI:
    """The application on a store of its own."""
    app = FastAPI(title="Local MoMo", docs_url=None, redoc_url=None, openapi_url=None)
    store = app.state.store = Store(settings.state)

    def signed(what: str, message: Json) -> str:
        return signatures.made(what, message, settings.access_key, settings.secret_key)

    def serve(call: str, what: str, required: str, answer: Callable[[Json], Json]) -> None:
        @app.post(f"/v2/gateway/api/{call}", name=call)
        async def handle(request: Request) -> Response:
            body: Json = await request.json()
            told = _judged(body, what, required) or (
                answer(body) if call.endswith("query") else store.once(body, answer)
            )
            echo = {name: body.get(name) for name in ("partnerCode", "requestId", "orderId")}
            told = {"message": MESSAGES[told["resultCode"]], **echo, **told}
            if call == "create" and told["resultCode"] == 0:
                told["payUrl"] = f"{settings.public_url}/pay/{body['orderId']}"
                told["signature"] = signed("created", told)
            return JSONResponse(told, 200 if told["resultCode"] not in (13, 20) else 400)

    def _judged(body: Json, what: str, required: str) -> Json | None:
        if any(body.get(name) is None for name in [*required.split(), "requestId", "orderId", "signature"]):
            return {"resultCode": 20}
        if len(str(body["requestId"])) > 50 or not _ORDER_ID.match(str(body["orderId"])):
            return {"resultCode": 20}
        if body.get("partnerCode") != settings.partner_code or body["signature"] != signed(what, body):
            return {"resultCode": 13}
        return None

    serve("create", "create", "amount orderInfo redirectUrl ipnUrl requestType extraData", store.open)
    serve("query", "query", "", store.query)
    serve("refund", "refund", "amount transId description", store.refund)
    serve("refund/query", "query", "", store.refund_query)

    @app.get("/pay/{order_id}")
    def page(order_id: str) -> Response:
        order = store.orders.get(order_id)
        if order is None:
            return HTMLResponse("unknown", 404)
        return HTMLResponse(_PAGE.format(amount=order.request["amount"], info=order.request["orderInfo"]))

    @app.post("/pay/{order_id}")
    def decide(order_id: str, code: int = Form()) -> Response:
        order = store.finish(order_id, code)
        result: dict[str, Any] = store.result(order)
        told = result | {"signature": signed("result", result)}
        if settings.notifies:
            Thread(target=_tell, args=(order.request["ipnUrl"], told, settings.retry_seconds), daemon=True).start()
        address = order.request["redirectUrl"] + "?" + urlencode(told)
        return RedirectResponse(address, 303)

    @app.get("/live")
    def live() -> dict[str, str]:
        return {"status": "ok"}

    return app


def _tell(address: str, told: Json, pauses: tuple[float, ...]) -> None:
    """Post a result until somebody answers 204, as MoMo does."""
    for pause in (*pauses, None):
        try:
            if httpx.post(address, json=told, timeout=15).status_code == 204:
                return
        except httpx.TransportError:
            pass
        if pause is not None:
            time.sleep(pause)


def serve() -> FastAPI:
    """Factory for `uvicorn --factory`; settings come from MOMO_FAKE_*."""
    return create_app(MomoFakeSettings())

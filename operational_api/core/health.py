"""Is this process alive, and can it do its work now? The gateway and the local stack act on the answers."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from operational_api.core.policy import Allowed

router = APIRouter(tags=["health"], dependencies=[Allowed("platform.read_public")])


@router.get("/live")
def live() -> dict[str, str]:
    """The process runs."""
    return {"state": "live"}


@router.get("/ready")
def ready(request: Request, response: Response) -> dict[str, object]:
    """Every dependency by name with its state; 503 when one of them is down."""
    parts = {"postgresql": "up"}
    try:
        with request.app.state.sessions() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError:
        parts["postgresql"] = "down"
    is_ready = all(state == "up" for state in parts.values())
    response.status_code = 200 if is_ready else 503
    return {"state": "ready" if is_ready else "not ready", "parts": parts}

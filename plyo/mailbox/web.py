"""The inbox as pages and as JSON, under /mailbox. What a mail contains is shown as a browser would show a stranger's:
in a sandboxed frame without scripts, its links opening in the whole window."""

import re
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from plyo.mailbox.store import Mail, Store

PREFIX = "/mailbox"
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
# No scripts, no cookies of our origin; a click on a link may take the whole window along.
_SANDBOX = "allow-top-navigation-by-user-activation allow-popups allow-popups-to-escape-sandbox"
_MAIL_POLICY = (
    f"sandbox {_SANDBOX}; default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; base-uri 'self'"
)
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
_URL = re.compile(r"(https?://[^\s<>\"')]+)")


def _linked(text: str) -> Markup:
    parts = _URL.split(text)
    return Markup("").join(
        Markup('<a href="{0}">{0}</a>').format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("plyo.mailbox"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["linked"] = _linked
    environment.globals |= {"prefix": PREFIX, "sandbox": _SANDBOX}
    return environment


def _told(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "received_at": mail.received_at.isoformat(),
        "message_id": mail.message_id,
        "from": mail.sender,
        "to": mail.recipients,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "links": mail.links,
        "attachments": [{"name": name, "type": kind, "bytes": len(data)} for name, kind, data in mail.attachments],
    }


def create_app(store: Store) -> FastAPI:
    """The mailbox's web side on a store."""
    templates = _environment()
    router = APIRouter(prefix=PREFIX)

    def find(name: str) -> Mail:
        if (mail := store.get(name)) is None:
            raise HTTPException(404, "There is no such mail; the oldest are thrown away.")
        return mail

    def page(mail: Mail | None, to: str | None, view: str = "") -> HTMLResponse:
        html = templates.get_template("inbox.html").render(
            mails=store.newest_first(to), mail=mail, to=to or "", view=view
        )
        return HTMLResponse(html, headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"})

    @router.get("/", response_class=HTMLResponse)
    def inbox(to: str | None = None) -> HTMLResponse:
        """All mails, newest first."""
        return page(None, to)

    @router.get("/messages/{name}", response_class=HTMLResponse)
    def message(name: str, to: str | None = None, view: str = "") -> HTMLResponse:
        """One mail. `view=text` shows its text part."""
        return page(find(name), to, view)

    @router.get("/messages/{name}/html", response_class=HTMLResponse)
    def html_part(name: str) -> HTMLResponse:
        """The HTML part alone, for the frame."""
        html = find(name).html or ""
        base = '<base target="_top">'  # after the doctype, or the browser shows the mail in quirks mode
        framed = _HEAD.sub(lambda head: head[0] + base, html, count=1) if _HEAD.search(html) else base + html
        return HTMLResponse(framed, headers={"Content-Security-Policy": _MAIL_POLICY})

    @router.get("/messages/{name}/attachments/{position}")
    def attachment(name: str, position: int) -> Response:
        """One attachment, always as a download."""
        attachments = find(name).attachments
        if not 0 <= position < len(attachments):
            raise HTTPException(404, "There is no such attachment.")
        file_name = re.sub(r"[^\w.-]", "_", attachments[position][0])
        headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Content-Security-Policy": "sandbox"}
        return Response(attachments[position][2], media_type="application/octet-stream", headers=headers)

    @router.post("/clear")
    def clear(request: Request) -> Response:
        """Empty the mailbox, asked by its own page only."""
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise HTTPException(403, "Only from this page.")
        store.clear()
        return RedirectResponse(f"{PREFIX}/", 303)

    @router.get("/api/messages")
    def messages(to: str | None = None, limit: int = 50) -> dict[str, Any]:
        """Mails as JSON, newest first; `to` is part of a recipient's address."""
        return {"items": [_told(mail) for mail in store.newest_first(to)[: max(limit, 0)]]}

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        """The page's style and script."""
        kinds = {"mailbox.css": "text/css", "mailbox.js": "text/javascript"}
        if name not in kinds:
            raise HTTPException(404)
        return Response(files("plyo.mailbox").joinpath("static", name).read_bytes(), media_type=kinds[name])

    app = FastAPI(title="Plyo mailbox", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.add_api_route("/live", lambda: {"state": "live"})
    app.add_api_route("/ready", lambda: {"state": "ready"})
    app.add_api_route(PREFIX, lambda: RedirectResponse(f"{PREFIX}/"), include_in_schema=False)
    return app

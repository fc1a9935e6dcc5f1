"""A refusal as a person sees it: back to the form with a message, off to sign-in, or a page that says what to do."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response

from operational_api.web.language import word
from operational_api.web.rendering import person, redirect, render, safe_return_path

HEADLINES = {
    403: word("This is not yours to open"),
    404: word("There is nothing here"),
    409: word("That did not work"),
    413: word("That is too large"),
    422: word("Something in there is not right"),
    429: word("Too many tries"),
    503: word("We are catching our breath"),
}
NOTHING = word("The address may be mistyped, or what was here is gone.")
"""What a page says that no route has: HTTP's own words say no more than its number."""


def _came_from(request: Request) -> str | None:
    referer = urlsplit(request.headers.get("referer", ""))
    if not referer.path or referer.netloc != request.headers.get("host"):
        return None
    return safe_return_path(referer.path + (f"?{referer.query}" if referer.query else ""), "/")


def _path(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def problem_page(request: Request, document: dict[str, Any]) -> Response:
    """Answer a browser's request that was refused.

    - Not signed in: to the sign-in page, and from there back to what they wanted.
    - Signed in, but not freshly enough (`sign_in_at`): to the page that asks anew, and from there back.
    - A form refused by a rule (409, 422): back to the page it was on, with the reason at the top.
    - Everything else: a page with the reason, a way on, and the trace id for support.
    """
    status = document["status"]
    came_from = _came_from(request)
    if sign_in_at := document.get("sign_in_at"):
        wanted = document.get("resume") or (_path(request) if request.method == "GET" else came_from or "/account")
        flash = document["detail"] if person(request) is None else None
        return redirect(request, f"{sign_in_at}?return_to={quote(wanted, safe='')}", flash=flash, tone="info")
    if status == 401 and person(request) is None:
        wanted = _path(request) if request.method == "GET" else (came_from or "/")
        return redirect(request, f"/auth/login?return_to={quote(wanted, safe='')}")
    if request.method == "POST" and status in (409, 422) and came_from:
        return redirect(request, came_from, flash=document["detail"], tone="bad")
    return render(
        request,
        "web/problem.html",
        status_code=status,
        problem=document,
        reason=NOTHING if document["detail"] == HTTPStatus.NOT_FOUND.phrase else document["detail"],
        headline=HEADLINES.get(status, word("Something went wrong")),
        came_from=came_from,
        start="/home" if person(request) else "/",
    )

"""Takes browsers' reports of what a content policy kept from happening, and logs them: one line each, for the alarm.

Anybody may send anything here, so little is kept of it: known fields, cut short, and addresses without their query,
which may carry a person's token. How often an address may report is in `core.rate_policy`.
"""

import json
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from contracts.telemetry import get_logger
from operational_api.core.errors import Invalid
from operational_api.core.policy import Allowed

log = get_logger(__name__)
router = APIRouter(tags=["gateway"], include_in_schema=False)
LARGEST_BYTES = 16 * 1024
MOST_REPORTS = 20
LONGEST = 200
FIELDS = {
    "document": ("document-uri", "documentURL"),
    "blocked": ("blocked-uri", "blockedURL"),
    "directive": ("effective-directive", "effectiveDirective", "violated-directive"),
    "source": ("source-file", "sourceFile"),
    "line": ("line-number", "lineNumber"),
}
"""Our name of a field, and what the two kinds of report (report-uri, report-to) call it."""


class ReportUnreadable(Invalid):
    """This is no report of a content policy."""


@router.post("/gateway/csp-reports", dependencies=[Allowed("gateway.report_violations")])
async def csp_reports(request: Request) -> Response:
    """Log each violation that a browser tells; 204 whatever it was, 422 for what is no report."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BYTES:
            raise ReportUnreadable
    for report in _reports(body)[:MOST_REPORTS]:
        log.warning("csp_violation", **report)
    return Response(status_code=204)


def _reports(body: bytes) -> list[dict[str, str]]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReportUnreadable from error
    if isinstance(told, dict):
        found = [told.get("csp-report")]
    elif isinstance(told, list):
        found = [one.get("body") for one in told if isinstance(one, dict) and one.get("type") == "csp-violation"]
    else:
        found = []
    if not all(isinstance(one, dict) for one in found) or not found:
        raise ReportUnreadable
    return [_known(one) for one in found if isinstance(one, dict)]


def _known(report: dict[str, Any]) -> dict[str, str]:
    kept = {}
    for name, spellings in FIELDS.items():
        value = next((report[one] for one in spellings if isinstance(report.get(one), str | int)), None)
        if value is not None:
            kept[name] = _plain(str(value))
    return kept


def _plain(value: str) -> str:
    """Without query and fragment, without control characters, and short."""
    try:
        address = urlsplit(value)
        if address.scheme and address.netloc:
            value = f"{address.scheme}://{address.netloc}{address.path}"
    except ValueError:
        pass
    return "".join(character for character in value if character.isprintable())[:LONGEST]

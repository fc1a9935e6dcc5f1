"""Routes of which actions of compliance are the gate."""

ROUTES_OF: dict[str, tuple[str, ...]] = {
    "compliance.decide_consents": (
        "PUT /api/compliance/consents",
        "POST /privacy",
    ),
    "compliance.check_events": (
        "GET /api/compliance/event-checks",
        "POST /api/compliance/event-checks",
        "GET /staff/evidence",
        "POST /staff/evidence",
    ),
    "compliance.read_audit": ("GET /api/compliance/audit", "GET /staff/audit"),
    "compliance.read_consents": (
        "GET /api/compliance/consents",
        "GET /api/compliance/consents/history",
        "GET /privacy",
    ),
    "compliance.read_readings": ("GET /api/compliance/readings",),
    "compliance.read_exports": ("GET /api/compliance/exports", "GET /staff/exports"),
    "compliance.request_customer_export": (
        "POST /api/compliance/exports",
        "POST /api/compliance/exports/{export_id}/withdrawal",
        "POST /staff/exports",
        "POST /staff/requests/exports/{request_id}/withdraw",
    ),
    "compliance.approve_export": (
        "POST /api/compliance/exports/{export_id}/approval",
        "POST /api/compliance/exports/{export_id}/refusal",
        "POST /staff/requests/exports/{request_id}/approve",
        "POST /staff/requests/exports/{request_id}/refuse",
    ),
    "compliance.open_export": ("POST /api/compliance/exports/{export_id}/link", "POST /staff/exports/{export_id}/link"),
    "compliance.open_export_file": (
        "GET /api/compliance/export-files/{export_id}",
        "GET /api/compliance/copy-files/{export_id}",
    ),
    "compliance.request_export": (
        "POST /api/identity/accounts/{account_id}/copies",
        "POST /staff/people/{account_id}/copies",
    ),
}

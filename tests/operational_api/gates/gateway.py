"""Routes of which actions of gateway are the gate."""

ROUTES_OF: dict[str, tuple[str, ...]] = {
    "gateway.ask_graph": ("POST /api/graphql",),
    "gateway.open_admin_console": ("GET /api/bff/admin",),
    "gateway.open_coach_console": ("GET /api/bff/coach",),
    "gateway.read_screens": ("GET /api/gateway/screens",),
    "gateway.report_violations": ("POST /gateway/csp-reports",),
    "gateway.see_front": ("GET /",),
    "gateway.see_home": ("GET /home",),
    "gateway.open_pipelines": ("GET /warehouse/docs", "GET /warehouse/quality", "GET /warehouse/quality/{table}"),
}

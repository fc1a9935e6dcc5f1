"""Routes of which actions of automation are the gate."""

ROUTES_OF: dict[str, tuple[str, ...]] = {
    "automation.act_on_queue": (
        "POST /api/automation/runs/{run_id}/send",
        "POST /api/automation/runs/{run_id}/dismiss",
        "POST /api/automation/runs/{run_id}/undo",
    ),
    "automation.manage_rules": (
        "GET /api/automation/rules",
        "POST /api/automation/rules",
        "PATCH /api/automation/rules/{rule_id}",
    ),
    "automation.put_scores": ("POST /api/automation/churn-scores",),
    "automation.read_queue": ("GET /api/automation/queue",),
    "automation.read_runs": ("GET /api/automation/runs",),
}

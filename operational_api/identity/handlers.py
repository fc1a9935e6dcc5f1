"""What identity does by itself: closing accounts that were to be deleted, forgetting sign-ins that nobody finished."""

from datetime import timedelta

from operational_api.core.periodic import Job
from operational_api.identity.service import deletion, pending

PERIODIC: list[Job] = [
    ("identity.close_accounts", timedelta(minutes=1), deletion.close_due),
    ("identity.forget_pending", timedelta(hours=1), pending.forget_old),
]

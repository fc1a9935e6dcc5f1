"""What identity does by itself: closing accounts that were to be deleted, counting and forgetting sign-ins, rotating
keys."""

from datetime import timedelta

from operational_api.core.periodic import Job
from operational_api.identity.keys import ageing
from operational_api.identity.service import attempts, deletion, pending

PERIODIC: list[Job] = [
    ("identity.close_accounts", timedelta(minutes=1), deletion.close_due),
    ("identity.forget_pending", timedelta(hours=1), pending.forget_old),
    ("identity.fold_sign_ins", timedelta(minutes=5), attempts.fold),
    ("identity.forget_sign_ins", timedelta(days=1), attempts.forget_old),
    ("identity.tend_keys", timedelta(hours=1), ageing.tend),
]

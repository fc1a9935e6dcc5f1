"""What identity does by itself: closing accounts that were to be deleted, counting and forgetting sign-ins, rotating
keys, and ending requests that nobody decided."""

from datetime import timedelta

from operational_api.core import revocations
from operational_api.core.periodic import Job
from operational_api.identity.factor_resets.service import RESETS
from operational_api.identity.keys import ageing
from operational_api.identity.roles.service import GRANTS
from operational_api.identity.service import attempts, deletion, pending

PERIODIC: list[Job] = [
    ("identity.close_accounts", timedelta(minutes=1), deletion.close_due),
    ("identity.forget_closed", timedelta(minutes=10), deletion.forget_closed),
    ("identity.forget_revocations", timedelta(days=1), revocations.forget),
    ("identity.forget_pending", timedelta(hours=1), pending.forget_old),
    ("identity.fold_sign_ins", timedelta(minutes=5), attempts.fold),
    ("identity.forget_sign_ins", timedelta(days=1), attempts.forget_old),
    ("identity.expire_role_grants", timedelta(minutes=5), GRANTS.expire),
    ("identity.expire_factor_resets", timedelta(minutes=5), RESETS.expire),
    ("identity.tend_keys", timedelta(hours=1), ageing.tend),
]

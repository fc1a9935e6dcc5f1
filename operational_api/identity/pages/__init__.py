"""Pages of identity: signing up and in, proving more, links from e-mails, one's own account. One module per matter."""

from fastapi import APIRouter

from operational_api.core.policy import Allowed
from operational_api.identity import sign_ins
from operational_api.identity.pages import (
    account,
    data,
    factors,
    logins,
    security,
    set_up,
    sign_in,
    sign_up,
    step_up,
    two_step,
    upstream,
)
from operational_api.web.navigation import NavItem

router = APIRouter(dependencies=[Allowed("identity.sign_in")])
for _part in (sign_in, sign_up, two_step, set_up, step_up, account, data, factors, security, upstream, logins):
    router.include_router(_part.router)
router.include_router(sign_ins.pages)
NAV = [NavItem("Account", "/account", "identity.keep_account", order=95, icon="user", place="account")]

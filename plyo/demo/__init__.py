"""The simulated business: seeded, vectorised, any size, loaded through the real schema. `plyo demo` and `make run`.

Belongs here: how people of the demo live, and how that becomes rows. Does not: the product's rules (the schema keeps
them while we load) and the command line around it (`plyo.cli`).
"""

from plyo.demo.foundation import ADMIN_EMAIL, COACH_EMAIL, CUSTOMER_EMAIL, PASSWORD
from plyo.demo.loading import (
    DEFAULT_CUSTOMERS,
    DEFAULT_MONTHS,
    DEFAULT_SEED,
    BusinessExists,
    LoadReport,
    LoadRunning,
    load,
    state,
)

__all__ = [
    "ADMIN_EMAIL",
    "COACH_EMAIL",
    "CUSTOMER_EMAIL",
    "DEFAULT_CUSTOMERS",
    "DEFAULT_MONTHS",
    "DEFAULT_SEED",
    "PASSWORD",
    "BusinessExists",
    "LoadReport",
    "LoadRunning",
    "load",
    "state",
]

"""Cash and revenue of what a wallet does: each minor unit once, by the metrics' own words."""

import duckdb
import pytest

from contracts.metrics import METRICS

# A top-up of 100, of which 20 went back; a gift of 10, 60 of the wallet and 30 by card paid a membership, whose part of
# the wallet was then given back into it by 5; a card was refused once.
_ROWS = """
    create table payments as select * from (values
        ('top_up', 'momo', 'captured', 100, 20), ('membership', 'gift', 'captured', 10, 0),
        ('membership', 'wallet', 'captured', 60, 5), ('membership', 'stripe', 'captured', 30, 0),
        ('membership', 'stripe', 'failed', 30, 0)
    ) as given (kind, provider, status, amount_minor, refunded_minor), (select 0 as disputed_minor)
"""


@pytest.mark.parametrize(
    ("metric", "told"),
    [("payments_captured", 130), ("net_revenue", 85), ("refund_rate", 20 / 130), ("payment_failure_rate", 1 / 3)],
)
def test_a_top_up_is_cash_and_what_it_pays_is_revenue(metric: str, told: float) -> None:
    found = METRICS[metric]
    with duckdb.connect() as lake:
        lake.execute(_ROWS)
        row = lake.execute(f"select {found.expression} from payments where {found.where}").fetchone()
    assert row is not None
    assert float(row[0]) == pytest.approx(told)

"""The provider's books of the demo agree with its own, but for what is planted to be resolved."""

from datetime import timedelta

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from operational_api.commerce import reconcile
from operational_api.commerce.service import findings, reconciliation
from plyo.demo.balance import FAULTS
from tests.conftest import sqlalchemy_url
from tests.plyo.demo.conftest import UNTIL, Business


def test_what_is_compared_differs_by_what_was_planted_and_by_nothing_else(business: Business) -> None:
    span = reconcile.Span(
        "stripe", UNTIL - reconciliation.LOOKS_BACK, UNTIL - reconciliation.GRACE, is_live=False, tells_fees=True
    )
    engine = create_engine(sqlalchemy_url(business.url))
    with Session(engine) as session:
        found = reconcile.differences(session, span)
        assert sorted(one.kind for one in found) == sorted(FAULTS)
        assert len(findings.record(session, found, now=UNTIL)) == len(FAULTS)
        assert findings.record(session, found, now=UNTIL + timedelta(days=1)) == []  # they wait for somebody
        session.rollback()
    engine.dispose()
    assert business.report.rows["commerce.provider_movements"] > 100

"""Sales of ours as deals at a local HubSpot."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events import commerce
from contracts.events import engagement as facts
from contracts.ids import new_id
from operational_api.integrations.crm import deals
from operational_api.integrations.crm.models import CrmDeal
from operational_api.integrations.crm.sync import CrmWorker
from tests.factories import make_account
from tests.fakes.hubspot.testing import LocalHubSpot
from tests.operational_api.integrations.crm.hearing import NOW, drain, hear, make_lead


class TestSales:
    def test_a_membership_is_a_deal_of_its_contact_once(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        mia = make_account(session, email="mia@example.test")
        sale = {"subscription_id": new_id(), "customer_id": mia.id}
        begun = commerce.SubscriptionStarted(
            occurred_at=NOW, plan_id=new_id(), amount_minor=4950, currency="EUR", is_trial=True, **sale
        )
        hear(
            session,
            facts.LifecycleStageChanged(occurred_at=NOW, person_id=mia.id, before=None, stage="trial", since=NOW),
        )
        hear(session, begun)
        drain(worker)
        [deal] = crm.store.objects["deals"].values()
        assert (deal["properties"]["dealstage"], deal["properties"]["amount"]) == (deals.TRYING, "49.50")
        bought = commerce.SubscriptionChanged(
            occurred_at=NOW + timedelta(days=14), kind="started", mrr_minor=4950, currency="EUR", **sale
        )
        hear(session, bought, begun)
        drain(worker)
        [deal] = crm.store.objects["deals"].values()
        assert deal["properties"]["dealstage"] == deals.WON
        [contact] = crm.store.objects["contacts"]
        assert crm.store.associations["deals", deal["id"], "contacts"] == [contact]
        ended = commerce.SubscriptionCancelled(occurred_at=NOW + timedelta(days=90), ends_now=True, **sale)
        hear(session, ended)
        assert session.scalars(select(CrmDeal.due_at)).all() == [None], "what was won stays won"

    def test_a_pack_is_a_deal_that_is_won_at_once(self, session: Session, crm: LocalHubSpot, worker: CrmWorker) -> None:
        lead = make_lead(session)
        bought = commerce.PackBought(
            occurred_at=NOW, pack_id=new_id(), customer_id=lead.id, plan_id=new_id(), sessions=10, amount_minor=45000,
            currency="EUR",
        )  # fmt: skip
        for _ in range(2):
            hear(session, bought)
        drain(worker)
        [deal] = crm.store.objects["deals"].values()
        told = {name: deal["properties"].get(name) for name in ("dealname", "dealstage", "amount", "closedate")}
        assert told == {
            "dealname": "Plyo pack of 10 sessions", "dealstage": "closedwon", "amount": "450.00",
            "closedate": NOW.date().isoformat(),
        }  # fmt: skip

"""What HubSpot says by webhook: whom it marks, whom it forgets, and who is believed."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import OutboxEvent
from operational_api.integrations.crm import deals
from operational_api.integrations.crm.models import CrmContact
from operational_api.integrations.crm.sync import CrmWorker
from tests.fakes.hubspot.testing import CLIENT_SECRET, LocalHubSpot
from tests.operational_api.conftest import ISSUER
from tests.operational_api.integrations.crm.hearing import (
    NOW,
    contact_of,
    drain,
    hear_all,
    make_lead,
    make_worker,
    remark,
    remark_all,
)


class TestWebhooks:
    URL = f"{ISSUER}/webhooks/hubspot"

    def test_of_our_own_writes_mark_nobody_and_of_others_mark_them(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        body, headers = crm.webhook(self.URL)
        assert b"INTEGRATION" in body
        assert api.post("/webhooks/hubspot", content=body, headers=headers).json() == {"marked": 0}
        assert session.scalars(select(CrmContact.due_at)).all() == [None]
        crm.store.change("contacts", "501", phone="+49 30 9")
        body, headers = crm.webhook(self.URL)
        for _ in range(2):
            assert api.post("/webhooks/hubspot", content=body, headers=headers).json() == {"marked": 1}
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1)))
        session.refresh(lead)
        assert lead.phone == "+49 30 9"

    def test_of_a_merge_mark_whoever_was_merged_and_they_stay_one_contact(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        crm.webhook(self.URL)
        crm.store.make("contacts", email="lea@work.test", firstname="Lea", lastname="Lund", phone="+49 30 9")
        [survivor] = crm.store.objects["contacts"].keys() - {"501"}
        crm.store.merge("contacts", survivor, "501")
        body, headers = crm.webhook(self.URL)
        assert api.post("/webhooks/hubspot", content=body, headers=headers).json() == {"marked": 1}
        later = make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1))
        drain(later)
        assert list(crm.store.objects["contacts"]) == [survivor], "nobody is made anew"
        told = contact_of(session, crm)
        assert (told["email"], told["hs_additional_emails"]) == ("lea@work.test", "lea@example.test")
        session.refresh(lead)
        assert (lead.name, lead.phone) == ("Lea Lund", "+49 30 9")
        writes = crm.store.writes
        remark(session)
        drain(later)
        assert crm.store.writes == writes

    def test_of_two_people_of_ours_who_were_merged_one_writes(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        first, second = make_lead(session), make_lead(session, "Tom Tal", "tom@example.test")
        drain(worker)
        ids = {str(row.person_id): str(row.contact_id) for row in session.scalars(select(CrmContact))}
        crm.store.merge("contacts", ids[str(first.id)], ids[str(second.id)])
        for _ in range(2):
            remark(session)
            drain(worker)
        assert crm.store.objects["contacts"][ids[str(first.id)]]["properties"]["firstname"] == "Lea"
        problems = dict(session.execute(select(CrmContact.person_id, CrmContact.problem)).tuples().all())
        assert problems[first.id] is None
        assert problems[second.id] == "Another person of ours is this contact already"
        session.refresh(second)
        assert second.name == "Tom Tal"
        writes = crm.store.writes
        remark(session)
        drain(worker)
        assert crm.store.writes == writes

    def test_of_a_deletion_mark_at_once_and_of_an_erasure_forget_for_good(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        crm.webhook(self.URL)

        def told() -> int:
            body, headers = crm.webhook(self.URL)
            found: int = api.post("/webhooks/hubspot", content=body, headers=headers).json()["marked"]
            return found

        crm.store.archive("contacts", "501")
        assert told() == 1
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1)))
        again = str(session.scalars(select(CrmContact.contact_id)).one())
        assert again != "501", "whoever is ours is there again"
        told()
        deals.pack_bought(
            session, sale_id=new_id(), person_id=lead.id, sessions=1, amount_minor=900, currency="EUR", at=NOW, now=NOW
        )
        crm.store.purge("contacts", again)
        assert told() == 1
        lead.name = "Lea Later"
        session.flush()
        session.expire_all()
        remark_all(session)
        deals.pack_bought(
            session, sale_id=new_id(), person_id=lead.id, sessions=1, amount_minor=900, currency="EUR", at=NOW, now=NOW
        )
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=20)))
        assert [one for one in crm.store.objects["contacts"].values() if not one["archived"]] == []
        assert crm.store.objects["deals"] == {}
        [row] = session.scalars(select(CrmContact)).all()
        assert (row.contact_id, row.known_ours, row.known_theirs) == (None, {}, {})
        assert session.scalars(select(OutboxEvent.type)).all().count("integrations.crm_contact_forgotten") == 1

    def test_that_hubspot_did_not_sign_now_are_refused(
        self, hook_app: FastAPI, api: TestClient, crm: LocalHubSpot
    ) -> None:
        for forge in ("secret", "old", "future", "body", "none"):
            crm.store.make("contacts", email=f"{forge}@example.test")
            moment = datetime.now(UTC).timestamp() + {"old": -3600, "future": 3600}.get(forge, 0)
            body, headers = crm.webhook(self.URL, at=moment, secret="other" if forge == "secret" else CLIENT_SECRET)
            if forge == "body":
                body += b" "
            refused = api.post("/webhooks/hubspot", content=body, headers={} if forge == "none" else headers)
            assert (forge, refused.status_code) == (forge, 401)

    def test_that_are_no_list_are_refused(self, hook_app: FastAPI, api: TestClient, crm: LocalHubSpot) -> None:
        crm.store.heard = "nonsense"  # type: ignore[assignment]
        body, headers = crm.webhook(self.URL)
        assert api.post("/webhooks/hubspot", content=body, headers=headers).status_code == 400


class TestBothSidesAtOnce:
    """A property that both sides change in the same second: who wins is a rule, and no clock is asked."""

    @pytest.mark.parametrize("is_ours_first", [True, False])
    @pytest.mark.parametrize(
        ("ours", "theirs", "winner"),
        [
            ({"name": "Lea Ours"}, {"lastname": "Theirs"}, ("Lea Theirs", "Theirs")),
            ({"phone": "+49 30 1"}, {"phone": "+49 30 2"}, ("+49 30 2", "+49 30 2")),
            ({"source": "walk_in"}, {"plyo_lead_source": "referral"}, ("walk_in", "walk_in")),
            ({"email": "ours@example.test"}, {"email": "theirs@example.test"}, ("ours@example.test",) * 2),
        ],
    )
    def test_is_what_its_rule_says_on_both_and_goes_round_no_more(
        self, hook_app: FastAPI, api: TestClient, session: Session, crm: LocalHubSpot, worker: CrmWorker,
        is_ours_first: bool, ours: dict[str, str], theirs: dict[str, str], winner: tuple[str, str],
    ) -> None:  # fmt: skip
        lead = make_lead(session)
        drain(worker)
        self.tell(api, crm)
        [(field, value)], [(name, told)] = ours.items(), theirs.items()
        for is_ours in (is_ours_first, not is_ours_first):
            if is_ours:
                setattr(lead, field, value)
                session.flush()
            else:
                crm.store.change("contacts", "501", **{name: told})
        assert self.tell(api, crm) == 1
        later = make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(seconds=1))
        drain(later)
        session.refresh(lead)
        assert (getattr(lead, field), contact_of(session, crm)[name]) == winner
        writes = crm.store.writes
        assert self.tell(api, crm) == 0, "what we wrote is no news"
        hear_all(session)
        remark(session)
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=11)))
        session.refresh(lead)
        assert (getattr(lead, field), contact_of(session, crm)[name]) == winner
        assert (crm.store.writes, self.tell(api, crm)) == (writes, 0)

    @staticmethod
    def tell(api: TestClient, crm: LocalHubSpot) -> int:
        """Deliver all that HubSpot has to say. Returns how many people it marked."""
        body, headers = crm.webhook(TestWebhooks.URL)
        found: int = api.post("/webhooks/hubspot", content=body, headers=headers).json()["marked"]
        return found

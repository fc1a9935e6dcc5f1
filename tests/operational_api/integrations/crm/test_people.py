"""People of ours as contacts at a local HubSpot: out, in, and no echo either way."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events import engagement as facts
from contracts.events import identity
from operational_api.core import failpoints
from operational_api.core.models import OutboxEvent
from operational_api.engagement.models import Lead, LifecycleStage
from operational_api.engagement.service.leads import capture_lead, convert_leads, forget_lead
from operational_api.integrations.crm import standing
from operational_api.integrations.crm.models import CrmContact
from operational_api.integrations.crm.sync import CrmWorker
from tests.factories import make_account
from tests.fakes.hubspot.testing import LocalHubSpot
from tests.operational_api.integrations.crm.hearing import (
    NOW,
    contact_of,
    drain,
    hear,
    hear_all,
    make_lead,
    make_worker,
    remark,
)


class TestOut:
    def test_a_lead_becomes_a_contact_with_its_stage(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        told = contact_of(session, crm)
        expected = {
            "email": "lea@example.test", "firstname": "Lea", "lastname": "Lind", "lifecyclestage": "lead",
            "plyo_stage": "lead",
        }  # fmt: skip
        assert {name: told.get(name) for name in expected} == expected
        assert (told["plyo_lead_source"], told["plyo_person_id"]) == ("instagram", str(lead.id))
        linked = session.scalars(select(OutboxEvent.type)).all()
        assert "integrations.crm_contact_linked" in linked

    def test_somebody_who_is_there_already_is_not_made_twice(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        crm.store.make("contacts", email="lea@example.test", firstname="Lea", lastname="Lind-Berg", phone="+49 30 1")
        lead = make_lead(session)
        drain(worker)
        assert len(crm.store.objects["contacts"]) == 1
        session.refresh(lead)
        assert (lead.name, lead.phone) == ("Lea Lind-Berg", "+49 30 1")

    def test_a_lead_with_an_account_stays_one_contact_and_its_name_is_the_accounts(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        mia = make_account(session, email="lea@example.test", display_name="Lea Account")
        hear(session, identity.EmailVerified(occurred_at=NOW, account_id=mia.id))  # whichever is heard first
        convert_leads(session, email="lea@example.test", customer_id=mia.id, now=NOW)
        hear_all(session)
        drain(worker)
        assert len(crm.store.objects["contacts"]) == 1
        assert contact_of(session, crm)["lastname"] == "Account"
        late = facts.LifecycleStageChanged(occurred_at=NOW, person_id=lead.id, before=None, stage="lead", since=NOW)
        hear(session, late)
        drain(worker)
        crm.store.change("contacts", "501", lastname="Other")
        remark(session)
        drain(worker)
        assert contact_of(session, crm)["lastname"] == "Account"

    def test_one_that_it_refuses_holds_up_no_other(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        first, second = make_lead(session), make_lead(session, "Tom Ton", "tom@example.test")
        drain(worker)
        crm.store.make("contacts", email="taken@example.test")
        first.email = "taken@example.test"
        second.name = "Tom Town"
        crm.store.change("contacts", "501", email="lea@example.test")
        remark(session)
        drain(worker)
        rows = {
            row.person_id: row for row in session.scalars(select(CrmContact).execution_options(populate_existing=True))
        }
        assert "409" in str(rows[first.id].problem)
        assert rows[second.id].problem is None
        assert crm.store.by("contacts", "email", "tom@example.test")["properties"]["lastname"] == "Town"  # type: ignore[index]

    def test_whoever_leaves_us_is_archived_there_and_forgotten_here(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        mia = make_account(session, email="mia@example.test")
        hear(session, identity.EmailChanged(occurred_at=NOW, account_id=mia.id))
        drain(worker)
        hear(session, identity.AccountClosed(occurred_at=NOW, account_id=mia.id))
        drain(worker)
        assert [one["archived"] for one in crm.store.objects["contacts"].values()] == [True]
        assert session.scalars(select(CrmContact)).all() == []

    def test_a_lead_that_wants_to_be_forgotten_is_archived_there_too(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=NOW)
        hear(session, facts.LeadCaptured(occurred_at=NOW, lead_id=lead.id, source="web"))
        drain(worker)
        assert [one["archived"] for one in crm.store.objects["contacts"].values()] == [False]
        desk = make_account(session, role="front_desk")
        forget_lead(session, lead.id, forgotten_by=desk.id, now=NOW)
        hear(session, facts.LeadForgotten(occurred_at=NOW, lead_id=lead.id, forgotten_by=desk.id))
        drain(worker)
        assert [one["archived"] for one in crm.store.objects["contacts"].values()] == [True]
        assert session.scalars(select(CrmContact)).all() == []


class TestConnecting:
    def test_brings_everybody_who_was_there_before_and_says_so(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        """Nothing was marked: the events were long ago."""
        mia = make_account(session, email="mia@example.test", display_name="Mia Maier")
        session.add(LifecycleStage(person_id=mia.id, stage="active", since=NOW))
        make_account(session, email="unconfirmed@example.test")
        capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=NOW)
        drain(worker)
        emails = {one["properties"]["email"] for one in crm.store.objects["contacts"].values()}
        assert emails == {"mia@example.test", "lea@example.test"}
        told = standing.stream(session, datetime.now(UTC))
        assert told is not None
        assert (told["rows"], told["problem"], told["cursor"]) == (len(emails), None, "all as it should be")


class TestIn:
    def test_what_sales_changes_of_a_lead_comes_here_and_goes_nowhere_again(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        owner = crm.store.make_owner(firstName="Olga", lastName="Own")
        lead = make_lead(session)
        drain(worker)
        writes, [there] = crm.store.writes, crm.store.objects["contacts"]
        crm.store.change("contacts", there, phone="+49 30 9", lastname="Lund", hubspot_owner_id=owner["id"])
        remark(session)
        drain(worker)
        session.refresh(lead)
        assert (lead.name, lead.phone, lead.owner) == ("Lea Lund", "+49 30 9", "Olga Own")
        hear_all(session)
        assert session.scalars(select(CrmContact.due_at)).all() == [None], "what it said itself is no news to it"
        remark(session)
        drain(worker)
        assert crm.store.writes == writes

    def test_a_poll_finds_what_no_webhook_told_and_not_our_own_doing(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker
    ) -> None:
        lead = make_lead(session)
        drain(worker)
        crm.store.change("contacts", "501", phone="+49 30 9")
        later = make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=11))
        drain(later)
        session.refresh(lead)
        assert lead.phone == "+49 30 9"


class TestDeath:
    @pytest.mark.parametrize("place", ["crm.before_write", "crm.after_write"])
    def test_between_writing_and_noting_changes_nothing(
        self, session: Session, crm: LocalHubSpot, worker: CrmWorker, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        def die(name: str) -> None:
            if name == place:
                raise Killed

        lead = make_lead(session)
        monkeypatch.setattr(failpoints, "hit", die)
        with pytest.raises(Killed):
            drain(worker)
        monkeypatch.undo()
        lead.name = "Lea Newest"
        session.flush()
        drain(make_worker(session, crm, clock=lambda: datetime.now(UTC) + timedelta(minutes=6)))
        told = contact_of(session, crm)
        assert (told["lastname"], session.get_one(Lead, lead.id).name) == ("Newest", "Lea Newest")
        assert len(crm.store.objects["contacts"]) == 1

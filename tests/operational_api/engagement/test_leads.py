"""A guest's contact form, and the desk that calls them."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.identity import EmailVerified
from contracts.ids import new_id
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.core.principal import Principal
from operational_api.engagement.handlers import convert_lead
from operational_api.engagement.models import Lead
from operational_api.engagement.service.forgetting import forget_address
from operational_api.engagement.service.leads import FORGOTTEN, amend_lead, capture_lead
from operational_api.scheduling import public as scheduling
from tests.factories import make_account, make_location
from tests.operational_api.conftest import SignIn

FORM = {"name": "Lea Lind", "email": "Lea@example.test", "source": "instagram"}


class TestCaptureLead:
    def test_keeps_an_address_once_and_never_tells(self, session: Session, api: TestClient) -> None:
        first = api.post("/api/engagement/leads", json=FORM)
        again = api.post("/api/engagement/leads", json=FORM | {"email": "lea@EXAMPLE.test"})
        assert (first.status_code, first.json()) == (again.status_code, again.json()) == (202, {"state": "received"})
        assert [lead.email for lead in session.scalars(select(Lead))] == ["Lea@example.test"]
        assert session.scalars(select(OutboxEvent.type)).all() == ["engagement.lead_captured"]

    @pytest.mark.parametrize("email", ["nobody", "a@b", "a b@example.test", "@example.test", "a@example..test"])
    def test_refuses_what_is_no_address(self, session: Session, api: TestClient, email: str) -> None:
        assert api.post("/api/engagement/leads", json=FORM | {"email": email}).status_code == 422
        assert session.scalars(select(Lead)).all() == []

    def test_is_converted_when_the_address_is_verified(self, session: Session, api: TestClient) -> None:
        api.post("/api/engagement/leads", json=FORM)
        account = make_account(session, email="lea@example.test")
        convert_lead(session, EmailVerified(occurred_at=datetime.now(UTC), account_id=account.id))
        assert session.scalars(select(Lead.customer_id)).all() == [account.id]
        convert_lead(session, EmailVerified(occurred_at=datetime.now(UTC), account_id=account.id))
        told = session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)).all()
        assert told.count("engagement.lead_converted") == 1


class TestAmendLead:
    def test_takes_over_what_is_other_and_announces_that_alone(self, session: Session) -> None:
        now = datetime.now(UTC)
        lead = capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=now)
        values = {"name": "Lea Lind", "source": "web", "phone": " +49 30 1 "}
        assert amend_lead(session, lead.id, values, by="hubspot", now=now)
        assert not amend_lead(session, lead.id, values, by="hubspot", now=now)
        assert (lead.name, lead.phone) == ("Lea Lind", "+49 30 1")
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "engagement.lead_changed")).all()
        assert [(one.payload["changed"], one.payload["by"]) for one in told] == [(["name", "phone"], "hubspot")]

    def test_never_takes_a_name_away(self, session: Session) -> None:
        now = datetime.now(UTC)
        lead = capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=now)
        assert not amend_lead(session, lead.id, {"name": " ", "source": None}, by="hubspot", now=now)
        assert (lead.name, lead.source) == ("Lea", "web")


NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def asked(
    session: Session, name: str, *, at: datetime = NOW, location: scheduling.Studio | None = None, email: str = ""
) -> Lead:
    lead = capture_lead(
        session, name=name, email=email or f"{name.split()[0].lower()}@example.test", source="website",
        location_id=location.location_id if location else None, now=at,
    )  # fmt: skip
    session.flush()
    return lead


def told_of(session: Session, lead: Lead) -> list[str]:
    return list(
        session.scalars(
            select(OutboxEvent.type).where(OutboxEvent.aggregate_id == lead.id).order_by(OutboxEvent.position)
        )
    )


class TestDesk:
    @pytest.fixture
    def desk(self, session: Session, sign_in: SignIn) -> TestClient:
        return sign_in(make_account(session, role="front_desk"))

    def test_lists_the_latest_first_by_page_name_and_address(self, session: Session, desk: TestClient) -> None:
        people = [asked(session, f"Lea {n}", at=NOW + timedelta(hours=n), email=f"l{n}@example.test") for n in range(5)]
        first = desk.get("/api/engagement/leads?limit=3").json()
        rest = desk.get("/api/engagement/leads", params={"limit": 3, "cursor": first["next_cursor"]}).json()
        assert [one["id"] for one in first["items"] + rest["items"]] == [str(one.id) for one in reversed(people)]
        assert rest["next_cursor"] is None
        for wanted, found in (("EA 3", ["Lea 3"]), ("L1@example.test", ["Lea 1"]), ("%", []), ("example", [])):
            answer = desk.get("/api/engagement/leads", params={"q": wanted}).json()
            assert [one["name"] for one in answer["items"]] == found, wanted
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "engagement.keep_leads")).all()
        assert len(noted) == 6

    def test_notes_who_calls(self, session: Session, desk: TestClient) -> None:
        lead = asked(session, "Lea")
        path, known = f"/api/engagement/leads/{lead.id}", {"name": "Lea Lind", "phone": "+49 30 1", "owner": "Ana"}
        told = desk.put(path, json=known).json()
        assert {name: told[name] for name in known} == known
        assert desk.put(path, json=known | {"owner": None}).json()["owner"] is None
        assert desk.put(path, json=known | {"name": ""}).status_code == 422
        assert told_of(session, lead) == ["engagement.lead_captured", *["engagement.lead_changed"] * 2]

    def test_is_lost_and_waits_again_once_each(self, session: Session, desk: TestClient) -> None:
        lead = asked(session, "Lea")
        path = f"/api/engagement/leads/{lead.id}/loss"
        assert [desk.put(path).json()["state"] for _ in range(2)] == ["lost", "lost"]
        assert [one["name"] for one in desk.get("/api/engagement/leads?state=lost").json()["items"]] == ["Lea"]
        assert desk.get("/api/engagement/leads").json()["items"] == []
        assert [desk.delete(path).json()["state"] for _ in range(2)] == ["waiting", "waiting"]
        assert told_of(session, lead)[1:] == ["engagement.lead_lost", "engagement.lead_reopened"]

    def test_who_asked_again_since_waits_under_that(self, session: Session, desk: TestClient) -> None:
        lead = asked(session, "Lea")
        desk.put(f"/api/engagement/leads/{lead.id}/loss")
        again = asked(session, "Lea")
        assert again.id != lead.id
        refused = desk.delete(f"/api/engagement/leads/{lead.id}/loss")
        assert (refused.status_code, refused.json()["code"]) == (409, "engagement.lead_asked_again")

    def test_who_has_an_account_is_not_the_desks_any_more(self, session: Session, desk: TestClient) -> None:
        lead = asked(session, "Lea")
        account = make_account(session, email="lea@example.test")
        convert_lead(session, EmailVerified(occurred_at=NOW, account_id=account.id))
        session.expire_all()
        told = desk.get("/api/engagement/leads?state=account").json()["items"]
        assert [(one["state"], one["customer_id"]) for one in told] == [("account", str(account.id))]
        path = f"/api/engagement/leads/{lead.id}"
        noted = desk.put(path, json={"name": "Lou", "phone": None, "owner": None})
        for answer in (noted, desk.put(f"{path}/loss"), desk.delete(f"{path}/loss"), desk.delete(path)):
            assert (answer.status_code, answer.json()["code"]) == (409, "engagement.lead_has_account")

    def test_who_was_not_coming_and_comes_has_an_account(self, session: Session, desk: TestClient) -> None:
        before, lead = (asked(session, "Lea", at=NOW + timedelta(days=n)) for n in range(2))
        assert before is lead
        desk.put(f"/api/engagement/leads/{lead.id}/loss")
        account = make_account(session, email="lea@example.test")
        convert_lead(session, EmailVerified(occurred_at=NOW, account_id=account.id))
        told = desk.get("/api/engagement/leads?state=account").json()["items"]
        assert [(one["id"], one["lost_at"]) for one in told] == [(str(lead.id), None)]
        assert told_of(session, lead)[-1] == "engagement.lead_converted"

    def test_who_is_forgotten_is_so_wherever_they_asked(self, session: Session, desk: TestClient) -> None:
        first = asked(session, "Lea")
        desk.put(f"/api/engagement/leads/{first.id}/loss")
        again = asked(session, "Lea")
        assert desk.delete(f"/api/engagement/leads/{again.id}").status_code == 204
        assert {one.email for one in session.scalars(select(Lead).execution_options(populate_existing=True))} == {""}
        assert [told_of(session, one)[-1] for one in (first, again)] == ["engagement.lead_forgotten"] * 2

    def test_who_closes_their_account_is_forgotten_where_they_were_lost(
        self, session: Session, desk: TestClient
    ) -> None:
        first = asked(session, "Lea")
        desk.put(f"/api/engagement/leads/{first.id}/loss")
        asked(session, "Lea")
        account = make_account(session, email="lea@example.test")
        convert_lead(session, EmailVerified(occurred_at=NOW, account_id=account.id))
        forget_address(session, "lea@example.test", account_id=account.id, now=NOW)
        session.refresh(first)
        assert (first.email, first.name) == ("", FORGOTTEN)

    def test_who_is_forgotten_is_nobody_and_counts(self, session: Session, desk: TestClient) -> None:
        lead = asked(session, "Lea")
        amend_lead(session, lead.id, {"phone": "+49 30 1", "owner": "Ana"}, by="hubspot", now=NOW)
        session.flush()
        path = f"/api/engagement/leads/{lead.id}"
        assert desk.delete(path).status_code == 204
        session.refresh(lead)
        assert (lead.name, lead.email, lead.phone, lead.owner) == (FORGOTTEN, "", None, None)
        assert lead.lost_at is not None
        assert (lead.source, lead.created_at) == ("website", NOW)
        assert (desk.delete(path).status_code, desk.put(f"{path}/loss").status_code) == (404, 404)
        assert desk.get("/api/engagement/leads?state=lost").json()["items"] == []
        assert not amend_lead(session, lead.id, {"name": "Lea"}, by="hubspot", now=NOW)
        assert told_of(session, lead)[-1] == "engagement.lead_forgotten"
        assert asked(session, "Lea").id != lead.id

    def test_of_a_studio_sees_its_own_and_those_of_none(self, session: Session, sign_in: SignIn) -> None:
        mine, other = (make_location(session, name=name) for name in ("Mine", "Other"))
        studios = {one.location_id: one for one in scheduling.studios(session)}
        here, there, anywhere = (
            asked(session, name, location=studios[where.id] if where else None)
            for name, where in (("Here", mine), ("There", other), ("Anywhere", None))
        )
        desk, ada = make_account(session, role="front_desk"), make_account(session, role="admin")
        scheduling.assign_desk(
            session, Principal("admin", "app", ada.id), account_id=desk.id, location_ids=[mine.id], now=NOW
        )
        client = sign_in(desk)
        told = client.get("/api/engagement/leads").json()["items"]
        assert {one["name"] for one in told} == {"Here", "Anywhere"}
        assert client.get(f"/staff/leads/{here.id}").status_code == 200
        assert client.put(f"/api/engagement/leads/{anywhere.id}/loss").status_code == 200
        hidden = [
            client.put(f"/api/engagement/leads/{there.id}/loss"), client.delete(f"/api/engagement/leads/{there.id}"),
            client.get(f"/staff/leads/{there.id}"), client.post(f"/staff/leads/{there.id}/loss"),
        ]  # fmt: skip
        assert [one.status_code for one in hidden] == [404] * 4
        page = client.post("/staff/leads", data={"name": "Lou", "email": "lou@example.test", "studio": str(other.id)})
        assert page.status_code == 422
        assert sign_in(ada).get(f"/staff/leads/{there.id}").status_code == 200


class TestPages:
    @pytest.fixture
    def desk(self, session: Session, sign_in: SignIn) -> TestClient:
        return sign_in(make_account(session, role="front_desk"))

    def test_somebody_who_asks_is_noted_and_waits(self, session: Session, desk: TestClient) -> None:
        assert "Nobody waits" in desk.get("/staff/leads").text
        studio = make_location(session, name="Harbour")
        sent = {"name": "Nora Nill", "email": "nora@example.test", "source": "walk_in", "studio": str(studio.id)}
        assert desk.post("/staff/leads", data=sent).status_code == 303
        page = desk.get("/staff/leads").text
        assert all(one in page for one in ("Nora Nill", "nora@example.test", "Walked in, Harbour", "Nobody calls"))
        assert "Nobody found" in desk.get("/staff/leads?q=someone").text

    def test_who_waits_already_is_shown(self, session: Session, desk: TestClient) -> None:
        asked(session, "Lea Lind", email="lea+gym@example.test")
        answer = desk.post("/staff/leads", data={"name": "Lea", "email": "LEA+gym@example.test"})
        assert answer.status_code == 303
        page = desk.get(answer.headers["location"]).text
        assert "They wait already." in page
        assert "Lea Lind" in page

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"email": "nora@example"}, "That does not look like an e-mail address"),
            ({"name": " "}, "What is their name?"),
            ({"source": "tv"}, "Choose from what there is."), ({"studio": str(new_id())}, "Choose from what there is."),
        ],
    )  # fmt: skip
    def test_what_is_refused_loses_nothing(
        self, session: Session, desk: TestClient, changed: dict[str, str], told: str
    ) -> None:
        sent = {"name": "Nora Nill", "email": "nora@example.test", "source": "walk_in", "studio": ""} | changed
        answer = desk.post("/staff/leads", data=sent)
        assert answer.status_code == 422
        assert told in answer.text
        assert f'value="{sent["email"]}"' in answer.text
        assert session.scalars(select(Lead)).all() == []

    def test_what_became_of_them_is_said_and_taken_back(self, session: Session, desk: TestClient) -> None:
        lead = asked(session, "Lea Lind")
        way = f"/staff/leads/{lead.id}"
        assert 'href="mailto:lea@example.test"' in desk.get(way).text
        desk.post(way, data={"name": "Lea Lind", "phone": "+49 30 1", "owner": "Ana"})
        assert 'href="tel:+49301"' in desk.get(way).text
        assert desk.post(f"{way}/loss").headers["location"] == "/staff/leads"
        assert "Not coming since" in desk.get(way).text
        desk.post(f"{way}/reopening")
        assert "Not coming since" not in desk.get(way).text
        desk.post(f"{way}/erasure")
        assert desk.get(way).status_code == 404

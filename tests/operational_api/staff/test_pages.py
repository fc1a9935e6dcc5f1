"""The staff's pages as a browser without JavaScript sees them, by role."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.models import Customer
from operational_api.compliance.models import Export
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.engagement.service import addresses
from operational_api.identity.models import Account, FactorReset, LoginSession, Passkey, RoleGrant
from operational_api.scheduling.models import Booking, Location, Slot
from operational_api.staff.words import details
from tests.browser import Browser
from tests.factories import (
    make_account,
    make_booking,
    make_client,
    make_coach,
    make_location,
    make_login_session,
    make_slot,
)
from tests.operational_api.conftest import SignIn
from tests.operational_api.staff.conftest import As, words

ROLES = ("front_desk", "support", "finance", "data", "admin")


@pytest.fixture
def mia(session: Session) -> Account:
    """A customer with a coach and a passkey."""
    client = make_client(session, coach=make_coach(session), display_name="Mia Maier")
    account = session.get_one(Account, client.id)
    account.display_name, account.email = "Mia Maier", f"mia-{new_id().hex}@plyo.test"
    session.add(
        Passkey(
            id=new_id(), account_id=account.id, credential_id=new_id().bytes, public_key=b"", sign_count=0,
            transports=[], name="Phone", is_synced=False, created_at=datetime.now(UTC),
        )
    )  # fmt: skip
    session.flush()
    return account


class TestDesk:
    @pytest.mark.parametrize(
        ("role", "ways"),
        [
            ("coach", {"/staff/commissions", "/staff/today", "/staff/book", "/coach/"}),
            ("front_desk", {"/staff/today", "/staff/book", "/staff/requests", "/staff/people"}),
            ("support", {"/staff/collections", "/staff/today", "/staff/requests", "/staff/people"}),
            (
                "finance",
                {"/staff/books", "/staff/collections", "/staff/commissions", "/staff/exceptions", "/staff/requests",
                 "/staff/payers", "/staff/plans", "/admin/"},
            ),
            ("data", {"/staff/requests", "/staff/exports", "/admin/", "/dagster/"}),
            (
                "admin",
                {"/staff/webhooks", "/staff/today", "/staff/book", "/staff/requests", "/staff/people", "/staff/books",
                 "/staff/exports",
                 "/staff/audit", "/admin/", "/dagster/", "/staff/collections", "/staff/commissions",
                 "/staff/exceptions", "/staff/payers", "/staff/plans"},
            ),
        ],
    )  # fmt: skip
    def test_shows_the_ways_that_open(self, session: Session, signed_in: As, role: str, ways: set[str]) -> None:
        page = signed_in(make_account(session, role=role)).get("/staff").text
        assert set(re.findall(r'class="cover" href="([^"]+)"', page)) == ways

    def test_is_where_the_front_desk_starts(self, session: Session, signed_in: As) -> None:
        assert signed_in(make_account(session, role="front_desk")).get("/").url.path == "/staff"

    def test_is_not_for_customers(self, mia: Account, signed_in: As) -> None:
        browser = signed_in(mia)
        pages = ("", "/requests", "/people", "/today", "/exports", "/audit", "/books", "/collections", "/commissions")
        for path in pages:
            assert browser.get(f"/staff{path}").status_code == 403


class TestRequests:
    def test_are_asked_for_on_a_person_and_decided_by_another(
        self, session: Session, mia: Account, signed_in: As
    ) -> None:
        sam, sue = (make_account(session, role="support", display_name=name) for name in ("Sam", "Sue"))
        browser = signed_in(sam)
        form = {"identity_check": "video_call", "reason": "Lost the phone"}
        browser.get(f"/staff/people/{mia.id}")
        told = browser.submit(f"/staff/people/{mia.id}/factor-resets", form)
        assert "Asked for" in told.text
        own = browser.get("/staff/requests").text
        assert "You asked for this" in own
        assert "/approve" not in own
        asked = session.scalars(select(FactorReset)).one()
        browser = signed_in(sue)
        page = browser.get("/staff/requests")
        for said in ("Mia Maier", "by Sam", "Lost the phone", "Video call"):
            assert said in words(page.text)
        path = f"/staff/requests/factor-resets/{asked.id}"
        long_ago = {"authenticated_at": datetime.now(UTC) - timedelta(minutes=11)}
        session.execute(update(LoginSession).where(LoginSession.account_id == sue.id).values(long_ago))
        proof = browser.submit(f"{path}/approve", headers={"Referer": "http://testserver/staff/requests"})
        assert "Is it still you" in words(proof.text), "who has not proved anything for a while does so first"
        assert proof.url.params["return_to"] == "/staff/requests"
        browser = signed_in(sue)
        refused = browser.submit(f"{path}/refuse", headers={"Referer": "http://testserver/staff/requests"})
        assert "Say why not" in refused.text, "a refusal needs a reason"
        done = browser.submit(f"{path}/approve", {"reason": "Knew her voice"})
        assert "Approved." in done.text
        assert "Nothing waits" in done.text
        decided = words(browser.get("/staff/requests?show=decided").text)
        assert "Approved by you" in decided
        assert "Knew her voice" in decided

    def test_show_each_role_its_kinds(self, session: Session, mia: Account, signed_in: As) -> None:
        ada, bo = (make_account(session, role="admin", display_name=name) for name in ("Ada", "Bo"))
        browser = signed_in(ada)
        browser.submit(f"/staff/people/{mia.id}/roles", {"role": "coach", "reason": "Hired"})
        assert session.scalars(select(RoleGrant.role)).all() == ["coach"]
        seen = {
            role: "Make them coach" in signed_in(make_account(session, role=role)).get("/staff/requests").text
            for role in ROLES
        }
        assert seen == {"front_desk": False, "support": False, "finance": False, "data": False, "admin": True}
        assert "/approve" in signed_in(bo).get("/staff/requests").text

    def test_are_taken_back_by_who_asked(self, session: Session, mia: Account, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="admin"))
        browser.submit(f"/staff/people/{mia.id}/roles", {"role": "coach", "reason": "Hired"})
        row = session.scalars(select(RoleGrant)).one()
        assert "Taken back." in browser.submit(f"/staff/requests/roles/{row.id}/withdraw").text
        session.refresh(row)
        assert row.status == "withdrawn"

    def test_go_on_over_pages(self, session: Session, signed_in: As) -> None:
        ada, now = make_account(session, role="admin"), datetime.now(UTC)
        ids = sorted(new_id() for _ in range(23))  # in one millisecond they come in any order
        for number in range(23):
            person = make_account(session, display_name=f"Person {number:02}")
            asked = {"requested_by": ada.id, "requested_at": now, "expires_at": now + timedelta(days=1)}
            session.add(
                RoleGrant(
                    id=ids[number], account_id=person.id, from_role="customer", role="coach", reason="Hired", **asked
                )
            )
        session.flush()
        browser = signed_in(ada)
        first = browser.get("/staff/requests").text
        older = re.search(r'href="(/staff/requests\?cursor=[^"]+)"', first)
        assert older
        second = browser.get(older[1]).text
        both = re.findall(r"Person \d\d", words(first)) + re.findall(r"Person \d\d", words(second))
        assert both == [f"Person {number:02}" for number in reversed(range(23))]


class TestPeople:
    def test_show_each_role_what_it_may_see(self, session: Session, mia: Account, signed_in: As) -> None:
        found = {}
        for role in ("front_desk", "support", "admin"):
            page = signed_in(make_account(session, role=role)).get(f"/staff/people/{mia.id}").text
            told = words(page)
            found[role] = (mia.email in told, "Payments" in told, "New role" in told, "Ask for the removal" in told)
        assert found == {
            "front_desk": (False, False, False, True), "support": (True, True, False, True),
            "admin": (True, True, True, True),
        }  # fmt: skip

    def test_the_front_desk_finds_customers_and_not_colleagues(
        self, session: Session, mia: Account, signed_in: As
    ) -> None:
        mark = new_id().hex
        mia.display_name = f"Mia {mark}"
        coach = make_account(session, role="coach", display_name=f"Cara {mark}")
        browser = signed_in(make_account(session, role="front_desk"))
        page = words(browser.get(f"/staff/people?q={mark}").text)
        assert f"Mia {mark}" in page
        assert "Cara" not in page
        assert browser.get(f"/staff/people/{coach.id}").status_code == 404
        assert f"Cara {mark}" in signed_in(make_account(session, role="support")).get(f"/staff/people?q={mark}").text

    def test_are_signed_out_by_whom_the_policy_lets(self, session: Session, mia: Account, signed_in: As) -> None:
        make_login_session(session, mia)
        assert "Sign them out" not in words(
            signed_in(make_account(session, role="front_desk")).get(f"/staff/people/{mia.id}").text
        )
        browser = signed_in(make_account(session, role="support"))
        assert "Sign them out" in words(browser.get(f"/staff/people/{mia.id}").text)
        told = words(browser.submit(f"/staff/people/{mia.id}/sign-outs", {"reason": "Phone stolen"}).text)
        assert "1 session ended" in told
        kept = session.scalars(select(AuditEntry).where(AuditEntry.action == "identity.end_sessions")).one()
        assert (kept.subject_id, kept.details["reason"]) == (mia.id, "Phone stolen")
        told = words(browser.submit(f"/staff/people/{mia.id}/sign-outs", {"reason": "Phone stolen"}).text)
        assert "no open session" in told

    def test_mail_that_came_back_is_sent_again_by_whom_the_policy_lets(
        self, session: Session, mia: Account, signed_in: As
    ) -> None:
        where, offer = f"/staff/people/{mia.id}", "Write there again"
        assert offer not in signed_in(make_account(session, role="support")).get(where).text
        addresses.suppress(session, channel="email", address=mia.email, reason="bounce", now=datetime.now(UTC))
        session.flush()
        assert offer not in signed_in(make_account(session, role="front_desk")).get(where).text
        browser = signed_in(make_account(session, role="support"))
        assert offer in browser.get(where).text
        assert "Lifted" in browser.submit(f"{where}/mail-revivals", {"reason": "She called"}).text
        assert addresses.suppression_of(session, channel="email", address=mia.email) is None
        kept = session.scalars(select(AuditEntry).where(AuditEntry.action == "engagement.revive_address")).one()
        assert (kept.subject_id, kept.details["reason"]) == (mia.id, "She called")

    @pytest.mark.parametrize("reason", ["complaint", "unsubscribe"])
    def test_nobody_lifts_what_its_owner_said(self, session: Session, mia: Account, signed_in: As, reason: str) -> None:
        addresses.suppress(session, channel="email", address=mia.email, reason=reason, now=datetime.now(UTC))
        session.flush()
        browser = signed_in(make_account(session, role="admin"))
        assert browser.submit(f"/staff/people/{mia.id}/mail-revivals", {"reason": "x"}).status_code == 409
        assert addresses.suppression_of(session, channel="email", address=mia.email) == reason

    def test_looking_is_written_down(self, session: Session, mia: Account, signed_in: As) -> None:
        desk = make_account(session, role="front_desk")
        signed_in(desk).get(f"/staff/people/{mia.id}")
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "identity.look_up_person")).one()
        assert (noted.actor_id, noted.subject_id) == (desk.id, mia.id)

    def test_a_refund_is_of_a_payment_of_theirs(self, session: Session, mia: Account, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="support"))
        form = {"payment_id": str(new_id()), "currency": "EUR", "reason": "Ill"}
        assert browser.submit(f"/staff/people/{mia.id}/refunds", form).status_code == 404


class TestToday:
    @pytest.fixture
    def booking(self, session: Session, mia: Account) -> Booking:
        """A session of Mia's that began half an hour ago."""
        began = datetime.now(UTC) - timedelta(minutes=30)
        return make_booking(session, slot=make_slot(session, starts_at=began), customer_id=mia.id)

    def page(self, session: Session, booking: Booking, browser: Browser) -> str:
        slot = session.get_one(Slot, booking.slot_id)
        here = session.get_one(Location, slot.location_id)
        day = booking.starts_at.astimezone(ZoneInfo(here.time_zone)).date()
        return str(browser.get(f"/staff/today?studio={here.id}&day={day}").text)

    @pytest.mark.parametrize(("role", "can_mark"), [("front_desk", True), ("support", False), ("admin", True)])
    def test_shows_who_comes_and_lets_some_check_in(
        self, session: Session, booking: Booking, signed_in: As, role: str, can_mark: bool
    ) -> None:
        page = self.page(session, booking, signed_in(make_account(session, role=role)))
        assert "Mia Maier" in words(page)
        assert (f"/staff/bookings/{booking.id}/outcome" in page) == can_mark

    def test_another_coach_sees_nothing_of_it(self, session: Session, booking: Booking, signed_in: As) -> None:
        browser = signed_in(session.get_one(Account, make_coach(session).id))
        assert "Mia Maier" not in self.page(session, booking, browser)
        told = browser.submit(f"/staff/bookings/{booking.id}/outcome", {"outcome": "attended"})
        assert told.status_code == 404

    def test_a_check_in_is_kept_and_can_be_corrected(self, session: Session, booking: Booking, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="front_desk"))
        for outcome, told in (("attended", "Checked in."), ("no_show", "did not come")):
            assert told in browser.submit(f"/staff/bookings/{booking.id}/outcome", {"outcome": outcome}).text
            session.refresh(booking)
            assert booking.status == outcome

    def test_leads_nowhere_else(self, session: Session, booking: Booking, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="front_desk"))
        form = {"outcome": "attended", "return_to": "https://elsewhere.test"}
        answer = browser.submit(f"/staff/bookings/{booking.id}/outcome", form, follow_redirects=False)
        assert answer.headers["location"] == "/staff/today"


class TestStudios:
    def test_keep_a_front_desk_to_where_it_works(
        self, session: Session, mia: Account, signed_in: As, sign_in: SignIn
    ) -> None:
        began = datetime.now(UTC) - timedelta(minutes=30)
        coach = make_coach(session, location=make_location(session, name="Elsewhere"))
        booking = make_booking(session, slot=make_slot(session, coach=coach, starts_at=began), customer_id=mia.id)
        mine = make_location(session, name="Mine")
        desk, ada = make_account(session, role="front_desk"), make_account(session, role="admin")
        reads = f"/api/scheduling/bookings/{booking.id}"
        lists = f"/api/scheduling/bookings?customer_id={mia.id}"
        assert (sign_in(desk).get(reads).status_code, len(sign_in(desk).get(lists).json()["items"])) == (200, 1)
        client, path = sign_in(ada), f"/api/scheduling/desk-locations/{desk.id}"
        assert client.put(path, json={"location_ids": [str(mine.id)]}).json() == {"location_ids": [str(mine.id)]}
        assert client.get(path).json() == {"location_ids": [str(mine.id)]}
        assert (sign_in(desk).get(reads).status_code, sign_in(desk).get(lists).json()["items"]) == (404, [])
        assert sign_in(desk).post(f"{reads}/cancellation").status_code == 404
        assert sign_in(desk).get(f"/api/scheduling/availability?coach_id={coach.id}").status_code == 404
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "scheduling.assign_desk")).one()
        assert (noted.subject_id, noted.details) == (desk.id, {"from": [], "to": [str(mine.id)]})
        assert (
            client.put(path, json={"location_ids": [str(new_id())]}).json()["code"] == "scheduling.location_not_found"
        )
        browser = signed_in(desk)
        today = words(browser.get(f"/staff/today?studio={coach.location_id}&day={began.date()}").text)
        assert "Elsewhere" not in today
        assert "Mia Maier" not in today
        assert browser.submit(f"/staff/bookings/{booking.id}/outcome", {"outcome": "attended"}).status_code == 404

    def test_are_chosen_on_the_person(self, session: Session, signed_in: As) -> None:
        mine, desk = make_location(session, name="Mine"), make_account(session, role="front_desk")
        admin = signed_in(make_account(session, role="admin"))
        page = admin.get(f"/staff/people/{desk.id}").text
        assert "Front desk of" in words(page)
        assert f'value="{mine.id}" checked' not in page
        told = admin.submit(f"/staff/people/{desk.id}/studios", {"studio": str(mine.id)})
        assert "the studios you chose" in told.text
        assert f'value="{mine.id}" checked' in told.text
        assert "every studio" in admin.submit(f"/staff/people/{desk.id}/studios").text
        told = select(OutboxEvent.payload).where(OutboxEvent.type == "scheduling.desk_assigned")
        assigned = session.scalars(told.order_by(OutboxEvent.position)).all()
        assert [one["location_ids"] for one in assigned] == [[str(mine.id)], []]


class TestExports:
    def test_are_asked_for_and_fetched_once_somebody_agreed(self, session: Session, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="data"))
        form = {"dataset": "payments", "purpose": "accounting", "reason": "Quarter", "from_on": "2026-01-01"}
        assert "Asked for" in browser.submit("/staff/exports", form).text
        row = session.scalars(select(Export)).one()
        assert (row.dataset, str(row.from_on), row.to_on) == ("payments", "2026-01-01", None)
        assert "Waits for a second person" in words(browser.get("/staff/exports").text)
        signed_in(make_account(session, role="admin")).submit(f"/staff/requests/exports/{row.id}/approve")
        session.refresh(row)
        assert row.status == "approved"
        making = browser.get("/staff/exports").text
        assert "Being made" in words(making)
        assert 'name="plyo-again"' in making, "the page looks for itself whether the file is there"

    def test_days_that_are_none_are_told(self, session: Session, signed_in: As) -> None:
        browser = signed_in(make_account(session, role="data"))
        form = {"dataset": "payments", "purpose": "accounting", "reason": "Quarter", "from_on": "yesterday"}
        told = browser.submit("/staff/exports", form, headers={"Referer": "http://testserver/staff/exports"})
        assert "Those days do not fit" in told.text


class TestAudit:
    def test_narrows_by_who_what_and_object(self, session: Session, mia: Account, signed_in: As) -> None:
        desk = make_account(session, role="front_desk", display_name=f"Fiona {new_id().hex}")
        signed_in(desk).get(f"/staff/people/{mia.id}")
        browser = signed_in(make_account(session, role="admin"))
        page = words(browser.get("/staff/audit", params={"who": desk.display_name}).text)
        assert "looked somebody up, about Mia Maier" in page
        none = browser.get("/staff/audit", params={"who": desk.display_name, "what": "identity.change_password"}).text
        assert "Nothing fits" in none
        by_object = browser.get("/staff/audit", params={"object_type": "Account", "object_id": str(mia.id)}).text
        assert desk.display_name in by_object
        read = session.scalars(select(AuditEntry).where(AuditEntry.action == "compliance.read_audit")).all()
        assert len(read) == 3, "reading is in it, too"

    def test_asks_which_of_several_people(self, session: Session, signed_in: As) -> None:
        mark = f"Mark{new_id().hex}"
        for name in ("Mia", "Tom"):
            make_account(session, display_name=f"{name} {mark}")
        page = signed_in(make_account(session, role="admin")).get("/staff/audit", params={"who": mark}).text
        assert "Which one?" in page
        assert f"Tom {mark}" in page


def test_what_else_was_noted_is_told_in_words() -> None:
    noted = {"score": 0.0, "factors": ["pwd", "otp"], "reasons": [], "by": None}
    assert details(noted, {}) == "score: 0.0, factors: pwd and otp"


class TestPayers:
    def test_somebody_pays_for_a_customer_until_they_do_again(self, session: Session, signed_in: As) -> None:
        mia, parent, coach = (make_account(session, role=role) for role in ("customer", "customer", "coach"))
        admin, here = signed_in(make_account(session, role="admin")), f"/staff/people/{mia.id}"
        assert "Let somebody else pay" in words(admin.get(here).text)
        for nobody in ("nobody@example.test", coach.email):
            told = words(admin.submit(f"{here}/payer", {"email": nobody}).text)
            assert "No customer has that address" in told
        assert "pays from now on" in words(admin.submit(f"{here}/payer", {"email": f" {parent.email.upper()} "}).text)
        assert session.scalar(select(Customer.payer_id).where(Customer.id == mia.id)) == parent.id
        assert f"{parent.display_name} does" in words(admin.get(here).text)
        assert "They do, also for" in words(admin.get(f"/staff/people/{parent.id}").text)
        told = words(admin.submit(f"/staff/people/{parent.id}/payer", {"email": mia.email}).text)
        assert "nobody else can pay for them" in told
        assert "pay for themselves from now on" in words(admin.submit(f"{here}/payer", {}).text)
        assert session.scalar(select(Customer.payer_id).where(Customer.id == mia.id)) is None

    def test_is_for_finance_and_admins_and_about_customers(self, session: Session, signed_in: As) -> None:
        mia, coach = make_account(session), make_account(session, role="coach")
        desk = signed_in(make_account(session, role="front_desk"))
        assert "Who pays" not in words(desk.get(f"/staff/people/{mia.id}").text)
        assert desk.submit(f"/staff/people/{mia.id}/payer", {"email": coach.email}).status_code == 403
        admin = signed_in(make_account(session, role="admin"))
        assert admin.submit(f"/staff/people/{coach.id}/payer", {"email": mia.email}).status_code == 404

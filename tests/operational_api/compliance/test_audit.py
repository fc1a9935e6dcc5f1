"""Reading the audit log: by admins with filters, by people about themselves."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.compliance.service import consents
from operational_api.core import audit
from operational_api.core.models import AuditEntry
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from operational_api.training.models import Client
from tests.factories import account_of, make_account, make_client, make_coach
from tests.operational_api.conftest import SignIn

NOON = datetime.now(UTC).replace(microsecond=0)
URL = "/api/compliance/audit"


@pytest.fixture
def mia(session: Session) -> Client:
    return make_client(session, coach=make_coach(session))


@pytest.fixture
def coach(session: Session, mia: Client) -> Account:
    return session.get_one(Account, mia.coach_id)


@pytest.fixture
def admin(session: Session, sign_in: SignIn) -> TestClient:
    return sign_in(make_account(session, role="admin"))


def see(
    session: Session, reader: Account, subject: Client, *, at: datetime, action: str = "training.read_injuries"
) -> None:
    audit.record_read(session, Principal(reader.role, "tests", reader.id), action, "Client", [subject.id], now=at)


class TestListAudit:
    def test_narrows_by_person_action_outcome_and_period(
        self, session: Session, mia: Client, coach: Account, admin: TestClient
    ) -> None:
        see(session, coach, mia, at=NOON - timedelta(days=2))
        see(session, coach, mia, at=NOON - timedelta(days=1), action="training.read_progress")
        audit.record(session, "commerce.create_refund", "Payment", "p", outcome="failed", now=NOON)

        def actions(**asked: object) -> list[str]:
            rows = admin.get(URL, params=asked).json()["items"]
            return [row["action"] for row in rows if row["action"] != "compliance.read_audit"]

        assert actions() == ["commerce.create_refund", "training.read_progress", "training.read_injuries"]
        assert actions(subject=mia.id) == actions(actor=coach.id) == actions(person=coach.id) == actions()[1:]
        assert actions(action="training.") == actions()[1:]
        assert actions(action="training.read_progress") == actions()[1:2]
        assert actions(action="training_") == []
        assert actions(outcome="failed") == actions()[:1]
        since = (NOON - timedelta(hours=30)).isoformat()
        assert actions(**{"from": since, "to": (NOON - timedelta(hours=1)).isoformat()}) == actions()[1:2]

    def test_names_people_and_pages(self, session: Session, mia: Client, coach: Account, admin: TestClient) -> None:
        for day in range(5):
            see(session, coach, mia, at=NOON - timedelta(days=day))
        seen, cursor = [], None
        for _ in range(3):  # what is read meanwhile is written down before the first page, and moves nothing
            asked = {"limit": 2, "subject": str(mia.id)} | ({"cursor": cursor} if cursor else {})
            page = admin.get(URL, params=asked).json()
            seen, cursor = seen + page["items"], page["next_cursor"]
        assert (len(seen), cursor) == (5, None)
        assert {row["actor_name"] for row in seen} == {coach.display_name}
        assert {row["subject_name"] for row in seen} == {account_of(session, mia).display_name}
        assert len({row["sequence"] for row in seen}) == len(seen)

    def test_finds_and_tells_whom_a_list_was_about(
        self, session: Session, mia: Client, coach: Account, admin: TestClient
    ) -> None:
        others = [new_id() for _ in range(150)]
        audit.record_read(
            session, Principal("coach", "tests", coach.id), "training.read_progress", "Client", [mia.id, *others],
            now=NOON,
        )  # fmt: skip
        for asked in ({"subject": mia.id}, {"person": mia.id}, {"object_type": "Client", "object_id": str(mia.id)}):
            [entry] = admin.get(URL, params=asked | {"action": "training."}).json()["items"]
            assert (entry["subject_id"], entry["subject_count"]) == (None, 151)
            assert entry["subject_ids"] == sorted(map(str, [mia.id, *others]))[:100]
        assert admin.get(URL, params={"subject": new_id()}).json()["items"] == []

    def test_asking_is_written_down(self, session: Session, mia: Client, admin: TestClient) -> None:
        admin.get(URL, params={"person": mia.id})
        [entry] = session.scalars(select(AuditEntry)).all()
        assert (entry.action, entry.subject_id, entry.details) == (
            "compliance.read_audit", mia.id, {"person": str(mia.id)},
        )  # fmt: skip

    @pytest.mark.parametrize("role", ["customer", "coach"])
    def test_is_for_admins(self, session: Session, sign_in: SignIn, role: str) -> None:
        assert sign_in(make_account(session, role=role)).get(URL).status_code == 403


class TestReadings:
    def test_say_who_looked_by_day_and_not_oneself(
        self, session: Session, mia: Client, coach: Account, sign_in: SignIn
    ) -> None:
        noon = NOON.replace(hour=12)
        for minute in range(3):
            see(session, coach, mia, at=noon - timedelta(days=1, minutes=minute))
        see(session, coach, mia, at=noon - timedelta(days=2))
        see(session, account_of(session, mia), mia, at=noon - timedelta(days=1))
        see(session, coach, mia, at=noon - timedelta(days=400))
        rows = sign_in(account_of(session, mia)).get("/api/compliance/readings").json()["items"]
        assert [(row["reader_name"], row["reader_role"], row["times"]) for row in rows] == [
            (coach.display_name, "coach", 3), (coach.display_name, "coach", 1),
        ]  # fmt: skip

    def test_count_lists_that_one_was_in(self, session: Session, mia: Client, coach: Account, sign_in: SignIn) -> None:
        reader = Principal("coach", "tests", coach.id)
        for people in ([mia.id, new_id()], [mia.id, new_id(), new_id()], [new_id(), new_id()]):
            audit.record_read(session, reader, "analytics.read_client", "Client", people, now=NOON)
        [row] = sign_in(account_of(session, mia)).get("/api/compliance/readings").json()["items"]
        assert (row["reader_name"], row["action"], row["times"]) == (coach.display_name, "analytics.read_client", 2)

    def test_are_on_the_privacy_page(self, app, session: Session, mia: Client, coach: Account, api: TestClient) -> None:
        see(session, coach, mia, at=NOON)
        app.state.authenticators = [lambda _: Principal("customer", "app", mia.id, display_name="Mia")]
        page = api.get("/privacy", headers={"Accept": "text/html"}).text
        assert coach.display_name in page
        assert "saw your injuries" in page


def test_a_mark_moves_with_every_consent(session: Session, mia: Client) -> None:
    def mark() -> int:
        return int(session.scalar(text("select platform.consents_mark()")) or 0)

    marks = [mark()]
    for is_given in (True, False, True):
        consents.decide(
            session, customer_id=mia.id, decisions={("sleep", "coaching"): is_given}, decided_by=mia.id, now=NOON
        )
        session.flush()
        marks.append(mark())
    assert marks == sorted(set(marks))


def test_consents_are_in_the_log(session: Session, mia: Client) -> None:
    for is_given in (True, False):
        consents.decide(
            session, customer_id=mia.id, decisions={("sleep", "coaching"): is_given}, decided_by=mia.id, now=NOON
        )
    rows = session.scalars(select(AuditEntry).order_by(AuditEntry.sequence)).all()
    assert [(row.action, row.subject_id) for row in rows] == [
        ("compliance.give_consent", mia.id), ("compliance.withdraw_consent", mia.id),
    ]  # fmt: skip
    assert rows[0].details["data_kind"] == "sleep"

"""The inbox in the app and do not disturb: what lands whatever became of it, whose it is, and what waits."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from operational_api.core.database import session_factory
from operational_api.core.principal import Principal
from operational_api.core.viewer import SYSTEM
from operational_api.engagement.channels.dispatch import Dispatcher
from operational_api.engagement.errors import DisturbEnd, DisturbsNot, InboxMessageNotFound
from operational_api.engagement.models import ContactPreference, InboxMessage, OutgoingMessage
from operational_api.engagement.service import addresses, do_not_disturb, inbox, preferences
from operational_api.engagement.service.contacts import Contact, contact
from operational_api.engagement.service.emails import TEMPLATES, call_off, queue_email, queue_for_many, queue_message
from operational_api.engagement.settings import ChannelSettings
from tests.factories import make_account
from tests.operational_api.engagement.conftest import Post
from tests.operational_api.engagement.waiting import NOW, allow, only

NEWS = {"subject": "Summer", "body": "We are <b>open</b>.\nCome by!"}


@pytest.fixture
def mia(session: Session) -> Contact:
    found = contact(session, make_account(session, display_name="Mia Maier").id)
    assert found
    return found


def news(session: Session, mia: Contact, key: str = "news", **given: object) -> None:
    values = {"purpose": "marketing", "template": "announcement", "context": NEWS, "now": NOW} | given
    queue_message(session, dedupe_key=key, person=mia, **values)  # type: ignore[arg-type]


def titles(session: Session, mia: Contact, *, is_archived: bool = False) -> list[str]:
    return [one.title for one in inbox.messages(session, mia.account_id, limit=50, is_archived=is_archived)[0]]


def dispatcher(session: Session, settings: ChannelSettings) -> Dispatcher:
    sessions = session_factory(
        session.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint"
    )  # fmt: skip
    return Dispatcher(sessions, settings)


class TestLanding:
    def test_a_proof_is_there_at_once_and_asking_twice_shows_it_once(self, session: Session, mia: Contact) -> None:
        for _ in range(2):
            queue_email(
                session, dedupe_key="paid", recipient=mia.email, template="payment_receipt",
                context={"name": "Mia", "amount_minor": 4900, "currency": "EUR"}, now=NOW,
            )  # fmt: skip
        [shown], _ = inbox.messages(session, mia.account_id, limit=50)
        assert "49" in shown.title + shown.body
        assert re.findall(r'href="([^"]+)"', shown.body) == ["/membership"]
        assert inbox.unread(session, mia.account_id) == 1

    def test_shows_what_was_said_and_lets_nobody_write_html(self, session: Session, mia: Contact) -> None:
        allow(session, mia, "marketing", "app")
        news(session, mia)
        inbox.land_due(session, NOW)
        [shown], _ = inbox.messages(session, mia.account_id, limit=50)
        assert (shown.title, shown.summary) == ("Summer", "Summer: We are <b>open</b>. Come by!")
        assert "We are &lt;b&gt;open&lt;/b&gt;.\nCome by!" in shown.body

    def test_what_leads_into_an_account_is_not_there(self, session: Session, mia: Contact) -> None:
        told = {"name": "Mia", "path": "/x?token=t", "code": "123456", "sender": "Ana", "body": "Hi"}
        for template in inbox.NOT_FOR_THE_APP:
            queue_email(
                session, dedupe_key=template, recipient=mia.email, template=template, context=told, now=NOW
            )  # fmt: skip
        assert session.scalars(select(InboxMessage)).all() == []
        assert TEMPLATES.keys() >= inbox.NOT_FOR_THE_APP
        assert {one for one, needs in TEMPLATES.items() if "code" in needs} <= inbox.NOT_FOR_THE_APP

    def test_is_read_where_the_channel_refuses_and_counts_towards_no_cap(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        allow(session, mia, "marketing", "app", "email")
        addresses.suppress(session, channel="email", address=mia.email, reason="bounce", now=NOW)
        news(session, mia, "first")
        inbox.land_due(session, NOW)
        dispatcher(session, channel_settings).send_due("email")
        assert (only(session).status, only(session).reason) == ("withheld", "suppressed:bounce")
        assert titles(session, mia) == ["Summer"]
        addresses.unsuppress(session, channel="email", address=mia.email, reason="bounce")
        news(session, mia, "second")  # one a day by a channel: the first was in the app alone
        news(session, mia, "third")
        inbox.land_due(session, NOW)
        dispatcher(session, channel_settings).send_due("email")
        ends = dict(session.execute(select(OutgoingMessage.dedupe_key, OutgoingMessage.status)).tuples().all())
        assert (ends["first"], sorted((ends["second"], ends["third"]))) == ("withheld", ["sent", "withheld"])
        assert len(titles(session, mia)) == 3

    def test_obeys_what_its_person_wants_when_it_is_due(self, session: Session, mia: Contact) -> None:
        news(session, mia, "unwanted")
        news(session, mia, "later", send_at=NOW + timedelta(hours=2))
        news(session, mia, "called off", send_at=NOW + timedelta(hours=2))
        news(session, mia, "stale", expires_at=NOW - timedelta(seconds=1))
        inbox.land_due(session, NOW)
        assert titles(session, mia) == []
        call_off(session, "called off", reason="cancelled")
        allow(session, mia, "marketing", "app")
        inbox.land_due(session, NOW + timedelta(hours=1))
        assert titles(session, mia) == []
        inbox.land_due(session, NOW + timedelta(hours=3))
        assert session.scalars(select(InboxMessage.dedupe_key)).all() == ["later"]

    def test_a_proof_cannot_be_switched_off(self, session: Session, mia: Contact) -> None:
        choice = {("app", "transactional"): False, ("app", "coaching"): False}
        preferences.choose(session, customer_id=mia.account_id, choices=choice, now=NOW)  # type: ignore[arg-type]
        assert preferences.willing_to_read(session, [mia.account_id]) == {
            (mia.account_id, "transactional"), (mia.account_id, "reminders"),
        }  # fmt: skip

    def test_takes_as_many_statements_for_many_as_for_one(self, session: Session) -> None:
        people = [contact(session, make_account(session).id) for _ in range(6)]
        counts, said = [], []
        event.listen(session.connection(), "before_cursor_execute", lambda *given: said.append(given[2]))
        for key, some in (("one", people[:1]), ("many", people)):
            queue_for_many(
                session, [one for one in some if one], dedupe_key=key, template="announcement", context=NEWS,
                purpose="marketing", channels=["email"], now=NOW,
            )  # fmt: skip
            said.clear()
            inbox.land_due(session, NOW)
            counts.append(len(said))
        assert counts[0] == counts[1]


class TestKeeping:
    def four(self, session: Session, mia: Contact) -> None:
        allow(session, mia, "marketing", "app")
        for number in range(4):
            news(session, mia, f"news {number}", context=NEWS | {"subject": f"No. {number}"})
            inbox.land_due(session, NOW + timedelta(minutes=number))

    def test_pages_are_newest_first_and_whole(self, session: Session, mia: Contact) -> None:
        self.four(session, mia)
        first, cursor = inbox.messages(session, mia.account_id, limit=3)
        rest, end = inbox.messages(session, mia.account_id, limit=3, cursor=cursor)
        assert [one.title for one in [*first, *rest]] == ["No. 3", "No. 2", "No. 1", "No. 0"]
        assert end is None

    def test_all_that_was_shown_is_read_and_what_came_since_is_not(self, session: Session, mia: Contact) -> None:
        self.four(session, mia)
        shown, _ = inbox.messages(session, mia.account_id, limit=50)
        assert inbox.read_all(session, mia.account_id, up_to=shown[1].id, now=NOW) == 3
        assert inbox.unread(session, mia.account_id) == 1
        assert inbox.read_all(session, mia.account_id, now=NOW) == 1

    def test_what_is_put_away_comes_back(self, session: Session, mia: Contact) -> None:
        self.four(session, mia)
        one = inbox.messages(session, mia.account_id, limit=1)[0][0]
        inbox.keep(session, mia.account_id, one.id, is_archived=True, now=NOW)
        assert (titles(session, mia, is_archived=True), inbox.unread(session, mia.account_id)) == (["No. 3"], 3)
        inbox.keep(session, mia.account_id, one.id, is_archived=False, is_read=True, now=NOW)
        assert len(titles(session, mia)) == 4
        assert inbox.keep(session, mia.account_id, one.id, is_read=False, now=NOW).read_at is None

    def test_is_its_persons_alone_and_goes_after_half_a_year(self, session: Session, mia: Contact) -> None:
        self.four(session, mia)
        one = inbox.messages(session, mia.account_id, limit=1)[0][0]
        with pytest.raises(InboxMessageNotFound):
            inbox.keep(session, make_account(session).id, one.id, is_read=True, now=NOW)
        inbox.forget_old(session, NOW + inbox.KEPT_FOR + timedelta(minutes=1, seconds=1))
        assert titles(session, mia) == ["No. 3", "No. 2"]

    def test_words_of_an_older_version_hide_no_others(self, session: Session, mia: Contact) -> None:
        self.four(session, mia)
        session.add(
            InboxMessage(
                dedupe_key="old", person_id=mia.account_id, template="payment_receipt", purpose="transactional",
                context={}, language="en", due_at=NOW, landed_at=NOW + timedelta(hours=1),
            )
        )  # fmt: skip
        session.flush()
        assert titles(session, mia)[:2] == ["Payment receipt", "No. 3"]


class TestDoNotDisturb:
    def test_everything_but_a_proof_waits_and_is_in_the_inbox(
        self, session: Session, mia: Contact, post: Post, channel_settings: ChannelSettings
    ) -> None:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
        do_not_disturb.set_until(session, mia.account_id, until=until, now=NOW)
        allow(session, mia, "marketing", "app", "email")
        news(session, mia, "waits")
        news(session, mia, "too late", expires_at=until)
        news(session, mia, "proof", purpose="transactional")
        inbox.land_due(session, NOW)
        sends = dispatcher(session, channel_settings)
        sends.send_due("email")
        rows = {one.dedupe_key: one for one in session.scalars(select(OutgoingMessage))}
        session.expire_all()
        assert (rows["waits"].status, rows["waits"].next_attempt_at) == ("queued", until)
        assert (rows["too late"].reason, rows["proof"].status, len(post.mails)) == ("too_late", "sent", 1)
        assert len(titles(session, mia)) == 3
        do_not_disturb.set_until(session, mia.account_id, until=None, now=NOW)
        session.expire_all()
        sends.send_due("email")
        session.expire_all()
        assert (rows["waits"].status, len(post.mails)) == ("sent", 2)

    def test_no_check_in_is_sent_until_it_ends_by_itself(self, session: Session, mia: Contact) -> None:
        session.add(ContactPreference(customer_id=mia.account_id, quiet_from=time(2), quiet_until=time(3)))
        until = do_not_disturb.morning_after(session, mia.account_id, days=1, now=NOW)
        do_not_disturb.set_until(session, mia.account_id, until=until, now=NOW)
        refusal = preferences.nudge_refusal(session, customer_id=mia.account_id, now=until - timedelta(seconds=1))
        assert isinstance(refusal, DisturbsNot)
        assert "08:00" in refusal.detail
        assert preferences.nudge_refusal(session, customer_id=mia.account_id, now=until) is None

    @pytest.mark.parametrize(
        ("now", "days", "ends"),
        [
            (datetime(2026, 3, 28, 12, tzinfo=UTC), 1, datetime(2026, 3, 29, 6, tzinfo=UTC)),  # clocks go forward
            (datetime(2026, 10, 24, 12, tzinfo=UTC), 1, datetime(2026, 10, 25, 7, tzinfo=UTC)),  # and back
            (datetime(2026, 6, 1, 22, 30, tzinfo=UTC), 3, datetime(2026, 6, 5, 6, tzinfo=UTC)),  # tomorrow already
        ],
    )
    def test_ends_at_eight_of_its_persons_clock(
        self, session: Session, mia: Contact, now: datetime, days: int, ends: datetime
    ) -> None:
        found = do_not_disturb.morning_after(session, mia.account_id, days=days, now=now)
        assert (found, found.tzinfo) == (ends, ZoneInfo("Europe/Berlin"))

    @pytest.mark.parametrize("until", [NOW, NOW + timedelta(days=32)])
    def test_an_end_behind_or_far_ahead_is_refused(self, session: Session, mia: Contact, until: datetime) -> None:
        with pytest.raises(DisturbEnd):
            do_not_disturb.set_until(session, mia.account_id, until=until, now=NOW)


class TestPages:
    @pytest.fixture(params=["customer", "coach"])
    def browser(self, request: pytest.FixtureRequest, app: FastAPI, api: TestClient, mia: Contact) -> TestClient:
        """Mia's browser, whatever she is, in which forms need their CSRF token."""
        principal = Principal(request.param, "app", mia.account_id, display_name="Mia Maier")
        app.state.authenticators = [lambda _: principal]
        api.headers.update({"Accept": "text/html"})
        return api

    def post(self, browser: TestClient, path: str, **form: str) -> str:
        token = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/inbox").text)
        assert token
        assert browser.post(path, data=form | {"csrf_token": token[1]}, follow_redirects=False).status_code == 303
        page: str = browser.get("/inbox").text
        return page

    def test_a_message_is_counted_read_put_away_and_brought_back(
        self, session: Session, browser: TestClient, mia: Contact
    ) -> None:
        news(session, mia, purpose="transactional")
        page = browser.get("/inbox")
        assert page.headers["X-Plyo-Offline"] == "keep"
        assert 'data-count="/inbox"><span data-number>1</span>' in page.text
        message = session.scalars(select(InboxMessage.id)).one()
        page_text = self.post(browser, f"/inbox/{message}", what="read")
        assert 'data-count="/inbox" hidden' in page_text
        told = self.post(browser, f"/inbox/{message}", what="archive")
        assert ">Undo<" in told.replace("</svg>", "")
        assert "Summer" not in browser.get("/inbox/latest").text
        assert "Summer" in browser.get("/inbox?archived=true").text
        self.post(browser, f"/inbox/{message}", what="restore")
        assert "Summer" in browser.get("/inbox/latest").text

    def test_do_not_disturb_is_said_and_ended(self, browser: TestClient) -> None:
        assert "End it now" in self.post(browser, "/inbox/do-not-disturb", days="1")
        assert "End it now" not in self.post(browser, "/inbox/do-not-disturb", days="0")

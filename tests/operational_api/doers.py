"""Who does the `deeds`, and what they do them with: people, bookings, invoices and so on, made beside a world."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.service import (
    collection,
    coupons,
    decisions,
    earnings,
    memberships,
    payout_batches,
    payouts,
    pricing,
)
from operational_api.commerce.models import Customer, Payment, Refund, WalletCredit
from operational_api.commerce.service import approvals, findings
from operational_api.core.principal import Principal
from operational_api.engagement import links
from operational_api.engagement.models import OutgoingMessage, PushSubscription
from operational_api.engagement.service import addresses, announcements, leads
from operational_api.engagement.settings import ChannelSettings
from operational_api.identity.models import Account
from operational_api.scheduling.models import Coach, Location, PublicHoliday, TimeOff
from operational_api.scheduling.recurrence import at_wall_time
from operational_api.scheduling.service import desk_bookings, recurring
from tests.factories import (
    make_booking,
    make_client,
    make_coach,
    make_exercise,
    make_pack,
    make_plan,
    make_slot,
    make_statement,
)
from tests.fakes.stripe.testing import LocalStripe
from tests.operational_api.commerce.billing.conftest import Bank
from tests.operational_api.commerce.conftest import Shop, adapter
from tests.operational_api.conftest import access_token
from tests.operational_api.deeds import DEEDS
from tests.operational_api.world import Answer, Asking, World


class Doers:
    """Who does the deeds, and what they do them with: made beside a world, and in nobody's way there."""

    def __init__(self, app: FastAPI, session: Session, world: World, stripe: LocalStripe) -> None:
        """Make them.

        Args:
            stripe: Where the app is paid.
        """
        self._world, self._session, self._now = world, session, datetime.now(UTC)
        self.coach = session.get_one(Coach, world.ids["coach"][0])
        self._ids: dict[str, UUID] = {}
        self.tokens: dict[str, str] = {}
        for name in (
            "trainee",
            "regular",
            "member",
            "paused",
            "leaving",
            "buyer",
            "newcomer",
            "dear",
            "stopped",
            "gone",
        ):
            account = session.get_one(Account, make_client(session, coach=self.coach, joined_at=self._now).id)
            self._ids[name], self.tokens[name] = account.id, access_token(app, account)
        self.words = {name: str(id_) for name, id_ in self._ids.items()}
        self.words |= {"COACH": str(self.coach.id), "LOCATION": str(self.coach.location_id)}
        self.words |= {"SLUG": make_exercise(session).slug, "INVOICE": str(world.ids["invoice"][0])}
        self.words |= {"HABIT": str(world.ids["habit"][0]), "TOLD": str(world.ids["told"][0])}
        self.words |= {"NEXT_MONTHS_DAWN": (self._now + timedelta(days=30)).isoformat()}
        self.words["NEXT_MONTHS_DAY"] = (self._now + timedelta(days=30)).date().isoformat()
        app.state.payment_provider = adapter(stripe)
        self._memberships(stripe)
        self._payments(stripe)
        self._exceptions(stripe)
        self._pay()
        self._hours()
        self._rest(app)
        session.flush()

    def filled(self, said: Any) -> Any:
        """What is sent, with the words' things in it."""
        if isinstance(said, Mapping):
            return {key: self.filled(value) for key, value in said.items()}
        if isinstance(said, list):
            return [self.filled(value) for value in said]
        return self.words.get(said, self._world.filled(said)) if isinstance(said, str) else said

    def _memberships(self, stripe: LocalStripe) -> None:
        small, large = (make_plan(self._session, price=price, name=str(price)) for price in (4900, 9900))
        self.words |= {"PLAN": small.code, "DEARER": large.code}
        coming = pricing.set_price(
            self._session, plan_code=large.code, currency="EUR", amount_minor=10_900, tax_rate_bp=1900,
            valid_from=self._now + timedelta(days=30), for_members=True, actor_id=None, now=self._now,
        )  # fmt: skip
        retired = make_plan(self._session, name="Old", is_active=False)
        codes = [
            coupons.create(
                self._session, code=code, worth=coupons.Worth(percent_bp=1000), duration="once", actor_id=None,
                now=self._now,
            )
            for code in ("KEPT10", "OLD10")
        ]  # fmt: skip
        coupons.set_taken(self._session, coupon_id=codes[1].id, is_taken=False, actor_id=None, now=self._now)
        self.words |= {"COMING_PRICE": str(coming.id), "RETIRED": retired.code}
        self.words |= {"COUPON": str(codes[0].id), "RETIRED_COUPON": str(codes[1].id)}
        then = self._now - timedelta(days=1)
        for name in ("member", "paused", "leaving"):
            id_ = self._ids[name]
            self._session.add(Customer(id=id_, currency="EUR", stripe_customer_id=f"cus_{id_.hex}"))
            self._session.flush()
            memberships.start_membership(self._session, customer_id=id_, plan_code=small.code, now=then)
        collection.collect_due(self._session, Bank(), self._now)
        month = (self._now + timedelta(days=30)).date()
        memberships.pause(self._session, customer_id=self._ids["paused"], resumes_on=month, now=self._now)
        memberships.cancel(
            self._session, adapter(stripe), customer_id=self._ids["leaving"], reason="Moving away", now=self._now
        )

    def _payments(self, stripe: LocalStripe) -> None:
        """Two that were made on Stripe's page, of which one is asked back, and a page that is paid since."""
        shop = Shop(self._session, stripe, adapter(stripe), self._ids["buyer"])
        for _ in range(2):
            shop.buy(shop.plan(kind="pack"))
        kept, asked_back = shop.all(Payment)
        page = shop.open(shop.plan(kind="pack"))
        stripe.pay(str(page.url))
        support = Principal("support", "tests", self._world.people["support"].id)
        request = approvals.request_refund(
            self._session, payment_id=asked_back.id, amount_minor=100, reason="Ill", principal=support, now=self._now
        )
        difference = findings.Difference("stripe", "wrong_amount", "pi_1", "EUR", ours_minor=100, theirs_minor=90)
        [found] = findings.record(self._session, [difference], now=self._now)
        self.words |= {"PAYMENT": str(kept.id), "PAID_INVOICE": str(kept.invoice_id)}
        self.words |= {"PAID_PAGE": str(page.provider_session_id)}
        self.words |= {"REFUND_REQUEST": str(request.id), "FINDING": str(found)}

    def _exceptions(self, stripe: LocalStripe) -> None:
        """Fees of some cents whose payer pays no more, one of them waived; a top-up of a closed account that the bank
        did not take back; an invoice that is parked, and a customer who is."""
        absurd = make_plan(self._session, price=900_000, name="Absurd")
        for name in ("dear", "stopped"):
            self._session.add(Customer(id=self._ids[name], currency="EUR"))
        self._session.flush()
        self._session.get_one(Customer, self._ids["stopped"]).parked_at = self._now
        self._session.get_one(Customer, self._ids["stopped"]).parked_reason = "books"
        memberships.start_membership(self._session, customer_id=self._ids["dear"], plan_code=absurd.code, now=self._now)
        [parked] = decisions.parked_invoices(self._session)
        small, waived = (
            BillingItem(
                origin_id=new_id(), customer_id=self._ids["buyer"], payer_id=self._ids["member"], kind="fee",
                description="Late cancellation", amount_minor=40, tax_minor=0, tax_rate_bp=0, currency="EUR",
                made_at=self._now - timedelta(days=3), settled_as=settled_as,
                **({"settled_at": self._now, "settled_reason": "Cents"} if settled_as else {}),
            )
            for settled_as in (None, "waived")
        )  # fmt: skip
        self._session.add_all([small, waived])
        self._session.flush()
        shop = Shop(self._session, stripe, adapter(stripe), self._ids["gone"])
        shop.buy(shop.plan(kind="top_up", interval_months=None, sessions_included=None, tax_rate_bp=0))
        kept = self._session.scalars(select(WalletCredit).where(WalletCredit.customer_id == self._ids["gone"])).one()
        payment = self._session.scalars(select(Payment).where(Payment.invoice_id == kept.invoice_id)).one()
        self._session.get_one(Account, self._ids["gone"]).disabled_at = self._now
        self._session.add(Refund(
            payment_id=payment.id, customer_id=payment.customer_id, amount_minor=payment.amount_minor,
            currency=payment.currency, reason="", status="failed", refunded_at=self._now,
        ))  # fmt: skip
        self._session.flush()
        self.words |= {"SMALL": str(small.id), "WAIVED": str(waived.id), "REFUSED": str(kept.id)}
        self.words |= {"PARKED": str(parked.parked_id)}

    def _pay(self) -> None:
        """A coach's statement of 25.00, of which 10.00 are paid, and two of before, one noted with all others."""
        finance = Principal("finance", "tests", self._world.people["finance"].id)
        paid = payouts.record(
            self._session, finance, statement_id=self._world.ids["statement"][0], amount_minor=1000, left_minor=2500,
            paid_on=date(2026, 1, 4), reference=None, now=self._now,
        )  # fmt: skip
        coach_id, customer_id = (self._world.ids[kind][0] for kind in ("coach", "customer"))
        for year in (2023, 2024):
            make_statement(self._session, coach_id=coach_id, customer_id=customer_id, first_on=date(year, 1, 1))
        years_ago = payout_batches.unpaid_until(self._session, finance, last_on=date(2023, 1, 1))
        batch_id = payout_batches.record(
            self._session, finance, last_on=date(2023, 1, 1), seen=years_ago.seen, reference="", now=self._now
        )
        left = payout_batches.unpaid_until(self._session, finance, last_on=date(2024, 1, 1))
        self.words |= {"STATEMENT": str(paid.statement_id), "PAYOUT": str(paid.id)}
        self.words |= {"BATCH": str(batch_id), "UNPAID": left.seen}

    def _hours(self) -> None:
        """Sessions of the coach, each on a day of its own, and what is booked of them."""
        session, now, trainee = self._session, self._now, self._ids["trainee"]
        for name in ("trainee", "regular"):
            make_pack(session, customer_id=self._ids[name])
        here, today = ZoneInfo("Europe/Berlin"), now.date()
        hours = {
            name: make_slot(
                session, coach=self.coach, capacity=8 if name == "GROUP" else 1,
                starts_at=at_wall_time(today + timedelta(days=10 + turn), time(9 + turn), here),
            )
            for turn, name in enumerate(("FREE", "FULL", "GROUP", "HELD", "ASKED", "LATE", "BY_DESK", "WEEKLY"))
        }  # fmt: skip
        for name in ("FREE", "WEEKLY"):
            first = hours[name].starts_at.astimezone(here)
            for weeks in (1, 2):
                again = at_wall_time(first.date() + timedelta(weeks=weeks), first.time(), here)
                make_slot(session, coach=self.coach, starts_at=again)
        stand_in = make_coach(  # who leaves one day: closed days are told to who stays
            session, location=session.get_one(Location, self.coach.location_id), left_on=date(2099, 1, 1)
        )
        make_slot(session, coach=stand_in, starts_at=hours["BY_DESK"].starts_at)
        self.words["HELPER"] = str(stand_in.id)
        self.words["FREE_AT"] = hours["FREE"].starts_at.isoformat()
        begun = make_slot(session, coach=self.coach, starts_at=now - timedelta(minutes=20))
        make_booking(session, slot=hours["FULL"], customer_id=self._ids["newcomer"])
        later = now + timedelta(minutes=10)
        fee = {"late_fee_minor": 1000, "late_fee_currency": "EUR", "late_fee_due_at": now, "cancelled_at": now}
        made = {
            "HELD": make_booking(session, slot=hours["HELD"], customer_id=trainee, status="held", held_until=later),
            "ASKED": make_booking(
                session, slot=hours["ASKED"], customer_id=trainee, status="requested", held_until=later
            ),
            "BEGUN": make_booking(session, slot=begun, customer_id=trainee),
            "LATE": make_booking(session, slot=hours["LATE"], customer_id=trainee, status="late_cancelled", **fee),
        }
        order = desk_bookings.Order(trainee, hours["BY_DESK"].id)
        made["BY_DESK"] = desk_bookings.book(session, order, booked_by=self._world.people["front_desk"].id, now=now)
        weekly = recurring.book_series(session, customer_id=self._ids["regular"], slot_id=hours["WEEKLY"].id, now=now)
        made["WEEKLY"] = weekly.bookings[0]
        away = TimeOff(coach_id=self.coach.id, starts_on=date(2027, 7, 1), ends_on=date(2027, 7, 2), kind="holiday")
        closed = PublicHoliday(location_id=self.coach.location_id, holiday_on=date(2027, 12, 25), name="Christmas")
        session.add_all([away, closed])
        session.flush()
        self.words |= {name: str(one.id) for name, one in (hours | made).items()} | {"DAY_OFF": str(away.id)}

    def _rest(self, app: FastAPI) -> None:
        session, now, trainee = self._session, self._now, self._ids["trainee"]
        device = PushSubscription(customer_id=trainee, kind="fcm", endpoint="a-phone-of-theirs", created_at=now)
        doubted = OutgoingMessage(
            dedupe_key=new_id().hex, recipient="a@plyo.test", template="session_reminder", context={"name": "Mia"},
            next_attempt_at=now, status="undecided", in_doubt_since=now - timedelta(minutes=5), purpose="reminders",
            customer_id=trainee, attempts=1,
        )  # fmt: skip
        session.add_all([device, doubted])
        earnings.deliver(
            session, booking_id=new_id(), coach_id=self.coach.id, customer_id=trainee, session_pack_id=None,
            has_attended=True, delivered_at=datetime(2026, 2, 10, 9, tzinfo=UTC), now=now,
        )  # fmt: skip
        addresses.suppress(
            session, channel="email", address=session.get_one(Account, trainee).email, reason="bounce", now=now
        )
        news = announcements.announce(
            session, author_id=self._world.people["admin"].id, segment="everybody", subject="We open at six",
            body="From Monday on.", now=now,
        )  # fmt: skip
        asked = [
            leads.capture_lead(
                session, name=name, email=f"{name}@plyo.test".lower(), source="website", location_id=None, now=now
            )
            for name in ("Lea", "Lou")
        ]
        leads.lose_lead(session, asked[1].id, lost_by=self._world.people["admin"].id, now=now)
        self.words |= {"LEAD": str(asked[0].id), "LOST_LEAD": str(asked[1].id)}
        about = links.Subscription(trainee, "email", "coaching")
        path = links.unsubscribe_path(ChannelSettings(session_secret=app.state.settings.session_secret).link_key, about)
        self.words |= {"IN_DOUBT": str(doubted.id), "DEVICE": device.endpoint, "UNSUBSCRIBE": path.rpartition("/")[2]}
        self.words["ANNOUNCED"] = str(news.id)

    async def do(self, asking: Asking, key: str) -> Answer:
        """Do it, and take it back."""
        deed = DEEDS[key]
        method, path = key.split()
        for name, said in deed.path.items():
            path = path.replace(f"{{{name}}}", self.filled(said))
        headers = {"accept": "application/json", "Idempotency-Key": str(new_id())}
        if deed.who != "guest":
            headers["Authorization"] = f"Bearer {self.tokens.get(deed.who) or self._world.tokens[deed.who]}"
        sent = {"json": deed.body} if deed.form is None else {"data": deed.form}
        return await asking.send(method, path, params=self.filled(deed.query), headers=headers, **self.filled(sent))

"""Recurring revenue and members of random lives: every month, currency and plan balances, and says what the words of
`docs/metrics.md` say, worked out here apart from the models.
"""

from collections import defaultdict
from datetime import date, time, timedelta
from itertools import pairwise, product
from math import floor, nan
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from contracts import warehouse
from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from contracts.warehouse import WarehouseSettings
from plyo.postgres import PostgresServer
from tests.dbt_project import bills
from tests.dbt_project import lake as lakes
from tests.dbt_project.lives import (
    NOW,
    PLANS,
    SPENT,
    ZONES,
    Lived,
    Step,
    ask,
    by_subscription,
    charge,
    collect,
    land,
    life,
    pays,
    span,
    visit,
)
from tests.dbt_project.words import Words, over_all_time

BUILT = (
    "fct_mrr_months", "fct_mrr_daily", "fct_mrr_movements", "fct_membership_months", "fct_cohort_retention",
    "fct_customer_stages", "fct_stages_daily", "dim_customers", "fct_invoices", "fct_leads",
)  # fmt: skip


@pytest.fixture(scope="module")
def lived(built_lake: WarehouseSettings, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory):
    settings, target = lakes.copied(built_lake, postgres), tmp_path_factory.mktemp("lived")
    rng = np.random.default_rng(11)
    lives = [life(rng, number) for number in range(1, 121)]
    with warehouse.writing(settings) as lake, warehouse.transaction(lake):
        for table in ("subscription_changes", "subscriptions", "payments"):
            lakes.change(lake, f"commerce__{table}", "t", lsn=1001, where="true limit 1")
        for name, plan in PLANS.items():
            lakes.change(lake, "commerce__plans", "i", lsn=1002, where="code = 'monthly' limit 1", id=f"'{plan}'::uuid",
                         code=f"'{name}'")  # fmt: skip
        tries = pays(rng, lives)
        land(lake, [step for steps in lives for step in steps])
        collect(lake, tries)
        ask(lake, rng, lives)
        visit(lake, rng, lives)
        billed = charge(rng, lives)
        bills.land(lake, billed)
        lakes.watermark(lake, 1005)
    with warehouse.writing(settings) as lake:
        for month, currency, minor in SPENT:
            lake.execute("insert into marts.seeds.marketing_spend values (?, ?, 'fairs', ?)", [month, currency, minor])
    selected = ["--select", *(f"+{model}" for model in BUILT), "--exclude-resource-type", "unit_test", "seed"]
    selected += ["--exclude", "captured_payments_are_in_the_ledger"]  # of which these lives have none
    done = lakes.dbt("build", *selected, settings=settings, target=target, now=str(NOW))
    assert done.returncode == 0, done.stdout[-4000:]
    with warehouse.reading(settings) as lake:
        yield Lived(lake, [steps for steps in lives if steps], [one for one in tries if one.is_captured], billed)


def subscriptions(lived: Lived) -> list[list[Step]]:
    """Steps of each membership, trials that came to nothing among them."""
    return by_subscription(lived.lives)


def memberships(lived: Lived) -> list[list[Step]]:
    """Steps of each membership, those that came to be paid for."""
    return [steps for steps in subscriptions(lived) if any(step.kind == "started" for step in steps)]


def months() -> list[tuple[date, date]]:
    """Each month until now: its first day and the day after its last, or after today."""
    firsts = [date(2026, month, 1) for month in range(1, 8)]
    return [(first, min(following, NOW.date() + timedelta(days=1))) for first, following in pairwise(firsts)]


def brings(steps: list[Step], before: date) -> tuple[str, int] | None:
    """Plan and price a month of a membership before a day; none where it has not started or has ended."""
    known = [step for step in steps if step.day < before]
    if not any(step.kind == "started" for step in known) or known[-1].kind == "ended":
        return None
    return known[-1].plan, known[-1].after


def billed(lived: Lived) -> dict[tuple[date, str, UUID], tuple[int, int]]:
    """By month, currency and plan what its memberships are billed on the month's last day, or today, and what of it was
    collected."""
    sums: dict[tuple[date, str, UUID], list[float]] = defaultdict(lambda: [0, 0])
    for first, until in months():
        charged = bills.charged(lived.bills, until - timedelta(days=1))
        for steps in memberships(lived):
            one = steps[0]
            if one.subscription in charged and (found := brings(steps, until)):
                for place, minor in enumerate(charged[one.subscription]):
                    sums[first, one.currency, PLANS[found[0]]][place] += minor
    return {key: (floor(told + 0.5), floor(came + 0.5)) for key, (told, came) in sums.items()}


class TestRecurringRevenue:
    def test_each_month_currency_and_plan_knows_what_was_billed_and_what_of_it_was_collected(self, lived):
        told = lived.rows(
            "select month, currency, plan_id, billed_minor, collected_minor from marts.finance.fct_mrr_months"
        )
        assert {row[:3]: row[3:] for row in told if any(row[3:])} == {
            key: minor for key, minor in billed(lived).items() if any(minor)
        }

    def test_what_is_hard_to_bill_is_among_the_bills(self, lived):
        found = bills.changes(lived.bills)
        assert min(found.values()) > 15, found

    def test_each_month_currency_and_plan_begins_and_ends_with_what_its_memberships_bring(self, lived):
        expected = defaultdict(lambda: [0, 0])
        for steps in memberships(lived):
            for first, until in months():
                for place, day in enumerate((first, until)):
                    if found := brings(steps, day):
                        expected[first, steps[0].currency, PLANS[found[0]]][place] += found[1]
        told = lived.rows("select month, currency, plan_id, start_minor, end_minor from marts.finance.fct_mrr_months")
        assert {row[:3]: list(row[3:]) for row in told if row[3] or row[4]} == {
            key: value for key, value in expected.items() if any(value)
        }

    def test_start_and_movements_make_the_end(self, lived):
        wrong = lived.rows(
            """select * from marts.finance.fct_mrr_months where start_minor + new_minor + expansion_minor
            + contraction_minor + churn_minor + reactivation_minor + transfer_minor <> end_minor"""
        )
        assert wrong == []
        assert lived.rows("select count(*) from marts.finance.fct_mrr_months where transfer_minor <> 0")[0][0] > 20

    def test_movements_are_named_by_what_happened(self, lived):
        expected = defaultdict(int)
        for steps in lived.lives:
            begun, member = 0, False
            for step in steps:
                if step.kind == "started":
                    kind = "reactivation" if begun else "new"
                    begun, member = begun + 1, True
                elif step.kind == "ended":
                    kind, member = ("churn" if member else ""), False
                else:
                    kind = "" if not member or step.after == step.before else (
                        "expansion" if step.after > step.before else "contraction"
                    )  # fmt: skip
                if kind:
                    expected[step.day.replace(day=1), step.currency, kind] += step.after - step.before
        told = defaultdict(int)
        for month, currency, *amounts in lived.rows(
            """select month, currency, new_minor, expansion_minor, contraction_minor, churn_minor, reactivation_minor
            from marts.finance.fct_mrr_months"""
        ):
            for kind, amount in zip(("new", "expansion", "contraction", "churn", "reactivation"), amounts, strict=True):
                told[month, currency, kind] += amount
        assert {key: value for key, value in told.items() if value} == {k: v for k, v in expected.items() if v}

    def test_each_day_tells_what_is_brought_and_by_how_many(self, lived):
        told = {
            (day, currency): (brought, active, paused)
            for day, currency, brought, active, paused in lived.rows(
                """select day, currency, sum(mrr_minor)::bigint, sum(active_members)::int, sum(paused_members)::int
                from marts.finance.fct_mrr_daily group by all"""
            )
        }
        for day in (date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 29), date(2026, 5, 1), NOW.date()):
            for currency in ZONES.values():
                mine = [steps for steps in memberships(lived) if steps[0].currency == currency]
                now = [found for steps in mine if (found := brings(steps, day + timedelta(days=1)))]
                # Who pauses brings nothing, whatever plan they change to meanwhile.
                active = sum(1 for _, earns in now if earns)
                assert told[day, currency] == (sum(earns for _, earns in now), active, len(now) - active), (
                    day,
                    currency,
                )


def said(lived: Lived) -> dict[str, float]:
    """What the metrics' words come to over all time and currencies; stocks of the newest day."""
    today = NOW.date() + timedelta(days=1)
    ours = memberships(lived)
    ended = sum(steps[-1].kind == "ended" for steps in ours)
    now = [found for steps in ours if (found := brings(steps, today))]
    at_start, lost, members_any = 0, 0, 0
    for (first, until), currency in product(months(), ZONES.values()):
        spans = defaultdict(list)
        for steps in ours:
            if steps[0].currency == currency:
                spans[steps[0].customer].append(span(steps))
        start = {who for who, lives in spans.items() if any(a < first <= b for a, b in lives)}
        end = {who for who, lives in spans.items() if any(a < until <= b for a, b in lives)}
        here = {who for who, lives in spans.items() if any(a < until and b >= first for a, b in lives)}
        at_start, lost, members_any = at_start + len(start), lost + len(start - end), members_any + len(here)
    trials = [steps for steps in subscriptions(lived) if steps[0].kind == "trial_started"]
    decided = [steps for steps in trials if {"started", "ended"} & {step.kind for step in steps}]
    in_month = sum(
        one.minor - one.back for one in lived.paid
        if any(
            a < until and b >= first
            for steps in ours if steps[0].customer == one.by.customer
            for a, b in [span(steps)]
            for first, until in months() if first <= one.day < until
        )
    )  # fmt: skip
    charged = [minor for (first, *_), minor in billed(lived).items() if first == months()[-1][0]]
    last_days = [NOW.date() - timedelta(back) for back in range(30)]
    in_last_days = sum(one.minor - one.back for one in lived.paid if one.day in last_days)
    active = [
        sum(1 for steps in ours if (found := brings(steps, day + timedelta(1))) and found[1]) for day in last_days
    ]
    visited = visitors(lived)
    paying = {steps[0].customer for steps in ours if (found := brings(steps, today)) and found[1]}
    assert visited > visited & paying > set()
    assert members_any > at_start > lost > 20
    assert len(decided) > 20
    assert sum(one.minor - one.back for one in lived.paid) > in_month > in_last_days > 0
    return {
        "mrr": sum(earns for _, earns in now),
        "active_members": sum(1 for _, earns in now if earns),
        "paused_members": sum(1 for _, earns in now if not earns),
        "members_started": len(ours),
        "members_ended": ended,
        "net_member_movement": len(ours) - ended,
        "attrition": lost / at_start,
        "member_retention": 1 - lost / at_start,
        "customer_lifetime_shortcut": at_start / lost,
        "cohort_lifetime": _kept(ours),
        "trial_conversion": len([1 for steps in decided if "started" in {step.kind for step in steps}]) / len(decided),
        "arpm": in_month / members_any,
        "arpu": in_last_days / (sum(active) / 30),
        "ltv_by_churn": in_month / members_any / (lost / at_start),
        "active_clients_30d": len(visited),
        "visiting_members": len(visited & paying),
        "billed_mrr": sum(minor for minor, _ in charged),
        "collected_mrr": sum(minor for _, minor in charged),
        "cac": _spent_on_each(lived),
    }  # fmt: skip


def _billed_for_each(lived: Lived, currency: str) -> float:
    """Invoices of a currency's memberships until now, over memberships that had started."""
    words = Words(lived.lake, NOW)
    started = [steps for steps in memberships(lived) if steps[0].currency == currency]
    invoiced = sum(
        one["subtotal_minor"] for one in words.invoices
        if one["subscription_id"] and one["status"] != "void" and one["currency"] == currency
    )  # fmt: skip
    return invoiced / len(started)


def _spent_on_each(lived: Lived) -> float:
    """Spend over customers whose first membership began in a month of which spend was said."""
    first: dict[UUID, tuple[date, str]] = {}
    for steps in memberships(lived):
        one = (span(steps)[0], steps[0].currency)
        first[steps[0].customer] = min(one, first.get(steps[0].customer, one))
    said = {(day.replace(day=1), currency) for day, currency, _ in SPENT}
    new = sum((day.replace(day=1), currency) in said for day, currency in first.values())
    assert len(first) > new > 10
    return sum(minor for *_, minor in SPENT) / new


def visitors(lived: Lived) -> set[UUID]:
    """Who attended a session on one of the last thirty days of its studio."""
    words = Words(lived.lake, NOW)
    zones = dict(lived.rows("select id, time_zone from raw.scheduling__locations where _op <> 't'"))
    studios = {one["id"]: ZoneInfo(zones[UUID(str(one["location_id"]))]) for one in words.slots}
    return {
        UUID(str(one["customer_id"])) for one in words.bookings
        if one["status"] == "attended"
        and 0 <= (NOW.date() - one["starts_at"].astimezone(studios[one["slot_id"]]).date()).days < 30
    }  # fmt: skip


def lifetime(lived: Lived, currency: str, until: date) -> float:
    """Months that a membership lasts by Kaplan and Meier, by what was seen before a day; 0 before the first begins."""
    stays = []
    for steps in memberships(lived):
        began, ended = span(steps)
        if steps[0].currency == currency and began < until:
            left = ended < until
            stays.append((*_months(began, min(ended, until)), left))
    lengths = [begun if left else whole for whole, begun, left in stays]
    if not lengths:
        return 0
    curve = KaplanMeierFitter().fit(lengths, [left for *_, left in stays])
    return float(sum(curve.predict(length) for length in range(max(lengths))))


def _kept(ours: list[list[Step]]) -> float:
    """Months that a customer has stayed since the month of their first, on average over all of them."""
    spans: dict[UUID, list[tuple[date, date]]] = defaultdict(list)
    for steps in ours:
        spans[steps[0].customer].append(span(steps))
    kept = 0
    for lives in spans.values():
        cohort = min(a for a, _ in lives).replace(day=1)
        kept += sum(
            first == cohort or any(a < first <= b for a, b in lives) for first, _ in months() if first >= cohort
        )
    return kept / len(spans)


LIVES_SAY = (
    "mrr", "active_members", "paused_members", "members_started", "members_ended", "net_member_movement", "attrition",
    "member_retention", "customer_lifetime_shortcut", "cohort_lifetime", "trial_conversion", "arpm", "arpu",
    "ltv_by_churn", "active_clients_30d", "visiting_members", "billed_mrr", "collected_mrr", "cac",
)  # fmt: skip
"""Metrics whose words are worked out here. Movements and lifetimes with their worth are, too: in tests of their own."""


class TestWords:
    @pytest.mark.parametrize("name", LIVES_SAY)
    def test_a_metric_of_members_says_what_its_words_say(self, lived, answers, name):
        metric = METRICS[name]
        assert lived.rows(over_all_time(metric)) == [(pytest.approx(answers[name], rel=1e-6),)]

    @pytest.mark.parametrize("kind", ["money", "collecting", "talk", "leaving"])
    def test_metrics_of_invoices_leads_and_ends_say_what_their_words_say(self, lived, kind):
        expected = getattr(Words(lived.lake, NOW), kind)()
        told = {name: lived.rows(over_all_time(METRICS[name]))[0][0] for name in expected}
        assert {name: nan if value is None else float(value) for name, value in told.items()} == pytest.approx(
            expected, rel=1e-6, nan_ok=True
        )

    def test_all_fates_of_an_invoice_and_of_a_lead_are_among_them(self, lived):
        fates = dict(lived.rows("select dunning, count(*) from marts.finance.fct_invoices group by 1"))
        assert min(fates[fate] for fate in (None, "recovered", "running", "lost")) > 5
        leads = dict(lived.rows("select status, count(*) from marts.engagement.fct_leads group by 1"))
        assert min(leads["member"], leads["account"]) > 5

    def test_what_is_hard_is_among_the_lives(self, lived):
        """Back twice in one month, another plan in the month of the start, and changes at the studio's midnight."""
        back, changed, midnight = 0, 0, 0
        for steps in lived.lives:
            starts = [step.day.replace(day=1) for step in steps if step.kind == "started"]
            back += any(starts[1:].count(month) > 1 for month in starts)
            changed += any(step.kind == "plan_changed" and step.day.replace(day=1) in starts for step in steps)
            midnight += any(step.at.astimezone(ZoneInfo(step.zone)).time() == time() for step in steps)
        assert min(back, changed, midnight) > 0

    def test_what_is_said_is_what_is_asked(self, answers):
        assert tuple(answers) == LIVES_SAY


@pytest.fixture(scope="module")
def answers(lived: Lived) -> dict[str, float]:
    return said(lived)


class TestMembers:
    def test_attrition_asks_who_of_the_start_is_gone_at_the_end(self, lived):
        expected = {}
        for first, until in months():
            for currency in ZONES.values():
                spans = defaultdict(list)
                for steps in memberships(lived):
                    if steps[0].currency == currency:
                        spans[steps[0].customer].append(span(steps))
                start = {who for who, lives in spans.items() if any(a < first <= b for a, b in lives)}
                end = {who for who, lives in spans.items() if any(a < until <= b for a, b in lives)}
                if any(a < until and b >= first for lives in spans.values() for a, b in lives):
                    expected[first, currency] = (len(start), len(start - end), len(end - start), len(end))
        told = lived.rows(
            """select month, currency, members_at_start, members_lost, members_joined, members_at_end
            from marts.finance.fct_membership_months"""
        )
        assert {row[:2]: row[2:] for row in told} == expected

    def test_a_lifetime_is_kaplan_and_meiers(self, lived):
        until = months()[-1][1]
        for currency in ZONES.values():
            told = lived.rows(
                f"""select lifetime_months from marts.finance.fct_membership_months
                where month = '2026-06-01' and currency = '{currency}'"""
            )
            assert told == [(pytest.approx(lifetime(lived, currency, until)),)], currency

    def test_of_all_months_lifetimes_and_their_worth_are_what_is_known_at_the_end(self, lived):
        until = months()[-1][1]
        brought = {
            currency: minor / members
            for currency, minor, members in lived.rows(
                """select currency, sum(revenue_minor), sum(members_any) from marts.finance.fct_membership_months
                group by 1"""
            )
        }
        expected = {
            "customer_lifetime": {one: lifetime(lived, one, until) for one in ZONES.values()},
            "ltv_by_lifetime": {one: brought[one] * lifetime(lived, one, until) for one in ZONES.values()},
            "ltv_billed": {one: _billed_for_each(lived, one) for one in ZONES.values()},
        }
        for name, by_currency in expected.items():
            metric = METRICS[name]
            told = lived.rows(f"select currency, {metric.expression} from {RELATIONS[metric.relation].path} group by 1")
            assert dict(told) == pytest.approx(by_currency), name

    def test_stages_of_a_day_are_everybody(self, lived):
        sizes = lived.rows("select day, sum(customers) from marts.core.fct_stages_daily group by 1 order by 1 desc")
        assert sizes[0][1] == lived.rows("select count(distinct customer_id) from marts.core.fct_customer_stages")[0][0]
        assert lived.rows("select * from marts.core.fct_stages_daily where customers < 0") == []


def _months(began: date, seen: date) -> tuple[int, int]:
    """Whole months from one day to another, and months begun; at least one is begun."""
    whole = 0
    while _after(began, whole + 1) <= seen:
        whole += 1
    return whole, max(1, whole + (_after(began, whole) < seen))


def _after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))

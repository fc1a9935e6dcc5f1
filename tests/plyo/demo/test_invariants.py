"""What is true of any business of Plyo's is true of the simulated one. Each query finds what breaks a rule."""

import psycopg
import pytest

from tests.plyo.demo.conftest import UNTIL

MONEY = {
    "ledger sums to zero per journal and currency": """
        select journal_id from commerce.ledger_lines group by journal_id, currency having sum(amount_minor) <> 0""",
    "every journal has lines": """
        select id from commerce.ledger_journals as journal
        where not exists (select from commerce.ledger_lines where journal_id = journal.id)""",
    "receivable of each customer is what their open invoices ask": """
        select customer_id from (
            select customer_id, amount_minor from commerce.ledger_lines where account = 'receivable'
            union all select customer_id, -total_minor from commerce.invoices where status = 'open') as owed
        group by customer_id having sum(amount_minor) <> 0""",
    "money at Stripe is captures less fees, refunds and disputes not won": """
        select currency from (
            select currency, -amount_minor as minor from commerce.ledger_lines where account = 'stripe_balance'
            union all select currency, amount_minor - fee_minor from commerce.payments
                where status = 'captured' and provider = 'stripe'
            union all select currency, -amount_minor from commerce.refunds
            union all select currency, -amount_minor from commerce.disputes where status <> 'won') as moved
        group by currency having sum(minor) <> 0""",
    "tax payable is the invoices' tax less that given back": """
        select currency from (
            select currency, amount_minor from commerce.ledger_lines where account = 'tax_payable'
            union all select currency, tax_minor from commerce.invoices where status <> 'uncollectible'
            union all select lines.currency, -lines.amount_minor from commerce.ledger_lines as lines
                join commerce.ledger_journals as journals on journals.id = journal_id
                where account = 'tax_payable' and kind = 'refund_paid') as moved
        group by currency having sum(amount_minor) <> 0""",
    "a paid invoice has one captured payment of its total but what its wallet paid, another has none": """
        select invoices.id from commerce.invoices
        left join commerce.payments on invoice_id = invoices.id and payments.status = 'captured'
        group by invoices.id
        having count(payments.id) filter (where provider = 'stripe') <> (invoices.status = 'paid')::int
            or sum(amount_minor) <> total_minor or max(captured_at) <> max(paid_at)""",
    "attempts of an invoice count from 1 without gap": """
        select invoice_id from commerce.payments group by invoice_id, provider
        having min(attempt) <> 1 or max(attempt) <> count(*)""",
    "a wallet is what its credits have left, what moved in it, and what the ledger owes": """
        select id from commerce.wallets where balance_minor <> all(array[
            (select coalesce(sum(left_minor), 0) from commerce.wallet_credits where wallet_id = wallets.id),
            (select coalesce(sum(amount_minor), 0) from commerce.wallet_movements as moved
                where moved.customer_id = wallets.customer_id),
            (select coalesce(-sum(amount_minor), 0) from commerce.ledger_lines as lines
                where lines.customer_id = wallets.customer_id and account = 'wallets')])""",
    "what was paid in is in wallets": """
        select currency from commerce.ledger_lines where account = 'wallet_top_ups' group by currency
        having sum(amount_minor) <> 0""",
    "refunds stay within their payment": """
        select payment_id from commerce.refunds join commerce.payments on payments.id = payment_id
        group by payment_id, payments.amount_minor, payments.status
        having sum(refunds.amount_minor) > payments.amount_minor or payments.status <> 'captured'""",
    "each fact has its journal": """
        select source_id from (
            select id as source_id, 'invoice_issued' as kind from commerce.invoices
            union all select id, 'written_off' from commerce.invoices where status = 'uncollectible'
            union all select id, 'payment_captured' from commerce.payments where status = 'captured'
            union all select id, case kind when 'gift' then 'wallet_given' else 'wallet_topped_up' end
                from commerce.wallet_credits
            union all select id, 'refund_paid' from commerce.refunds
            union all select id, 'dispute_opened' from commerce.disputes
            union all select id, 'dispute_won' from commerce.disputes where status = 'won'
            union all select id, 'commission_earned' from commerce.commission_statements
            union all select id, 'commission_paid' from commerce.commission_payouts) as facts
        full join commerce.ledger_journals as journals using (source_id, kind)
        where facts.source_id is null or journals.id is null""",
    "invoices ask a price of the plan, tax as commerce computes it": """
        select invoices.id from commerce.invoices
        left join commerce.session_packs as packs on packs.id = session_pack_id
        left join commerce.subscriptions as members on members.id = subscription_id
        where not exists (
            select from commerce.plan_prices as prices
            where prices.currency = invoices.currency and prices.amount_minor = total_minor
              and tax_minor = (2 * total_minor * tax_rate_bp + 10000 + tax_rate_bp) / (2 * (10000 + tax_rate_bp))
              and prices.valid_from <= issued_at)""",
    "packs have what their invoice asks without tax, all of it earned as the ledger says": """
        select packs.id from commerce.session_packs as packs
        left join commerce.invoices as invoices on invoices.session_pack_id = packs.id
        where (packs.net_minor, packs.currency) is distinct from (invoices.subtotal_minor, invoices.currency)
            or packs.recognised_minor <> packs.net_minor""",
}
MEMBERSHIPS = {
    "changes join up: each begins where the one before ended": """
        select id from (
            select *, lag(mrr_after_minor, 1, 0::bigint)
                over (partition by subscription_id order by changed_at, id) as expected
            from commerce.subscription_changes) as steps
        where expected <> mrr_before_minor""",
    "changes explain each subscription's MRR of today": """
        select members.id from commerce.subscriptions as members
        join commerce.plan_prices as prices on prices.id = price_id
        join commerce.subscription_changes as changes on subscription_id = members.id
        group by members.id, members.amount_minor, members.status, tax_rate_bp, interval_months
        having sum(mrr_after_minor - mrr_before_minor) <> case
            when members.status in ('active', 'past_due') then members.amount_minor
                - (2 * members.amount_minor * tax_rate_bp + 10000 + tax_rate_bp) / (2 * (10000 + tax_rate_bp))
            else 0 end""",
    "every subscription has changes, and an ended one ended": """
        select members.id from commerce.subscriptions as members
        left join commerce.subscription_changes as changes on subscription_id = members.id
        group by members.id, members.status
        having count(changes.id) = 0 or coalesce(bool_or(kind = 'ended'), false) <> (members.status = 'cancelled')""",
    "the amount is that of the price, of the plan": """
        select members.id from commerce.subscriptions as members
        join commerce.plan_prices as prices on prices.id = price_id
        where prices.amount_minor <> members.amount_minor or prices.plan_id <> members.plan_id
            or prices.currency <> members.currency""",
    "the current period holds today, unless it is over or resting": """
        select id from commerce.subscriptions where status in ('trialing', 'active', 'past_due')
            and not (current_period_start <= %(until)s and current_period_end >= %(until)s)""",
    "past due means a newest invoice that is open": """
        select members.id from commerce.subscriptions as members
        left join commerce.invoices on subscription_id = members.id and invoices.status = 'open'
            and exists (select from commerce.payments where invoice_id = invoices.id)
        group by members.id having (members.status = 'past_due') <> (count(invoices.id) > 0)""",
    "packs count their bookings, within their time": """
        select packs.id from commerce.session_packs as packs
        left join scheduling.bookings on session_pack_id = packs.id and status <> 'cancelled'
        group by packs.id having count(bookings.id) <> sessions_used or max(starts_at) > expires_at
            or min(booked_at) < purchased_at""",
    "pack owners' bookings are paid by packs, members' are not": """
        select bookings.id from scheduling.bookings
        join commerce.customers on customers.id = customer_id
        where status <> 'cancelled' and (session_pack_id is not null)
            = exists (select from commerce.subscriptions where subscriptions.customer_id = bookings.customer_id)""",
    "members book only while their contract runs": """
        select bookings.id from scheduling.bookings
        where session_pack_id is null and status <> 'cancelled' and not exists (
            select from commerce.subscriptions as members where members.customer_id = bookings.customer_id
                and starts_at >= started_at and starts_at < coalesce(ended_at, cancel_at, 'infinity'))""",
}
CALENDAR = {
    "bookings copy their slot": """
        select bookings.id from scheduling.bookings join scheduling.slots on slots.id = slot_id
        where bookings.coach_id <> slots.coach_id or bookings.starts_at <> slots.starts_at
            or bookings.ends_at <> slots.ends_at""",
    "who assists is at the class of another": """
        select helps.id from scheduling.slots as helps join scheduling.slots as led on led.id = helps.assists_id
        where led.kind <> 'group' or led.coach_id = helps.coach_id
            or (led.location_id, led.title, led.starts_at, led.ends_at)
                <> (helps.location_id, helps.title, helps.starts_at, helps.ends_at)""",
    "seats stay within capacity": """
        select bookings.id from scheduling.bookings join scheduling.slots on slots.id = slot_id
        where seat > capacity and bookings.status in ('booked', 'attended', 'no_show')""",
    "statuses agree with times": """
        select id from scheduling.bookings where booked_at >= starts_at or booked_at > %(until)s
            or (status in ('cancelled', 'late_cancelled')) <> (cancelled_at is not null)
            or (status in ('attended', 'no_show')) <> (outcome_at is not null)
            or cancelled_at < booked_at or cancelled_at > least(starts_at, %(until)s)
            or outcome_at > %(until)s or outcome_at < ends_at
            or (status = 'booked' and ends_at < %(until)s - interval '4 hours')
            or (status = 'late_cancelled') <> coalesce(starts_at - cancelled_at < interval '12 hours', false)""",
    "coaches hold no session before they come, after they leave or on holiday": """
        select slots.id from scheduling.slots join scheduling.coaches on coaches.id = coach_id
        join scheduling.locations on locations.id = slots.location_id
        left join scheduling.time_off as off on off.coach_id = coaches.id
            and (starts_at at time zone time_zone)::date between starts_on and ends_on
        where (starts_at at time zone time_zone)::date < hired_on
            or (starts_at at time zone time_zone)::date > left_on or off.id is not null""",
    "sessions lie in the coach's local working hours": """
        select slots.id from scheduling.slots join scheduling.locations on locations.id = location_id
        where not exists (
            select from scheduling.availability_rules as rules where rules.coach_id = slots.coach_id
                and weekday = extract(isodow from slots.starts_at at time zone time_zone) - 1
                and (slots.starts_at at time zone time_zone)::time >= rules.starts_at
                and (slots.ends_at at time zone time_zone)::time <= rules.ends_at)""",
    "who waits has no seat, unless promoted": """
        select waiting.id from scheduling.waitlist_entries as waiting
        left join scheduling.bookings using (slot_id, customer_id)
        where (waiting.status = 'promoted') <> (bookings.id is not null)""",
    "only full classes have a waitlist": """
        select slots.id from scheduling.slots
        where exists (select from scheduling.waitlist_entries where slot_id = slots.id) and capacity > (
            select count(*) from scheduling.bookings where slot_id = slots.id)""",
}
TRAINING = {
    "completed workouts have sets, others have none; sets count from 1": """
        select workouts.id from training.workouts left join training.workout_sets on workout_id = workouts.id
        group by workouts.id having (count(exercise_id) > 0) <> (workouts.status = 'completed')
            or max(position) <> count(*) or min(position) <> 1""",
    "nothing was done in the future, and nothing past is still planned": """
        select workouts.id from training.workouts join training.clients on clients.id = customer_id
        where completed_at > %(until)s or completed_at < started_at
            or (status = 'planned') <> (scheduled_on > (%(until)s at time zone time_zone)::date)
                and scheduled_on <> (%(until)s at time zone time_zone)::date""",
    "a workout with the coach was an attended booking of the same customer": """
        select workouts.id from training.workouts join scheduling.bookings on bookings.id = booking_id
        where bookings.customer_id <> workouts.customer_id
            or workouts.status = 'completed' and bookings.status <> 'attended'""",
    "sets use exercises of the day's plan": """
        select workout_id from training.workout_sets as sets join training.workouts on workouts.id = workout_id
        where not exists (
            select from training.planned_exercises as planned where planned.programme_id = workouts.programme_id
                and planned.day = programme_day and planned.exercise_id = sets.exercise_id)""",
    "unloaded movements have no weight, loaded ones do": """
        select workout_id from training.workout_sets join training.exercises on exercises.id = exercise_id
        where is_loaded <> (weight_kg is not null)""",
    "a client's coach is the one of the open assignment": """
        select clients.id from training.clients left join training.coach_assignments as held
            on held.customer_id = clients.id and ended_at is null
        where clients.coach_id is distinct from held.coach_id or held.id is null""",
    "assignments follow one another without gap": """
        select id from (select *, lag(ended_at) over (partition by customer_id order by assigned_at) as before,
            lag(coach_id) over (partition by customer_id order by assigned_at) as old
            from training.coach_assignments) as held
        where before <> assigned_at or old = coach_id or ended_at <= assigned_at""",
    "one programme is active at most, and only of people who train": """
        select customer_id from training.programmes where status = 'active' group by customer_id having count(*) > 1""",
    "nobody's health data is there without their consent": """
        select customer_id from training.wearable_days as days where not exists (
            select from compliance.consents as consents
            where consents.customer_id = days.customer_id and purpose = 'coaching' and is_given
                and consents.decided_at <= days.received_at)""",
    "a day without a device is no row, and nothing arrives before its day is over": """
        select customer_id from training.wearable_days
        where received_at < day + interval '6 hours' or received_at > %(until)s""",
}
PEOPLE = {
    "messages run between a customer and staff": """
        select messages.id from engagement.messages
        join identity.accounts as sender on sender.id = sender_id
        join identity.accounts as recipient on recipient.id = recipient_id
        where (sender.role = 'customer') = (recipient.role = 'customer')
            or customer_id not in (sender_id, recipient_id) or sent_at > %(until)s or read_at < sent_at""",
    "acted runs have their nudge, held out ones have none": """
        select runs.id from automation.runs left join engagement.messages
            on messages.id = message_id and messages.automation_run_id = runs.id and messages.kind = 'nudge'
            and messages.customer_id = runs.customer_id
        where (runs.status = 'acted') <> (messages.id is not null)
            or (arm = 'holdout') <> (runs.status = 'held_out') or runs.status = 'open'""",
    "runs began with a score that met the condition": """
        select runs.id from automation.runs join automation.rules on rules.id = rule_id
        left join automation.churn_scores as scores on scores.id = score_id and scores.customer_id = runs.customer_id
        where scores.id is null or probability < (condition ->> 'probability_at_least')::float
            or scored_at > started_at""",
    "texts are filled in": "select id from engagement.messages where body ~ '[{}]' or body = ''",
    "every customer is an account, a payer, a client, and has preferences": """
        select accounts.id from identity.accounts
        left join commerce.customers on customers.id = accounts.id
        left join training.clients on clients.id = accounts.id
        left join engagement.contact_preferences as preferences on preferences.customer_id = accounts.id
        where role = 'customer' and (customers.id is null or clients.id is null or preferences.customer_id is null)""",
    "coaches keep within their capacity": """
        select coaches.id from scheduling.coaches join training.clients on coach_id = coaches.id
        join commerce.subscriptions as members on members.customer_id = clients.id and members.status <> 'cancelled'
        group by coaches.id having count(*) > client_capacity""",
}


@pytest.mark.parametrize(
    ("rule", "query"), [pair for area in (MONEY, MEMBERSHIPS, CALENDAR, TRAINING, PEOPLE) for pair in area.items()]
)
def test_no_row_breaks(database: psycopg.Connection, rule: str, query: str) -> None:
    found = database.execute(f"select * from ({query}) as found limit 3", {"until": UNTIL}).fetchall()
    assert not found, f"not true: {rule}"

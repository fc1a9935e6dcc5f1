-- A business of seven customers whose every number is known. Today is Wednesday 2026-06-17.
-- Ana trains in Berlin and got a price rise; Ben paused and left; Cem left over a failed payment and came back;
-- Dao pays in dong and joined in the evening, UTC, of the day before; Eva is on trial; Fay's trial ended; Gus only looked.
create function pg_temp.id(name text) returns uuid language sql as $$ select md5(name)::uuid $$;

insert into scheduling.locations (id, name, city, country_code, time_zone, currency) values
    (pg_temp.id('berlin'), 'Kreuzberg', 'Berlin', 'DE', 'Europe/Berlin', 'EUR'),
    (pg_temp.id('saigon'), 'District 1', 'Ho Chi Minh City', 'VN', 'Asia/Ho_Chi_Minh', 'VND');

insert into identity.accounts (id, email, display_name, role, time_zone, created_at)
select pg_temp.id(name), name || '@plyo.test', initcap(name), role, zone, cast(created as timestamptz)
from (values
    ('ana', 'customer', 'Europe/Berlin', '2026-01-05 09:00Z'), ('ben', 'customer', 'Europe/Berlin', '2026-01-25 09:00Z'),
    ('cem', 'customer', 'Europe/Berlin', '2026-01-15 09:00Z'), ('dao', 'customer', 'Asia/Ho_Chi_Minh', '2026-02-20 09:00Z'),
    ('eva', 'customer', 'Europe/Berlin', '2026-06-08 09:00Z'), ('fay', 'customer', 'Europe/Berlin', '2026-04-28 09:00Z'),
    ('gus', 'customer', 'Europe/Berlin', '2026-06-16 09:00Z'), ('kim', 'coach', 'Europe/Berlin', '2025-12-01 09:00Z'),
    ('linh', 'coach', 'Asia/Ho_Chi_Minh', '2025-12-01 09:00Z'), ('root', 'admin', 'UTC', '2025-12-01 09:00Z'),
    ('ines', 'data', 'UTC', '2025-12-01 09:00Z')
) as people (name, role, zone, created);

insert into scheduling.coaches (id, display_name, specialities, location_id, client_capacity, hired_on) values
    (pg_temp.id('kim'), 'Kim', array['strength'], pg_temp.id('berlin'), 20, '2026-01-01'),
    (pg_temp.id('linh'), 'Linh', array['mobility'], pg_temp.id('saigon'), 20, '2026-01-01');

insert into training.clients (id, display_name, coach_id, location_id, goal, level, home_distance_km, time_zone, joined_at)
select
    account.id, account.display_name, pg_temp.id(case place when 'berlin' then 'kim' else 'linh' end),
    pg_temp.id(place), 'strength', 'beginner', 3.5, account.time_zone, account.created_at
from identity.accounts as account
cross join lateral (select case account.time_zone when 'Europe/Berlin' then 'berlin' else 'saigon' end) as at (place)
where account.role = 'customer' and account.display_name <> 'Gus';

insert into training.coach_assignments (id, customer_id, coach_id, assigned_at, ended_at) values
    (pg_temp.id('ana-linh'), pg_temp.id('ana'), pg_temp.id('linh'), '2026-01-05 09:00Z', '2026-05-20 09:00Z'),
    (pg_temp.id('ana-kim'), pg_temp.id('ana'), pg_temp.id('kim'), '2026-05-20 09:00Z', null),
    (pg_temp.id('ben-kim'), pg_temp.id('ben'), pg_temp.id('kim'), '2026-01-25 09:00Z', null),
    (pg_temp.id('cem-kim'), pg_temp.id('cem'), pg_temp.id('kim'), '2026-01-15 09:00Z', null),
    (pg_temp.id('dao-linh'), pg_temp.id('dao'), pg_temp.id('linh'), '2026-02-20 09:00Z', null);

-- Money: 49.00 EUR with 19 % tax is 41.18 a month; 54.00 EUR is 45.38; 990,000 dong with 10 % tax is 900,000.
insert into commerce.plans (id, code, name, description, kind, interval_months, trial_days) values
    (pg_temp.id('monthly'), 'monthly', 'Monthly', 'All you can train', 'membership', 1, 14),
    (pg_temp.id('yearly'), 'yearly', 'Yearly', '', 'membership', 12, 0);
insert into commerce.plans (id, code, name, description, kind, sessions_included, validity_days) values
    (pg_temp.id('ten'), 'ten', 'Ten sessions', 'A pack of ten', 'pack', 10, 180);
insert into commerce.plan_prices (id, plan_id, currency, amount_minor, tax_rate_bp, valid_from, valid_to) values
    (pg_temp.id('eur-old'), pg_temp.id('monthly'), 'EUR', 4900, 1900, '2026-01-01Z', '2026-04-01Z'),
    (pg_temp.id('eur'), pg_temp.id('monthly'), 'EUR', 5400, 1900, '2026-04-01Z', '2026-08-01Z'),
    (pg_temp.id('eur-coming'), pg_temp.id('monthly'), 'EUR', 5900, 1900, '2026-08-01Z', null),
    (pg_temp.id('year-eur'), pg_temp.id('yearly'), 'EUR', 121, 1900, '2026-01-01Z', null),
    (pg_temp.id('vnd'), pg_temp.id('monthly'), 'VND', 990000, 1000, '2026-01-01Z', null),
    (pg_temp.id('ten-eur'), pg_temp.id('ten'), 'EUR', 50000, 1900, '2026-01-01Z', null);
insert into commerce.customers (id, currency)
select id, case time_zone when 'Europe/Berlin' then 'EUR' else 'VND' end
from identity.accounts where role = 'customer' and display_name <> 'Gus';
insert into commerce.subscriptions (
    id, customer_id, plan_id, price_id, status, amount_minor, currency, interval_months, started_at, cancel_kind, ended_at
)
select
    pg_temp.id(name || '-' || nth), pg_temp.id(name), pg_temp.id('monthly'), pg_temp.id(price), status, amount, currency,
    1, cast(started as timestamptz), kind, cast(ended as timestamptz)
from (values
    ('ana', 1, 'eur', 'active', 5400, 'EUR', '2026-01-17 08:00Z', null, null),
    ('ben', 1, 'eur-old', 'cancelled', 4900, 'EUR', '2026-02-01 08:00Z', 'voluntary', '2026-06-01 08:00Z'),
    ('cem', 1, 'eur-old', 'cancelled', 4900, 'EUR', '2026-01-20 08:00Z', 'involuntary', '2026-03-05 08:00Z'),
    ('cem', 2, 'eur', 'active', 5400, 'EUR', '2026-05-02 08:00Z', null, null),
    ('dao', 1, 'vnd', 'active', 990000, 'VND', '2026-02-28 18:30Z', null, null),
    ('eva', 1, 'eur', 'trialing', 5400, 'EUR', null, null, null),
    ('fay', 1, 'eur', 'cancelled', 5400, 'EUR', null, 'voluntary', '2026-05-15 08:00Z')
) as given (name, nth, price, status, amount, currency, started, kind, ended);
insert into commerce.subscription_changes (
    id, subscription_id, customer_id, plan_id, kind, mrr_before_minor, mrr_after_minor, currency, changed_at
)
select
    pg_temp.id(name || nth || kind || at), pg_temp.id(name || '-' || nth), pg_temp.id(name), pg_temp.id('monthly'), kind,
    before, after, currency, cast(at as timestamptz)
from (values
    ('ana', 1, 'trial_started', 0, 0, 'EUR', '2026-01-10 08:00Z'),
    ('ana', 1, 'started', 0, 4118, 'EUR', '2026-01-17 08:00Z'),
    ('ana', 1, 'price_changed', 4118, 4538, 'EUR', '2026-04-01 08:00Z'),
    ('ben', 1, 'started', 0, 4118, 'EUR', '2026-02-01 08:00Z'),
    ('ben', 1, 'paused', 4118, 0, 'EUR', '2026-03-10 08:00Z'),
    ('ben', 1, 'resumed', 0, 4118, 'EUR', '2026-04-10 08:00Z'),
    ('ben', 1, 'ended', 4118, 0, 'EUR', '2026-06-01 08:00Z'),
    ('cem', 1, 'started', 0, 4118, 'EUR', '2026-01-20 08:00Z'),
    ('cem', 1, 'ended', 4118, 0, 'EUR', '2026-03-05 08:00Z'),
    ('cem', 2, 'started', 0, 4538, 'EUR', '2026-05-02 08:00Z'),
    ('dao', 1, 'started', 0, 900000, 'VND', '2026-02-28 18:30Z'),
    ('eva', 1, 'trial_started', 0, 0, 'EUR', '2026-06-10 08:00Z'),
    ('fay', 1, 'trial_started', 0, 0, 'EUR', '2026-05-01 08:00Z'),
    ('fay', 1, 'ended', 0, 0, 'EUR', '2026-05-15 08:00Z')
) as given (name, nth, kind, before, after, currency, at);

-- Ana's invoice of May was paid at the second attempt, and a tenth was given back.
insert into commerce.invoices (
    id, number, customer_id, subscription_id, status, currency, subtotal_minor, tax_minor, total_minor, issued_at, due_at, paid_at
) values (
    pg_temp.id('ana-may'), 'INV-1', pg_temp.id('ana'), pg_temp.id('ana-1'), 'paid', 'EUR', 4538, 862, 5400,
    '2026-05-17 08:00Z', '2026-05-17 08:00Z', '2026-05-20 08:00Z'
);
insert into commerce.payments (
    id, invoice_id, customer_id, provider, provider_payment_id, attempt, status, amount_minor, fee_minor, currency,
    failure_code, attempted_at, captured_at
) values
    (pg_temp.id('ana-may-1'), pg_temp.id('ana-may'), pg_temp.id('ana'), 'stripe', 'pi_1', 1, 'failed', 5400, 0, 'EUR',
        'card_declined', '2026-05-17 08:00Z', null),
    (pg_temp.id('ana-may-2'), pg_temp.id('ana-may'), pg_temp.id('ana'), 'stripe', 'pi_1', 2, 'captured', 5400, 106, 'EUR',
        null, '2026-05-20 08:00Z', '2026-05-20 08:00Z');
insert into commerce.refunds (id, payment_id, customer_id, amount_minor, currency, reason, status, refunded_at) values
    (pg_temp.id('ana-refund'), pg_temp.id('ana-may-2'), pg_temp.id('ana'), 540, 'EUR', 'goodwill', 'succeeded', '2026-05-25 08:00Z');
insert into commerce.ledger_journals (id, kind, source_type, source_id, posted_at) values
    (pg_temp.id('j1'), 'invoice_issued', 'invoice', pg_temp.id('ana-may'), '2026-05-17 08:00Z'),
    (pg_temp.id('j2'), 'payment_captured', 'payment', pg_temp.id('ana-may-2'), '2026-05-20 08:00Z'),
    (pg_temp.id('j3'), 'refund_paid', 'refund', pg_temp.id('ana-refund'), '2026-05-25 08:00Z');
insert into commerce.ledger_lines (id, journal_id, account, customer_id, amount_minor, currency) values
    (pg_temp.id('l1'), pg_temp.id('j1'), 'receivable', pg_temp.id('ana'), 5400, 'EUR'),
    (pg_temp.id('l2'), pg_temp.id('j1'), 'membership_revenue', pg_temp.id('ana'), -4538, 'EUR'),
    (pg_temp.id('l3'), pg_temp.id('j1'), 'tax_payable', pg_temp.id('ana'), -862, 'EUR'),
    (pg_temp.id('l4'), pg_temp.id('j2'), 'stripe_balance', pg_temp.id('ana'), 5294, 'EUR'),
    (pg_temp.id('l5'), pg_temp.id('j2'), 'payment_fees', pg_temp.id('ana'), 106, 'EUR'),
    (pg_temp.id('l6'), pg_temp.id('j2'), 'receivable', pg_temp.id('ana'), -5400, 'EUR'),
    (pg_temp.id('l7'), pg_temp.id('j3'), 'refunds', pg_temp.id('ana'), 540, 'EUR'),
    (pg_temp.id('l8'), pg_temp.id('j3'), 'stripe_balance', pg_temp.id('ana'), -540, 'EUR');

-- Kim works on Mondays 9-13 and was away on 2026-06-08. Slots of an hour on Mondays at 10:00 in Berlin (8:00 UTC).
insert into scheduling.availability_rules (id, coach_id, weekday, starts_at, ends_at, valid_from) values
    (pg_temp.id('mondays'), pg_temp.id('kim'), 0, '09:00', '13:00', '2026-04-01');
insert into scheduling.time_off (id, coach_id, starts_on, ends_on, kind) values
    (pg_temp.id('away'), pg_temp.id('kim'), '2026-06-08', '2026-06-08', 'holiday');
insert into scheduling.slots (id, coach_id, location_id, kind, title, starts_at, ends_at, capacity) values
    (pg_temp.id('s-0525'), pg_temp.id('kim'), pg_temp.id('berlin'), 'one_to_one', '1:1', '2026-05-25 08:00Z', '2026-05-25 09:00Z', 1),
    (pg_temp.id('s-0601'), pg_temp.id('kim'), pg_temp.id('berlin'), 'group', 'Circle', '2026-06-01 08:00Z', '2026-06-01 09:00Z', 4),
    (pg_temp.id('s-0615'), pg_temp.id('kim'), pg_temp.id('berlin'), 'one_to_one', '1:1', '2026-06-15 08:00Z', '2026-06-15 09:00Z', 1),
    (pg_temp.id('s-0622'), pg_temp.id('kim'), pg_temp.id('berlin'), 'one_to_one', '1:1', '2026-06-22 08:00Z', '2026-06-22 09:00Z', 1),
    (pg_temp.id('s-late'), pg_temp.id('linh'), pg_temp.id('saigon'), 'one_to_one', 'Late', '2026-06-14 17:30Z', '2026-06-14 18:30Z', 1);
-- Linh helped with the circle, in the second place that she was given in it.
insert into scheduling.slots (id, coach_id, location_id, kind, title, starts_at, ends_at, capacity, status, assists_id)
select
    pg_temp.id('h-' || number), pg_temp.id('linh'), led.location_id, 'assist', led.title, led.starts_at, led.ends_at, 0,
    given.status, led.id
from scheduling.slots as led, (values ('1', 'open'), ('2', 'cancelled')) as given (number, status)
where led.id = pg_temp.id('s-0601');
insert into scheduling.bookings (
    id, slot_id, customer_id, coach_id, seat, starts_at, ends_at, status, booked_at, cancelled_at, outcome_at
)
select
    pg_temp.id(name || '@' || slot), pg_temp.id('s-' || slot), pg_temp.id(name), found.coach_id, seat, found.starts_at,
    found.ends_at, given.status, cast(booked as timestamptz), cast(cancelled as timestamptz),
    case when given.status in ('attended', 'no_show') then found.ends_at end
from (values
    ('ana', '0525', 1, 'attended', '2026-05-20 08:00Z', null),
    ('ana', '0601', 1, 'attended', '2026-05-25 08:00Z', null),
    ('cem', '0601', 2, 'no_show', '2026-05-26 08:00Z', null),
    ('eva', '0601', 3, 'late_cancelled', '2026-05-27 08:00Z', '2026-05-31 20:00Z'),
    ('ana', '0615', 1, 'attended', '2026-06-08 08:00Z', null),
    ('ana', '0622', 1, 'booked', '2026-06-15 09:00Z', null),
    ('dao', 'late', 1, 'attended', '2026-06-10 08:00Z', null)
) as given (name, slot, seat, status, booked, cancelled)
inner join scheduling.slots as found on found.id = pg_temp.id('s-' || slot);

-- Ana's programme plans every Monday; she did all until the end of May, then every second one.
insert into training.exercises (id, slug, name, pattern, primary_muscle, equipment) values
    (1, 'back-squat', 'Back squat', 'squat', 'quads', 'barbell') on conflict do nothing;
insert into training.programmes (id, customer_id, coach_id, name, goal, starts_on, weeks, sessions_per_week) values
    (pg_temp.id('programme'), pg_temp.id('ana'), pg_temp.id('kim'), 'Base', 'strength', '2026-05-04', 8, 1);
insert into training.workouts (
    id, customer_id, programme_id, title, scheduled_on, status, completed_at, duration_minutes, session_rpe
)
select
    pg_temp.id('w-' || day), pg_temp.id('ana'), pg_temp.id('programme'), 'Squats', cast(day as date), status,
    case when status = 'completed' then cast(day || ' 16:00Z' as timestamptz) end, 60, 5
from (values
    ('2026-05-04', 'completed'), ('2026-05-11', 'completed'), ('2026-05-18', 'completed'), ('2026-05-25', 'completed'),
    ('2026-06-01', 'skipped'), ('2026-06-08', 'completed'), ('2026-06-15', 'skipped'), ('2026-06-22', 'planned')
) as given (day, status);
insert into training.workout_sets (workout_id, position, exercise_id, reps, weight_kg, rpe, superset)
select pg_temp.id('w-' || day), place, 1, reps, kg, 8, case day when '2026-05-11' then 'A' end
from (values
    ('2026-05-04', 1, 5, 100), ('2026-05-04', 2, 12, 80), ('2026-05-11', 1, 3, 105), ('2026-05-25', 1, 5, 105),
    ('2026-06-08', 1, 1, 110)
) as given (day, place, reps, kg);
insert into training.injuries (id, customer_id, body_part, severity, occurred_on, resolved_on) values
    (pg_temp.id('knee'), pg_temp.id('ana'), 'knee', 1, '2026-06-09', null);
-- Two devices on the 15th and 16th; the ring tells more.
insert into training.wearable_days (customer_id, day, device, sleep_minutes, hrv_rmssd_ms, steps, received_at)
select pg_temp.id('ana'), cast(day as date), 'ring', 420, case extract(day from day)::int % 2 when 0 then 50 else 55 end, 8000, day
from generate_series('2026-05-20Z'::timestamptz, '2026-06-16Z'::timestamptz, interval '1 day') as day;
insert into training.wearable_days (customer_id, day, device, steps, received_at) values
    (pg_temp.id('ana'), '2026-06-15', 'phone', 9000, '2026-06-15Z'), (pg_temp.id('ana'), '2026-06-16', 'phone', 9500, '2026-06-16Z');

-- Cem's watch may be shown, not learned from; Ben's may be neither.
insert into training.wearable_days (customer_id, day, device, sleep_minutes, hrv_rmssd_ms, steps, received_at)
select pg_temp.id(who), cast(day as date), 'watch', 400, 60, 7000, day
from generate_series('2026-05-20Z'::timestamptz, '2026-06-16Z'::timestamptz, interval '1 day') as day,
    unnest(array['ben', 'cem']) as who;
insert into compliance.consents (id, customer_id, data_kind, purpose, is_given, policy_version, decided_at, decided_by)
select gen_random_uuid(), pg_temp.id(who), kind, purpose, is_given, 'test', cast(at as timestamptz), pg_temp.id(who)
from (values
    ('ana', 'coaching', true, '2026-05-01Z'), ('ana', 'modelling', true, '2026-05-01Z'),
    ('cem', 'coaching', true, '2026-05-01Z'), ('cem', 'modelling', false, '2026-05-01Z'),
    ('ben', 'coaching', true, '2026-05-01Z'), ('ben', 'modelling', true, '2026-05-01Z'),
    ('ben', 'coaching', false, '2026-06-01Z'), ('ben', 'modelling', false, '2026-06-01Z')
) as decided (who, purpose, is_given, at), unnest(array['sleep', 'daily']) as kind;

insert into engagement.leads (id, name, email, source, location_id, customer_id, created_at, converted_at) values
    (pg_temp.id('lead-ana'), 'Ana', 'ana@plyo.test', 'instagram', pg_temp.id('berlin'), pg_temp.id('ana'), '2026-01-02Z', '2026-01-05Z'),
    (pg_temp.id('lead-zoe'), 'Zoe', 'zoe@plyo.test', 'walk_in', pg_temp.id('berlin'), null, '2026-06-10Z', null);
insert into engagement.messages (id, customer_id, sender_id, recipient_id, kind, body, sent_at, read_at) values
    (pg_temp.id('m1'), pg_temp.id('ana'), pg_temp.id('ana'), pg_temp.id('kim'), 'chat', 'Knee hurts', '2026-06-09 10:00Z', '2026-06-09 12:00Z'),
    (pg_temp.id('m2'), pg_temp.id('ana'), pg_temp.id('kim'), pg_temp.id('ana'), 'nudge', 'Take care', '2026-06-10 10:00Z', null);

-- A rule that met Ana and Ben long ago, and Cem last week.
insert into automation.rules (id, code, name, trigger, condition, action, message_template, outcome_days) values
    (pg_temp.id('rule'), 'check-in-test', 'Check in', 'churn_score', '{"probability_at_least": 0.4}', 'suggest_nudge', 'Hi', 14);
insert into automation.churn_scores (id, customer_id, model_id, probability, reasons, scored_at) values
    (pg_temp.id('score'), pg_temp.id('ana'), 'test', 0.5, '[]', '2026-05-20 08:00Z');
insert into automation.runs (id, rule_id, customer_id, coach_id, score_id, arm, status, started_at) values
    (pg_temp.id('run-ana'), pg_temp.id('rule'), pg_temp.id('ana'), pg_temp.id('kim'), pg_temp.id('score'), 'treatment', 'acted', '2026-05-20 08:00Z'),
    (pg_temp.id('run-ben'), pg_temp.id('rule'), pg_temp.id('ben'), pg_temp.id('kim'), null, 'holdout', 'held_out', '2026-05-25 08:00Z'),
    (pg_temp.id('run-cem'), pg_temp.id('rule'), pg_temp.id('cem'), pg_temp.id('kim'), null, 'treatment', 'open', '2026-06-10 08:00Z');

-- Three packs: Ben's ran out in April, when he had become a member; Cem came back too late after his; Fay's still runs.
insert into commerce.session_packs (
    id, customer_id, plan_id, sessions_total, sessions_used, purchased_at, expires_at, net_minor, currency, recognised_minor
) values
    (pg_temp.id('pack-ben'), pg_temp.id('ben'), pg_temp.id('ten'), 10, 4, '2026-01-26 08:00Z', '2026-04-26 08:00Z', 42017, 'EUR', 42017),
    (pg_temp.id('pack-cem'), pg_temp.id('cem'), pg_temp.id('ten'), 10, 0, '2026-03-10 08:00Z', '2026-03-31 08:00Z', 42017, 'EUR', 42017),
    (pg_temp.id('pack-fay'), pg_temp.id('fay'), pg_temp.id('ten'), 10, 2, '2026-05-16 08:00Z', '2026-11-12 08:00Z', 42017, 'EUR', 8403);
-- Our own billing writes lines; Dao's invoice of June came from a provider without any, and is still owed.
insert into commerce.invoice_lines (
    id, invoice_id, position, kind, description, amount_minor, tax_minor, tax_rate_bp, currency, starts_on, ends_on
) values
    (pg_temp.id('line-1'), pg_temp.id('ana-may'), 1, 'membership', 'Monthly', 5400, 862, 1900, 'EUR', '2026-05-17', '2026-06-17');
insert into commerce.invoices (
    id, number, customer_id, subscription_id, status, currency, subtotal_minor, tax_minor, total_minor, period_start,
    period_end, issued_at, due_at
) values (
    pg_temp.id('dao-june'), 'INV-2', pg_temp.id('dao'), pg_temp.id('dao-1'), 'open', 'VND', 900000, 90000, 990000,
    '2026-05-31 17:00Z', '2026-06-30 17:00Z', '2026-05-31 18:00Z', '2026-06-14 17:00Z'
);
insert into commerce.credit_notes (
    id, number, series, sequence, invoice_id, customer_id, refund_id, settlement, amount_minor, tax_minor, currency, reason, issued_at
) values (
    pg_temp.id('credit-1'), 'CN-1', 'CN', 1, pg_temp.id('ana-may'), pg_temp.id('ana'), pg_temp.id('ana-refund'), 'refund',
    540, 86, 'EUR', 'goodwill', '2026-05-25 08:00Z'
);
insert into commerce.commission_statements (
    id, coach_id, first_on, last_on, currency, sessions, pack_revenue_minor, session_pay_minor, pack_pay_minor,
    corrections, corrected_minor, total_minor, closed_at
) values
    (pg_temp.id('pay-may'), pg_temp.id('kim'), '2026-05-01', '2026-05-31', 'EUR', 1, 0, 3000, 0, 1, -500, 2500, '2026-06-01 08:00Z');

-- Of which Kim was paid a part, and a part by mistake.
insert into commerce.commission_payouts (
    id, statement_id, coach_id, currency, amount_minor, paid_on, reference, reverses_id, reason, recorded_by, recorded_at
) values
    (pg_temp.id('paid-1'), pg_temp.id('pay-may'), pg_temp.id('kim'), 'EUR', 1000, '2026-06-02', 'SEPA 7', null, null, pg_temp.id('root'), '2026-06-03 08:00Z'),
    (pg_temp.id('paid-2'), pg_temp.id('pay-may'), pg_temp.id('kim'), 'EUR', 1200, '2026-06-02', null, null, null, pg_temp.id('root'), '2026-06-03 08:01Z'),
    (pg_temp.id('back-2'), pg_temp.id('pay-may'), pg_temp.id('kim'), 'EUR', -1200, '2026-06-02', null, pg_temp.id('paid-2'), 'Twice', pg_temp.id('root'), '2026-06-03 09:00Z');

-- Kim opened for two hours on 4 May, had a public holiday on the 11th and closed the 18th.
insert into scheduling.availability_exceptions (id, coach_id, exception_on, starts_at, ends_at) values
    (pg_temp.id('x-0504'), pg_temp.id('kim'), '2026-05-04', '14:00', '16:00'),
    (pg_temp.id('x-0518'), pg_temp.id('kim'), '2026-05-18', null, null);
insert into scheduling.public_holidays (id, location_id, holiday_on, name) values
    (pg_temp.id('h-0504'), pg_temp.id('berlin'), '2026-05-04', 'Not for Kim'),
    (pg_temp.id('h-0511'), pg_temp.id('berlin'), '2026-05-11', 'Holiday');
insert into scheduling.waitlist_entries (id, slot_id, customer_id, status, joined_at, closed_at, offered_at) values
    (pg_temp.id('wait-1'), pg_temp.id('s-0525'), pg_temp.id('cem'), 'expired', '2026-05-21 08:00Z', '2026-05-25 08:00Z', null),
    (pg_temp.id('wait-2'), pg_temp.id('s-0525'), pg_temp.id('eva'), 'declined', '2026-05-21 09:00Z', '2026-05-22 08:00Z', '2026-05-22 07:00Z'),
    (pg_temp.id('wait-3'), pg_temp.id('s-0615'), pg_temp.id('ana'), 'promoted', '2026-06-07 08:00Z', '2026-06-08 08:00Z', '2026-06-08 07:00Z');
update scheduling.bookings
set late_fee_minor = 1500, late_fee_currency = 'EUR', late_fee_due_at = '2026-05-31 20:00Z', late_fee_waived_at = '2026-06-02 08:00Z'
where id = pg_temp.id('eva@0601');

-- News to three: one got it, one does not want it, one could not be reached; and a confirmation.
insert into engagement.announcements (id, author_id, segment, subject, body, recipients, created_at) values
    (pg_temp.id('news'), pg_temp.id('root'), 'everybody', 'Summer hours', 'We close at eight.', 3, '2026-06-01 08:00Z');
insert into engagement.outgoing_emails (
    id, dedupe_key, recipient, template, context, status, attempts, next_attempt_at, sent_at, created_at, channel, purpose,
    customer_id, reason, delivered_at
)
select
    pg_temp.id('out-' || name || template),
    case template when 'announcement' then 'announcement:' || pg_temp.id('news') || ':' else template || ':' end || pg_temp.id(name),
    name || '@plyo.test', template, '{}', status, 1, '2026-06-01 08:00Z', cast(sent as timestamptz), '2026-06-01 08:00Z', 'email',
    purpose, pg_temp.id(name), reason, cast(delivered as timestamptz)
from (values
    ('ana', 'announcement', 'marketing', 'sent', '2026-06-01 08:01Z', '2026-06-01 08:02Z', null),
    ('ben', 'announcement', 'marketing', 'withheld', null, null, 'not_wanted'),
    ('cem', 'announcement', 'marketing', 'failed', null, null, 'bounce'),
    ('dao', 'booking_confirmed', 'transactional', 'sent', '2026-06-10 08:01Z', null, null)
) as given (name, template, purpose, status, sent, delivered, reason);
-- Texts, of which one did not arrive and was said again by e-mail: its segments are charged all the same. In Saigon, where
-- the studio is, a thousand segments are 97.90 euros until the end of May and 102.50 from June on; by UTC the last hours of
-- May have both. One left before anybody had said a price, one is charged in dollars.
insert into engagement.outgoing_emails (
    id, dedupe_key, recipient, template, context, status, attempts, next_attempt_at, sent_at, created_at, channel, purpose,
    customer_id, segments, cost_thousandths, cost_currency
)
select
    pg_temp.id('text-' || name || sent), 'class_notice:' || name || sent, name, 'class_notice', '{}', 'sent', 1, sent, sent,
    sent - interval '1 minute', channel, 'reminders', pg_temp.id(name), segments, segments * price, currency
from (values
    ('eva', 'sms', 3, 10250, 'EUR', timestamptz '2026-06-11 08:01Z'), ('fay', 'email', 2, 10250, 'EUR', '2026-06-11 08:01Z'),
    ('eva', 'sms', 1, 10250, 'USD', '2026-06-12 08:01Z'), ('fay', 'sms', 2, 10250, 'EUR', '2026-05-31 17:30Z'),
    ('eva', 'sms', 3, 9790, 'EUR', '2026-05-31 16:30Z'), ('fay', 'sms', 4, null, null, '2026-05-31 15:30Z')
) as given (name, channel, segments, price, currency, sent);
insert into training.onboarding_steps (customer_id, step, entered_at, left_at, outcome) values
    (pg_temp.id('eva'), 'goal', '2026-06-08 09:00Z', '2026-06-08 09:05Z', 'done'),
    (pg_temp.id('eva'), 'screening', '2026-06-08 09:05Z', null, null),
    (pg_temp.id('fay'), 'goal', '2026-04-28 09:00Z', '2026-04-28 09:02Z', 'skipped'),
    (pg_temp.id('fay'), 'screening', '2026-06-16 09:00Z', null, null);

-- Ana told of two weeks and was answered once, after six hours; nothing in her questionnaire held her back.
insert into training.check_ins (id, customer_id, due_on, submitted_at, mood, answer, answered_by, answered_at) values
    (pg_temp.id('week-1'), pg_temp.id('ana'), '2026-06-07', '2026-06-07 08:00Z', 4, 'Well done', pg_temp.id('kim'), '2026-06-07 14:00Z'),
    (pg_temp.id('week-2'), pg_temp.id('ana'), '2026-06-14', '2026-06-14 08:00Z', 3, null, null, null);
insert into training.screenings (id, customer_id, version, answers, is_red, answered_at) values
    (pg_temp.id('screening'), pg_temp.id('ana'), '2024', '{}', false, '2026-06-01 08:00Z');

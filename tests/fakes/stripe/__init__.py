"""A local Stripe: the API, the hosted payment page and the webhooks that Plyo uses, over real HTTP.

Belongs here: what Stripe does (API version 2026-10-28), as far as Plyo depends on it. Does not belong here: anything
Plyo does. Run it with `uvicorn --factory tests.fakes.stripe.app:serve`; in tests use `tests.fakes.stripe.testing`.
Where it is simpler than Stripe it says so: one balance per currency without conversion, invoices are final at once,
proration is refused, and one clock for all objects that `POST /_fake/clock/advance` moves.
"""

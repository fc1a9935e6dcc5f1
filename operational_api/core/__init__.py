"""What every context stands on: sessions, outbox, inbox, errors, HTTP, principals, policy, idempotency.

Belongs here: a noun that several contexts need and that knows no context. Does not: business rules, queries.
"""

"""Identity owns accounts, roles, sessions, e-mail verification and our OpenID Connect provider.

An account's id is the person's id everywhere: `customer_id` and `coach_id` are account ids. Profiles live with the
context that uses them (`training.clients`, `scheduling.coaches`, `commerce.customers`).
"""

"""Memberships that Plyo bills itself, whatever provider moves the money: periods, proration, invoices, dunning,
coupons, payers and what coaches earn.

`periods`, `proration`, `contract` and `drafts` are pure; `service` stores what comes out of them. Memberships that a
provider bills (`Subscription.billed_by` is provider) are followed by `commerce.service` instead.
"""

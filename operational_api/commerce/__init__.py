"""Commerce owns plans, prices, subscriptions, session packs, invoices, payments, refunds, disputes and the ledger.

It asks nothing of other contexts: a customer is an account id. Providers (Stripe) sit behind `providers/`.
"""

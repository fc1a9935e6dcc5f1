"""A local MoMo: API v2 (create, query, refund, refund query), its payment page and its notifications, over real HTTP.

Signatures are checked and made as the public documentation writes them, and written here a second time on purpose:
what ours gets wrong this does not repeat. Simpler than MoMo: one partner, no QR codes, a page
with a choice of outcomes instead of a wallet. Tests post its notifications when they want; the local stack lets it post
them by itself.
"""

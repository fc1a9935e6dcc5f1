"""Webhooks that we send: who hears of what, in whose order, and what became of each delivery (ADR 0037).

A part of integrations with a context's files. What providers send to us is `integrations.service.webhooks`.
"""

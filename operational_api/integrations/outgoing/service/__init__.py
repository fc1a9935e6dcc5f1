"""Rules of outgoing webhooks, one module a noun."""

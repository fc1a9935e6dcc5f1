"""Connections to the world outside: which sources are pulled and how they fare, whose wearables send us what.

Pulling and reading what came is `ingestion`; here is what people decide about it, and what providers send by webhook.
"""

"""Signing in with Google or Microsoft: our side as their client, and which account it leads to (ADR 0026)."""

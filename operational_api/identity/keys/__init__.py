"""The keys that sign our tokens: which one signs, which are published, and rotating them (ADR 0026)."""

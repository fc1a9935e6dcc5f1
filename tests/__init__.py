"""Mirrors the packages. Real PostgreSQL, real lake, real processes; fakes stand only where a provider's cloud would."""

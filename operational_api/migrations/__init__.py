"""Alembic migrations of every context's schema, and running them. Expand and contract are separate revisions."""

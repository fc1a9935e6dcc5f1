"""Pull from sources and land in `raw`. Knows sources, never the orchestrator, never the product's Python.

Belongs here: readers of a source (PostgreSQL's log, payment providers, wearables, CRM), quality of a batch, landing.
Does not: schedules (orchestration), models of the data (dbt_project).
"""

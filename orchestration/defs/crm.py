"""What the CRM knows, in raw and staged. Pulling is `ingestion.crm`; when it runs, `automation` says."""

from orchestration.connectors import raw_assets
from orchestration.defs.dbt import staging_of

ASSOCIATING = (
    "contacts", "companies", "deals", "calls", "emails", "meetings", "notes", "tasks", "communications",
)  # fmt: skip
"""Streams that bring associations with their objects; a test compares all tables with the connector's."""
STREAMS = ("owners", "pipelines", *ASSOCIATING)

hubspot_raw = raw_assets(
    "hubspot",
    {f"hubspot__{stream}": (stream,) for stream in STREAMS} | {"hubspot__associations": ASSOCIATING},
    group="crm",
)
hubspot_staging = staging_of("hubspot")

ASSETS = [hubspot_raw, hubspot_staging]

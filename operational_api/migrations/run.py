"""Bring a database to a revision from Python: used by the local stack, by tests and by a deployment's migration job."""

from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config

CONTEXTS = ("identity", "commerce", "training", "scheduling", "engagement", "automation", "compliance", "integrations")


def import_models() -> None:
    """Load every context's tables into `Base.metadata`."""
    import_module("operational_api.core.models")
    import_module("operational_api.web.models")
    for name in CONTEXTS:
        import_module(f"operational_api.{name}.models")
    import_module("operational_api.commerce.billing.models")
    import_module("operational_api.integrations.outgoing.models")
    import_module("operational_api.integrations.crm.models")


def config(url: str) -> Config:
    """Alembic's configuration for a database, `postgresql+psycopg://…`, as the owner of the schemas."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    configuration.set_main_option("path_separator", "os")
    configuration.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return configuration


def upgrade(url: str, revision: str = "head") -> None:
    """Apply every migration up to `revision`; each in a transaction of its own."""
    command.upgrade(config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Undo migrations back to `revision`."""
    command.downgrade(config(url), revision)

"""Alembic's entry: the metadata of all contexts, one version table in the schema `platform`."""

from alembic import context
from sqlalchemy import create_engine, text

from operational_api.core import models as _platform  # noqa: F401
from operational_api.core.database import SCHEMAS, Base
from operational_api.migrations.run import import_models

import_models()


def _ours(name: str | None, type_: str, _parents: object) -> bool:
    return type_ != "schema" or name in SCHEMAS


engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    connection.execute(text("create schema if not exists platform"))
    connection.execute(text("set lock_timeout = '5s'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        include_name=_ours,
        version_table_schema="platform",
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()

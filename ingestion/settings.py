"""Settings of the change capture process, from the environment with prefix PLYO_."""

from pydantic import SecretStr

from contracts.warehouse import WarehouseSettings


class CdcSettings(WarehouseSettings):
    """What change capture and its watch need: the source, and the lake as `lake_writer`.

    Args:
        cdc_url: libpq URL of the operational database as `plyo_cdc`, which may replicate and select.
        cdc_slot: Name of the replication slot that holds the write-ahead log for us; one per lake.
        cdc_publication: Name of the publication that says which tables and columns may leave the database.
        cdc_batch_changes: Changes asked for at once; a batch always ends with a transaction, so it may be larger.
        cdc_period_seconds: How often the stream looks for changes when it has caught up.
        cdc_heartbeat_seconds: A quiet source is noted in the lake this often, so that quiet is not taken for stale.
        cdc_objective_seconds: The lake is to hold everything that is older; ten times as old is an error.
    """

    cdc_url: SecretStr
    cdc_slot: str = "plyo_cdc"
    cdc_publication: str = "plyo_cdc"
    cdc_batch_changes: int = 250_000
    cdc_period_seconds: float = 0.15
    cdc_heartbeat_seconds: float = 10.0
    cdc_objective_seconds: float = 60.0

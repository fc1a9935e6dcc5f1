"""MoMo's settlement goes on to operations, whose books are compared with it: lines they have not got, or otherwise.

Landing files is `payments`; what a line does to the books is operations' own.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb

from orchestration.defs.payments import SETTLEMENTS
from orchestration.failures import TRY_AGAIN, judged
from orchestration.resources import Lake, OperationalApi

LINES_A_POST = 1_000
_HELD = """
    select id, arg_max(amount_minor, (_lsn, _seq)) as amount_minor, arg_max(fee_minor, (_lsn, _seq)) as fee_minor
    from raw.commerce__provider_movements where provider = 'momo' and _op not in ('d', 't') group by id
"""
_NONE_HELD = "select null::varchar as id, null::bigint as amount_minor, null::bigint as fee_minor where false"
# A corrected file repeats transactions of the one it corrects: the line landed last counts.
_NEWS = """
    select newest.kind, trans_id as transaction_id, order_id, original_trans_id as original_id, newest.amount_minor,
        coalesce(newest.fee_minor, 0) as fee_minor, currency, paid_at
    from (
        from raw.momo__settlements
        qualify
            row_number() over (partition by partner_code, trans_id, kind order by _batch_id desc, line_number desc) = 1
    ) as newest
    left join ({held}) as held on held.id = newest.kind || '-' || newest.trans_id
    where
        newest.status = 'succeeded'
        and (
            held.id is null
            or held.amount_minor <> newest.amount_minor
            or held.fee_minor <> coalesce(newest.fee_minor, 0)
        )
    order by newest.kind, paid_at, trans_id  -- payments before what gives them back
"""


@dg.asset(
    key=["activation", "momo_settlements"], deps=[["raw", SETTLEMENTS[0]]], group_name="activation",
    owners=["team:finance"], kinds={"http"}, retry_policy=TRY_AGAIN,
)  # fmt: skip
def momo_settlements(context: dg.AssetExecutionContext, lake: Lake, api: OperationalApi) -> dg.MaterializeResult[None]:
    """Hand on what operations have not got; running it again, once their change log has come, hands on nothing.

    What they have is read from their own table's change log, so lines of a post that never arrived are posted again.
    """
    with judged():
        with lake.reading() as connection:
            lines = list(news(connection))
        for start in range(0, len(lines), LINES_A_POST):
            api.post_settlement("momo", lines[start : start + LINES_A_POST])
    context.log.info(f"handed on {len(lines)} lines")
    return dg.MaterializeResult(metadata={"lines": len(lines)})


def news(connection: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """Lines of transactions that operations do not know, or know with another amount or fee, as the API reads them."""
    listed = connection.execute("select table_name from duckdb_tables() where database_name = 'raw'").fetchall()
    tables = {row[0] for row in listed}
    if SETTLEMENTS[0] not in tables:
        return
    held = _HELD if "commerce__provider_movements" in tables else _NONE_HELD
    found = connection.execute(_NEWS.format(held=held)).to_arrow_table()
    yield from found.to_pylist()

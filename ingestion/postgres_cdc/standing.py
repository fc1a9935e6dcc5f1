"""How the raw tables stand, remembered: what `progress` has of them, and what follows for a table of the source."""

from collections.abc import Iterable, Mapping

import duckdb

from ingestion.postgres_cdc import progress
from ingestion.postgres_cdc.land import RawTables
from ingestion.postgres_cdc.progress import TableState
from ingestion.postgres_cdc.relation import Relation


class Standing:
    """The states of the tables of one slot; what is set is written through to the lake."""

    def __init__(self, lake: duckdb.DuckDBPyConnection, raw: RawTables, slot: str) -> None:
        self._lake, self._raw, self._slot = lake, raw, slot
        self.refresh()

    def refresh(self) -> None:
        """Read them again, after a transaction that was rolled back or wrote them otherwise."""
        self.states: Mapping[str, TableState] = dict(progress.table_states(self._lake, self._slot))
        self._raw.gone = {raw_table: set(state.gone) for raw_table, state in self.states.items()}

    def get(self, raw_table: str) -> TableState | None:
        """The state of a table, None for one never seen."""
        return self.states.get(raw_table)

    def set(self, raw_table: str, state: TableState) -> None:
        """Note a new state, in the lake's transaction."""
        progress.set_state(self._lake, self._slot, raw_table, state)
        self.states = {**self.states, raw_table: state}

    def blocked(self) -> dict[str, str]:
        """Why a table's changes are not landed, for every table that is blocked now."""
        return {table: state.reason or "" for table, state in self.states.items() if state.state == "blocked"}

    def parked(self) -> dict[int, str]:
        """The blocked tables whose changes are put aside: raw name by oid."""
        blocked = ((table, state) for table, state in self.states.items() if state.state == "blocked")
        return {state.oid: table for table, state in blocked if state.lsn}

    @property
    def is_any_due(self) -> bool:
        """Whether a snapshot is to come, or was begun."""
        return any(state.state in ("due", "copying") for state in self.states.values())

    def due(self, relations: Iterable[Relation]) -> list[Relation]:
        """The tables that need a snapshot from the start."""

        def is_due(relation: Relation) -> bool:
            state = self.states.get(relation.raw_table)
            if state is None or state.state == "due":
                return True
            return state.state in ("live", "copying") and state.oid != relation.oid

        return [relation for relation in relations if is_due(relation)]

    def half(self, relations: Iterable[Relation]) -> list[tuple[Relation, TableState]]:
        """The tables of which a snapshot was begun."""
        known = ((relation, self.states.get(relation.raw_table)) for relation in relations)
        return [(r, state) for r, state in known if state and state.state == "copying" and state.oid == r.oid]

    def wanted_from(self, relation: Relation) -> int | None:
        """LSN from which a table's changes are landed; None: its snapshot, which is to come, will hold them."""
        state = self.states.get(relation.raw_table)
        if state is None or state.state not in ("live", "copying") or state.oid != relation.oid:
            return None
        return state.lsn

"""Random histories of awkward tables, and an independent judgement of what the lake made of them.

The judge shares no decoding with the capture: today's rows are compared through DuckDB's postgres scanner, and the
number of changes with what a second replication slot saw.
"""

import json
import random
import threading
from dataclasses import dataclass, field
from typing import Any

import psycopg

from contracts import warehouse
from ingestion.postgres_cdc.snapshot import source_attached
from ingestion.settings import CdcSettings

TABLES = """
    create type training.mood as enum ('fresh', 'tired', 'injured');
    create domain training.percentage as numeric(5, 2);
    create table training.kinds (
        id int primary key, small smallint, big bigint, single real, double double precision, price numeric(12, 3),
        exact numeric, flag boolean, body text, code varchar(20), padded char(5), ref uuid, happened_at timestamptz,
        local_at timestamp, day date, time_of_day time, document jsonb, tags text[], refs uuid[], counts int[],
        mood training.mood, moods training.mood[], share training.percentage, bytes bytea);
    alter table training.kinds alter body set storage external, alter document set storage external;
    create table training.pairs (name text, number int, body text, note text, primary key (name, number));
    alter table training.pairs alter body set storage external;
    create table training.loose (body text, number int);
"""
KEYS = {"kinds": ("id",), "pairs": ("name", "number"), "loose": ("body", "number")}
WORDS = ["", "plain", "ü ñ 漢字", "🏋️‍♀️ 100 kg", 'it\'s "quoted"', "tab\tnew\nline", "back\\slash", "NULL", "{a,b}", "é"]


@dataclass
class History:
    """Changes made one transaction at a time, the same for the same seed."""

    source: psycopg.Connection
    seed: int
    pick: random.Random = field(init=False)
    extra: int = 0

    def __post_init__(self) -> None:
        self.pick = random.Random(self.seed)

    def transaction(self) -> None:
        """Some changes together; now and then part of them is rolled back, or all."""
        with self.source.transaction():
            for _ in range(self.pick.randint(1, 6)):
                self.change()
            if self.pick.random() < 0.15:
                with self.source.transaction(force_rollback=True):
                    self.change()

    def change(self) -> None:
        """One statement."""
        choose = self.pick.choices(
            [self.insert, self.update, self.touch, self.delete, self.move, self.truncate, self.loose],
            [40, 20, 15, 10, 8, 0.7, 8],
        )[0]
        choose()

    def insert(self) -> None:
        values = self.kinds()
        names = ", ".join(values)
        self.source.execute(
            f"""insert into training.kinds (id, {names}) values (%(id)s, {", ".join(f"%({name})s" for name in values)})
                on conflict (id) do update set body = excluded.body""",
            values | {"id": self.pick.randint(1, 60)},
        )
        self.source.execute(
            "insert into training.pairs values (%s, %s, %s, %s) on conflict (name, number) do nothing",
            [self.word(), self.pick.randint(1, 8), self.long(), self.word()],
        )

    def update(self) -> None:
        name, value = self.pick.choice(list(self.kinds().items()))
        self.source.execute(
            f"update training.kinds set {name} = %s where id %% 7 = %s", [value, self.pick.randint(0, 6)]
        )

    def touch(self) -> None:
        """Leave long values alone: their bytes are not in the log."""
        number = self.pick.randint(1, 8)
        self.source.execute("update training.kinds set small = %s where id %% 8 = %s", [number, number])
        self.source.execute("update training.pairs set note = %s where number = %s", [self.word(), number])

    def delete(self) -> None:
        self.source.execute("delete from training.kinds where id = %s", [self.pick.randint(1, 60)])
        self.source.execute("delete from training.pairs where number = %s", [self.pick.randint(1, 8)])

    def move(self) -> None:
        """Change a key, to one that is free."""
        old, new = self.pick.sample(range(1, 60), 2)
        self.source.execute(
            "update training.kinds set id = %s where id = %s and not exists (select from training.kinds where id = %s)",
            [new, old, new],
        )
        self.source.execute(
            """update training.pairs p set number = number + 100 where number = %s
               and not exists (select from training.pairs q where q.name = p.name and q.number = p.number + 100)""",
            [self.pick.randint(1, 8)],
        )

    def truncate(self) -> None:
        self.source.execute(self.pick.choice(["truncate training.kinds, training.pairs", "truncate training.pairs"]))

    def loose(self) -> None:
        number = self.pick.randint(1, 10_000_000)
        self.source.execute("insert into training.loose values (%s, %s)", [self.word(), number])
        self.source.execute("update training.loose set number = number + 1 where number % 5 = 0")
        self.source.execute("delete from training.loose where number % 7 = 0")

    def add_column(self) -> None:
        """A column appears in mid-stream, with a value for the rows that are there."""
        self.extra += 1
        kind = self.pick.choice(["text default 'früher'", "int default 7", "int", "date default '2026-01-01'"])
        self.source.execute(f"alter table training.kinds add column extra_{self.extra} {kind}")

    def word(self) -> str:
        return self.pick.choice(WORDS)

    def long(self) -> str:
        return self.pick.choice(WORDS) + self.pick.randbytes(1100).hex() if self.pick.random() < 0.5 else "short"

    def kinds(self) -> dict[str, Any]:
        pick = self.pick
        number = pick.choice([0, 1, -1, pick.randint(-30_000, 30_000)])
        values: dict[str, Any] = {
            "small": number, "big": number * 10**12, "single": pick.choice(["NaN", "Infinity", number / 8]),
            "double": pick.choice(["-Infinity", "NaN", pick.random() * 10**pick.randint(-300, 300)]),
            "price": f"{pick.randint(-10**11, 10**11) / 1000:.3f}",
            "exact": pick.choice(["NaN", "0.000", "-12345678901234567890123456789.0123456", "1e-20", f"{number}.5"]),
            "flag": pick.random() < 0.5, "body": self.long(), "code": self.word()[:20], "padded": "ab",
            "ref": pick.randbytes(16).hex(),
            "happened_at": pick.choice(["infinity", "-infinity", "0044-03-15 BC", "2026-11-23 10:00:00.123456+07"]),
            "local_at": "1999-12-31 23:59:59.999999", "day": pick.choice(["infinity", "1969-12-31", "2026-02-28"]),
            "time_of_day": pick.choice(["24:00", "00:00", "12:34:56.789"]),
            "document": json.dumps({"note": self.long(), "n": number, "deep": [None, {"ü": self.word()}]}),
            "tags": pick.choice([[], [self.word(), None, self.word()], ["a,b", "{"]]),
            "refs": pick.choice([[], [pick.randbytes(16).hex()]]), "counts": [number, None],
            "mood": pick.choice(["fresh", "tired"]), "moods": pick.choice([[], ["injured", None]]),
            "share": f"{pick.randint(0, 10_000) / 100:.2f}", "bytes": pick.randbytes(pick.randint(0, 20)),
        }  # fmt: skip
        return {name: None if pick.random() < 0.15 else value for name, value in values.items()}


class Writer:
    """A thread that goes on with a history during a block.

    Args:
        every_seconds: Between two transactions.
        columns_every: A new column after so many transactions; 0: never.
    """

    def __init__(self, history: History, *, every_seconds: float, columns_every: int = 0) -> None:
        self._history, self._pause, self._columns_every = history, every_seconds, columns_every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        done = 0
        while not self._over.wait(self._pause):
            self._history.transaction()
            done += 1
            if self._columns_every and done % self._columns_every == 0:
                self._history.add_column()


def assert_equal(source: psycopg.Connection, settings: CdcSettings, table: str) -> int:
    """The newest rows of a table in the lake are the rows in the source, value by value. Returns how many.

    A table that is not one of these goes by its `id`.
    """
    keys = KEYS.get(table, ("id",))
    with warehouse.reading(settings) as lake, source_attached(lake, settings.cdc_url.get_secret_value()):
        names = [row[0] for row in lake.execute(f"describe cdc_source.training.{table}").fetchall()]
        # What the scanner reads otherwise, or not at all.
        casts = {"exact": "text", "moods": "text[]", "share": "numeric(5, 2)"}
        sent = ", ".join(f"{name}::{casts[name]} as {name}" if name in casts else name for name in names)
        there = f"select {', '.join(names)} from postgres_query('cdc_source', 'select {sent} from training.{table}')"
        key = ", ".join(keys)
        here = f"""select {", ".join(names)} from raw.training__{table}
                   qualify row_number() over (partition by {key} order by _lsn desc, _seq desc) = 1 and _op <> 'd'"""
        missing = lake.execute(f"({there}) except all ({here})").fetchall()
        wrong = lake.execute(f"({here}) except all ({there})").fetchall()
        assert _differences(names, keys, missing, wrong) == []
        return int(lake.execute(f"select count(*) from ({here})").fetchone()[0])


def _differences(names: list[str], key: tuple[str, ...], there: list[Any], here: list[Any]) -> list[Any]:
    # Short enough to read: the values that differ, or the key of a row that only one side has.
    at = [names.index(name) for name in key]
    found = {tuple(row[i] for i in at): row for row in here}
    told: list[Any] = []
    for row in there:
        other = found.pop(tuple(row[i] for i in at), None)
        told.append(
            [(n, str(a)[:60], str(b)[:60]) for n, a, b in zip(names, row, other, strict=True) if str(a) != str(b)]
            if other
            else ("not in the lake", [row[i] for i in at])
        )
    return told + [("only in the lake", list(row)) for row in found]


class Witness:
    """Counts the changes that really were made, through a slot of its own. Begins when it is made."""

    def __init__(self, source: psycopg.Connection, name: str) -> None:
        self._source, self._name = source, name
        source.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])

    def changes(self, table: str) -> dict[str, int]:
        """Inserts and updates of a table of `training`."""
        rows = self._source.execute(
            """select chr(get_byte(data, 0)), count(*)
               from pg_logical_slot_peek_binary_changes(%s, null, null, 'proto_version', '1',
                                                        'publication_names', 'plyo_cdc')
               where chr(get_byte(data, 0)) in ('I', 'U') and length(data) > 5
                 and ('x' || encode(substr(data, 2, 4), 'hex'))::bit(32)::bigint
                     = %s::regclass::oid::bigint group by 1""",
            [self._name, f"training.{table}"],
        )
        return {kind.lower(): count for kind, count in rows}


def assert_exactly_once(settings: CdcSettings, witness: Witness, table: str) -> None:
    """Every insert and update is in the lake once, and no two rows claim the same place."""
    with warehouse.reading(settings) as lake:
        landed = dict(
            lake.execute(
                f"select _op, count(*)::int from raw.training__{table} where _op in ('i', 'u') group by 1"
            ).fetchall()
        )
        key = ", ".join(KEYS[table])
        repeated = lake.execute(
            f"select _lsn, _seq, {key} from raw.training__{table} where _op <> 'r' group by all having count(*) > 1"
        ).fetchall()
    assert repeated == []
    assert landed == witness.changes(table)

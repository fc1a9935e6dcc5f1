"""A copy of all that is known of one person, as a ZIP: each table as JSON for programs and as CSV for people, their
files as they are, and a page that says what is what, and what is not here and why.

What is given is decided in `core.personal`; nothing of a copy is held in memory as a whole.
"""

import base64
import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from pydantic_core import to_jsonable_python
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session, sessionmaker

from contracts.sealing import SealBroken, Sealer
from operational_api.core import spreadsheet
from operational_api.core.objects import ObjectMissing, ObjectStore
from operational_api.core.parcels import Writer
from operational_api.core.personal import Contribution, Person, PersonalFile, rows_of

README = """Your data
=========

This is what Plyo knows of you, as of {made_at:%-d %B %Y, %H:%M} UTC.

Each folder is a part of Plyo. Each table is there twice: as .json for programs (a list of objects) and as .csv for a
spreadsheet. Times are in UTC, amounts in the smallest unit of their currency, weights in kilograms. An empty table is
left out. manifest.json lists every file with its size and its SHA-256.

What is here
------------
{here}

What is not here, and why
-------------------------
{absent}
"""


@dataclass
class Contents:
    """What a copy has in it. `lost`: files that were removed while it was made, or cannot be opened."""

    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    file_count: int = 0

    @property
    def row_count(self) -> int:
        """Of all tables."""
        return sum(self.rows.values())


def write(
    target: Writer,
    person: Person,
    contributions: Sequence[Contribution],
    *,
    sessions: sessionmaker[Session],
    store: ObjectStore,
    sealer: Sealer | None,
    now: datetime,
) -> Contents:
    """Write the copy.

    Args:
        sessions: Of the system. Tables are read in one transaction, files after it.

    Raises:
        StoreUnavailable: nothing that was written counts.
    """
    found, listed = Contents(), list[tuple[str, PersonalFile]]()
    with ZipFile(target, "w", compression=ZIP_DEFLATED, allowZip64=True) as archive:
        with sessions.begin() as session:
            for each in contributions:
                for name in each.tables:
                    _table(archive, session, each, name, person, found, sealer, now)
                listed += [(f"{each.schema}/{one.name}", one) for one in each.files(session, person)]
        for path, file in listed:
            _file(archive, path, file, found, store, sealer, now)
        readme = README.format(made_at=now.astimezone(UTC), here=_here(found), absent=_absent(contributions))
        with _entry(archive, "README.txt", found, now) as to:
            to.write(readme.encode())
        manifest = {
            "account_id": str(person.account_id), "made_at": now.isoformat(), "rows": found.rows,
            "files": found.files, "lost": found.lost,
        }  # fmt: skip
        with _entry(archive, "manifest.json", found, now) as to:
            to.write(json.dumps(manifest, indent=1).encode())
    return found


def _table(
    archive: ZipFile, session: Session, of: Contribution, name: str, person: Person, found: Contents,
    sealer: Sealer | None, now: datetime,
) -> None:  # fmt: skip
    result = session.execute(rows_of(of, name, person), execution_options={"yield_per": 500})
    rows = iter(result.mappings())
    first = next(rows, None)
    if first is None:
        return
    path, sealed, count = f"{of.schema}/{name}", of.tables[name].sealed, 0
    with TemporaryFile() as aside:  # a ZIP takes one file at a time
        text = io.TextIOWrapper(aside, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text)
        table.writerow(first)
        with _entry(archive, f"{path}.json", found, now) as to:
            for row in _all(first, rows):
                plain = _plain(row, sealed, sealer)
                to.write(b"[\n" if count == 0 else b",\n")
                to.write(json.dumps(plain, ensure_ascii=False).encode())
                table.writerow([_cell(value) for value in plain.values()])
                count += 1
            to.write(b"\n]\n")
        text.detach()
        aside.seek(0)
        with _entry(archive, f"{path}.csv", found, now) as to:
            copyfileobj(aside, to)
    found.rows[path] = count


def _all(first: RowMapping, rest: Iterator[RowMapping]) -> Iterator[RowMapping]:
    yield first
    yield from rest


def _plain(row: RowMapping, sealed: frozenset[str], sealer: Sealer | None) -> dict[str, Any]:
    """A row as JSON has it. Numbers with a point are exact, and so they are text."""
    opened = {name: _opened(value, sealer) if name in sealed else value for name, value in row.items()}
    plain: dict[str, Any] = to_jsonable_python(opened, bytes_mode="base64")
    return plain


def _opened(value: bytes | None, sealer: Sealer | None) -> Any:
    if value is None:
        return None
    try:
        content = sealer.open(value) if sealer else value
        return json.loads(content)
    except SealBroken:
        return "sealed with a key that is gone"
    except ValueError:  # a file of a watch, which is no JSON
        return base64.b64encode(content).decode()


def _cell(value: Any) -> str:
    return spreadsheet.cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)


def _file(
    archive: ZipFile, path: str, file: PersonalFile, found: Contents, store: ObjectStore, sealer: Sealer | None,
    now: datetime,
) -> None:  # fmt: skip
    try:
        pieces = file.pieces(store, sealer)
    except (ObjectMissing, SealBroken):
        found.lost.append(path)
        return
    with _entry(archive, path, found, now, compression=ZIP_STORED) as to:  # pictures and videos are as small as can be
        for piece in pieces:
            to.write(piece)
    found.file_count += 1


class _Measured(io.RawIOBase):
    """Writes through, and knows what it was."""

    def __init__(self, to: IO[bytes]) -> None:
        self._to, self._digest, self.size = to, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._to.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def told(self) -> dict[str, Any]:
        return {"bytes": self.size, "sha256": self._digest.hexdigest()}


@contextmanager
def _entry(
    archive: ZipFile, path: str, found: Contents, now: datetime, *, compression: int = ZIP_DEFLATED
) -> Iterator[_Measured]:
    info = ZipInfo(path, now.astimezone(UTC).timetuple()[:6])
    info.compress_type, info.external_attr = compression, 0o600 << 16
    with archive.open(info, "w", force_zip64=True) as to:
        measured = _Measured(to)
        yield measured
    found.files[path] = measured.told()


def _here(found: Contents) -> str:
    lines = [f"{path}: {count} {'row' if count == 1 else 'rows'}" for path, count in found.rows.items()]
    if found.file_count:
        lines.append(f"pictures, letters and videos: {found.file_count}")
    return "\n".join(lines) or "Nothing."


def _absent(contributions: Sequence[Contribution]) -> str:
    return "\n".join(f"{each.schema}/{name}: {why}" for each in contributions for name, why in each.withheld.items())

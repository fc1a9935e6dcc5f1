"""MoMo's settlement files, put into a folder or a bucket: every good line in raw once, every other with its reason.

What the lines of a file are is `momo_settlement`; finding files and landing each once is here. A file is known by the
hash of its content, so a copy under another name lands nothing; a corrected file lands beside the one it corrects, and
dbt takes the newest line of a transaction. Payments through MoMo's API belong to the operational API.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from fsspec.core import url_to_fs

from ingestion.batch import Batch
from ingestion.payments import momo_settlement
from ingestion.payments.settings import MomoSettings

_KEY = ("file_hash", "line_number")


class Momo:
    """The connector. The cursor is JSON: the files that were landed and are still there, each with its state then."""

    name = "momo"
    streams: Sequence[str] = ("settlements",)
    tables: Mapping[str, pa.Schema] = {
        "momo__settlements": momo_settlement.SETTLEMENTS,
        "momo__settlement_rejections": momo_settlement.REJECTIONS,
    }

    def __init__(self, settings: MomoSettings) -> None:
        """Nothing is opened yet."""
        self._settings = settings

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:  # noqa: ARG002
        """Files that are new or other than they were. See `Connector`.

        Raises:
            FileNotFoundError: there is no such folder.
        """
        done: dict[str, str] = json.loads(cursor) if cursor else {}
        files, states = self._files()
        done = {name: state for name, state in done.items() if name in states}
        for name, state in states.items():
            if done.get(name) == state:
                continue
            done[name] = state
            yield from self._landed(files, name, json.dumps(done, sort_keys=True))

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:  # noqa: ARG002
        """Files that were last written in the span. See `Connector`."""
        files, states = self._files()
        for name in states:
            written: datetime = files.modified(name)
            if start <= (written if written.tzinfo else written.replace(tzinfo=UTC)) < end:
                yield from self._landed(files, name, None)

    def _files(self) -> tuple[Any, dict[str, str]]:
        files, root = url_to_fs(self._settings.settlements_url, **self._settings.storage_options)
        if not files.exists(root):
            raise FileNotFoundError(f"there is no folder {self._settings.settlements_url}")
        files.invalidate_cache()
        found = sorted(name for name in files.find(root) if name.lower().endswith(".csv"))
        return files, {name: str(files.ukey(name))[:16] for name in found}

    @staticmethod
    def _landed(files: Any, name: str, cursor: str | None) -> Iterator[Batch]:
        content: bytes = files.cat_file(name)
        file_hash = hashlib.sha256(content).hexdigest()
        read = momo_settlement.read(content, file_hash=file_hash, file_name=name.rsplit("/", 1)[-1])
        yield Batch("momo__settlement_rejections", read.rejections, _KEY)
        yield Batch("momo__settlements", read.settlements, _KEY, cursor)

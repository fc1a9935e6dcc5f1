"""Where trained models live: one folder a model, named by the hash of what made it, and a pointer to the current one.

A model id is the hash of code, parameters, data and seed, so training the same thing twice makes nothing new. Folders
appear whole or not at all; the pointer is replaced in one step and remembers what it pointed to, so it can go back.
Belongs here: identity, storage, promotion. Does not: what a model is or how good it is.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class NoModel(LookupError):
    """No model has been promoted yet: train one first."""


def code_hash(*folders: Path) -> str:
    """Hash of all Python files of these folders: names and contents."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def model_id(question: str, *, code: str, parameters: Mapping[str, Any], data: str, seed: int) -> str:
    """`<question>-<12 hex digits>`: the same for the same code, parameters, data and seed, otherwise another."""
    told = json.dumps([code, dict(parameters), data, seed], sort_keys=True, default=str)
    return f"{question}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Registry:
    """The models of one question below one folder.

    Args:
        root: PLYO_ML_PATH; made when first written to.
        question: What the models answer, e.g. `churn`; one pointer each.
    """

    root: Path
    question: str

    def folder(self, model_id: str) -> Path:
        """Where the model's artefacts are, whether or not they are there yet."""
        return self.root / model_id

    def has(self, model_id: str) -> bool:
        return self.folder(model_id).is_dir()

    def save(self, model_id: str, write: Callable[[Path], None]) -> Path:
        """Keep a model: `write` fills an empty folder, which then appears under its id in one step.

        A model already there is left as it is: the same id means the same model.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{model_id}.", dir=self.root))
        try:
            write(partial)
            partial.chmod(0o755)
            partial.rename(self.folder(model_id))
        except OSError:
            if not self.has(model_id):  # else: another process finished the same model first
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return self.folder(model_id)

    def current(self) -> str:
        """Id of the promoted model.

        Raises:
            NoModel: none was ever promoted, or the folder it points to is gone.
        """
        promoted = self._pointer().get("model_id")
        if promoted is None:
            raise NoModel(f"No {self.question} model has been promoted yet: train one first.")
        if not self.has(promoted):
            raise NoModel(f"The current {self.question} model {promoted} is missing in {self.root}: train again.")
        return str(promoted)

    def promote(self, model_id: str) -> None:
        """Make a saved model the current one. Does nothing when it is already.

        Raises:
            NoModel: no model of that id is saved.
        """
        if not self.has(model_id):
            raise NoModel(f"There is no model {model_id} in {self.root}.")
        pointer = self._pointer()
        if pointer.get("model_id") == model_id:
            return
        earlier = [pointer["model_id"], *pointer["earlier"]] if pointer else []
        self._point({"model_id": model_id, "promoted_at": datetime.now(UTC).isoformat(), "earlier": earlier[:20]})

    def roll_back(self) -> str:
        """Make the model before the current one current again; returns its id.

        Raises:
            NoModel: there is none before it whose folder is still there.
        """
        earlier = [one for one in self._pointer().get("earlier", []) if self.has(one)]
        if not earlier:
            raise NoModel(f"There is no earlier {self.question} model to go back to.")
        self._point({"model_id": earlier[0], "promoted_at": datetime.now(UTC).isoformat(), "earlier": earlier[1:]})
        return str(earlier[0])

    @property
    def _file(self) -> Path:
        return self.root / f"{self.question}.current.json"

    def _pointer(self) -> dict[str, Any]:
        try:
            pointer: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return pointer

    def _point(self, pointer: dict[str, Any]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.root, prefix=f".{self.question}.", delete=False) as file:
            json.dump(pointer, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, self._file)

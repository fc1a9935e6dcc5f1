"""The state folder: where everything of one copy of Plyo lives, its secrets and its ports."""

import hashlib
import json
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from plyo import objects
from plyo.postgres import free_port

PREFERRED_GATEWAY_PORT = 8400
SECRET_NAMES = (
    "postgres", "plyo_owner", "plyo_api", "plyo_cdc", "lake_writer", "lake_reader", "dagster", "session",
    "stripe_key", "stripe_webhook", "coach_client", "admin_client", "app_client", "activation_client",
    "coach_cookie", "admin_cookie", "ctx_identity", "ctx_commerce", "ctx_training", "ctx_scheduling",
    "ctx_engagement", "ctx_automation", "ctx_compliance", "ctx_integrations", "health_data", "factors",
    "audit_writer", "valkey", "supervisor_client", "signing_seal", "objects", "momo",
    "answers",
)  # fmt: skip
PREFIXES = {"stripe_key": "sk_test_", "stripe_webhook": "whsec_"}
PORT_NAMES = (
    "postgres", "api", "analytics", "dagster", "dagster_code", "coach", "admin", "stripe", "mailbox", "smtp", "valkey",
    "gateway_tls", "momo", *objects.PORT_NAMES,
)  # fmt: skip


class BrokenHome(RuntimeError):
    """A file of the state folder cannot be read; the message names it and says what to do."""


@dataclass(frozen=True)
class Home:
    """One state folder.

    Args:
        path: The folder; `.plyo` beside the code, or `PLYO_HOME`.
    """

    path: Path

    @classmethod
    def find(cls) -> "Home":
        """The folder that `PLYO_HOME` names, else `.plyo` in the checkout."""
        return cls(Path(os.environ.get("PLYO_HOME") or checkout() / ".plyo").expanduser().resolve())

    @property
    def stack_id(self) -> str:
        """Marks every process of this copy in its environment: none is missed, no other copy's is touched."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:16]

    @property
    def postgres(self) -> Path:
        return self.path / "postgres" / "data"

    @property
    def lake(self) -> Path:
        return self.path / "lake"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def events(self) -> Path:
        """Progress of the present start, one JSON object a line."""
        return self.run / "events.jsonl"

    @property
    def state(self) -> Path:
        """What runs where, written by the supervisor."""
        return self.run / "state.json"

    @property
    def signing_key(self) -> Path:
        return self.path / "secrets" / "signing_key.pem"

    def prepare(self) -> None:
        """Make the folder and its parts; a fresh one gets its own secrets."""
        self.path.mkdir(parents=True, exist_ok=True)
        for folder in (
            self.logs,
            self.run,
            self.lake / "raw",
            self.lake / "marts",
            self.path / "ml",
            self.path / "stripe",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        (self.path / "secrets").mkdir(mode=0o700, exist_ok=True)
        if not self.signing_key.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            _write_private(self.signing_key, pem.decode())

    def secrets(self) -> dict[str, str]:
        """Every password and secret of this copy by name; missing ones are made and kept."""
        file = self.path / "secrets" / "secrets.json"
        known: dict[str, str] = read_json(file) or {}
        missing = [name for name in SECRET_NAMES if name not in known]
        if missing:
            known |= {name: PREFIXES.get(name, "") + secrets.token_hex(24) for name in missing}
            _write_private(file, json.dumps(known, indent=2))
        return known

    def ports(self) -> dict[str, int]:
        """Ports of this copy by process name; chosen free the first time, kept while nobody else has taken them."""
        file = self.path / "ports.json"
        known: dict[str, int] = read_json(file) or {}
        wanted = dict(known)
        if not _is_free(wanted.get("gateway", 0)):
            first = int(os.environ.get("PLYO_PORT", PREFERRED_GATEWAY_PORT))
            wanted["gateway"] = next(port for port in range(first, 65000) if _is_free(port))
        for name in PORT_NAMES:
            if not _is_free(wanted.get(name, 0)):
                wanted[name] = _free_port_outside(set(wanted.values()))
        if wanted != known:
            write_json(file, wanted)
        return wanted

    def ports_in_use(self) -> dict[str, int]:
        """Ports as they were chosen at the last start, whoever listens on them now."""
        known: dict[str, int] = read_json(self.path / "ports.json") or {}
        return known

    def remove(self) -> None:
        """Delete the folder and all data in it."""
        shutil.rmtree(self.path, ignore_errors=False)


def checkout() -> Path:
    """Root of the source tree that this package was loaded from."""
    return Path(__file__).resolve().parent.parent


def read_json(file: Path) -> Any:
    """Content of a JSON file of ours, None where there is none.

    Raises:
        BrokenHome: it is there and cannot be read as JSON.
    """
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        # Only the secrets cannot be made anew: the databases know them. Nobody should reset a business for the rest.
        advice = (
            "Put it back from a backup, or start over with `plyo reset`."
            if file.parent.name == "secrets"
            else "Delete it: it is made anew and nothing is lost."
        )
        raise BrokenHome(f"{file} cannot be read ({error}). {advice}") from error


def write_json(file: Path, value: object) -> None:
    """Replace a JSON file at once: a reader sees the old one or the new one, also after a crash."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".tmp")
    with fresh.open("w") as stream:
        stream.write(json.dumps(value, indent=2))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _write_private(file: Path, text: str) -> None:
    fresh = file.with_suffix(".tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port_outside(taken: set[int]) -> int:
    while (port := free_port()) in taken:
        continue
    return port

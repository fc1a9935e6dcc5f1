"""Asks clamd whether a file is harmful, by its INSTREAM protocol: the file is sent in pieces, one answer comes back.

clamd needs no access to our disk, and we none of its libraries.
"""

import socket
from typing import BinaryIO
from urllib.parse import urlsplit

from operational_api.core.errors import Unavailable

PIECE_BYTES = 64 * 1024
TIMEOUT_SECONDS = 60
NONE = "none"
CLEAN, NOT_SCANNED = "clean", "not_scanned"


class ScannerUnavailable(Unavailable):
    """Files cannot be checked for viruses right now. Nothing was lost; it is tried again."""


class Harmful(Exception):
    """Something is in a file that nobody should open; the text is clamd's name for it."""


def judge(setting: str, content: BinaryIO) -> str:
    """Look at a file as `PLYO_MEDIA_SCANNER` says: `clean`, or `not_scanned` where it says that nobody does.

    Raises:
        Harmful: it is.
        ScannerUnavailable: nobody could look, or nobody decided whether somebody should.
    """
    if setting == NONE:
        return NOT_SCANNED
    if not setting:
        raise ScannerUnavailable("PLYO_MEDIA_SCANNER says neither a scanner nor none")
    if found := scan(setting, content):
        raise Harmful(found)
    return CLEAN


def scan(address: str, content: BinaryIO) -> str | None:
    """The name of what is harmful in a file, None where clamd found nothing.

    Args:
        address: `unix:/path` or `tcp://host:port`.

    Raises:
        ScannerUnavailable: clamd does not answer, or not that it looked at all of the file.
    """
    try:
        with _connect(address) as connection:
            connection.sendall(b"zINSTREAM\0")
            while piece := content.read(PIECE_BYTES):
                connection.sendall(len(piece).to_bytes(4, "big") + piece)
            connection.sendall(bytes(4))
            answer = _answer(connection)
    except OSError as error:
        raise ScannerUnavailable from error
    if answer == "stream: OK":
        return None
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        return answer.removeprefix("stream: ").removesuffix(" FOUND")
    raise ScannerUnavailable(f"The scanner said: {answer[:200]}")


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(parts.path)
        return connection
    if parts.scheme != "tcp" or not parts.hostname or not parts.port:
        raise ScannerUnavailable(f"{address} is no address of a scanner: unix:/path or tcp://host:port")
    return socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT_SECONDS)


def _answer(connection: socket.socket) -> str:
    said = b""
    while not said.endswith(b"\0"):
        piece = connection.recv(4096)
        if not piece or len(said) > 4096:
            break
        said += piece
    return said.rstrip(b"\0").decode(errors="replace").strip()

"""Passwords that attackers try first, asked for by prefix: whoever answers learns five digits of a hash, no password.

The list is a text file in ascending order of one SHA-1 a line, in upper-case hexadecimal. A line may hold only the
first digits of its hash (14 and more) and may go on with `:count`; so the file shipped beside this module
(`breached_passwords.txt`, 56 bits of each of the 11,611 passwords in `common_passwords.txt`) and Have I Been Pwned's
complete list ordered by hash are read alike. A larger one is put in place by `PLYO_BREACHED_PASSWORDS_FILE`: it is
searched by bisection where it lies, whatever its size.

`python -m operational_api.identity.breached build <passwords.txt> <list.txt>` makes a list of passwords, one a line.
"""

import argparse
import hashlib
import mmap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

SHIPPED = Path(__file__).parent / "breached_passwords.txt"
PREFIX = 5
_KEPT = 14


class BreachedSettings(BaseSettings):
    """Environment of whoever sets passwords."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore", env_ignore_empty=True)

    breached_passwords_file: Path = SHIPPED


@cache
def _settings() -> BreachedSettings:
    return BreachedSettings()


def _digest(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def suffixes(prefix: str, *, file: Path | None = None) -> Iterator[str]:
    """What follows the prefix in each hash of the list that begins with it.

    Args:
        prefix: Five digits, upper case.
        file: Another list than the one of the settings.
    """
    file = file or _settings().breached_passwords_file
    wanted = prefix.encode()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        low, high = 0, len(lines)
        while low < high:  # the start of the first line that is not before the prefix lies in [low, high]
            middle = lines.rfind(b"\n", 0, (low + high) // 2) + 1
            if lines[middle : middle + PREFIX] < wanted:
                low = _after(lines, middle)
            else:
                high = middle
        while lines[low : low + PREFIX] == wanted:
            after = _after(lines, low)
            yield lines[low + PREFIX : after].decode().strip().partition(":")[0]
            low = after


def is_breached(password: str, *, file: Path | None = None) -> bool:
    """Whether the password is on the list."""
    digest = _digest(password)
    return any(digest.startswith(suffix, PREFIX) for suffix in suffixes(digest[:PREFIX], file=file))


def build(passwords: Path, target: Path) -> int:
    """Write the list of the passwords in a file, one a line; returns how many there are."""
    digests = sorted({_digest(line)[:_KEPT] for line in passwords.read_text().split()})
    target.write_text("".join(f"{digest}\n" for digest in digests))
    return len(digests)


def _after(lines: mmap.mmap, at: int) -> int:
    end = lines.find(b"\n", at)
    return len(lines) if end < 0 else end + 1


def main() -> None:
    """Build a list."""
    parser = argparse.ArgumentParser(prog="python -m operational_api.identity.breached", description=build.__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("build")
    command.add_argument("passwords", type=Path)
    command.add_argument("target", type=Path)
    given = parser.parse_args()
    print(f"{build(given.passwords, given.target)} passwords")  # noqa: T201


if __name__ == "__main__":
    main()

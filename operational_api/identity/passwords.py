"""Passwords: what we accept and how they are kept. Length and commonness count; composition rules do not exist.

`common_passwords.txt`: the passwords of 8 and more characters among the 30,000 most common, from zxcvbn's frequency
list (MIT licence, built from leaked passwords). `breached` makes the list that is asked from it.
"""

import re
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic_settings import BaseSettings, SettingsConfigDict

from operational_api.identity import breached
from operational_api.identity.errors import BadPassword

SHORTEST, LONGEST = 8, 128
CONTEXT_WORDS = ("plyo", "trainer", "training", "coach", "studio", "fitness", "workout", "admin", "password")
"""Words that anybody who knows whose sign-in this is tries first: a password of nothing else is refused."""


class PasswordSettings(BaseSettings):
    """How much work a guess is (RFC 9106's second choice). Less only where passwords protect nobody, as in tests."""

    model_config = SettingsConfigDict(env_prefix="PLYO_ARGON2_", extra="ignore")

    memory_kib: int = 65536
    passes: int = 3
    lanes: int = 4


@cache
def _hasher() -> PasswordHash:
    work = PasswordSettings()
    return PasswordHash((Argon2Hasher(time_cost=work.passes, memory_cost=work.memory_kib, parallelism=work.lanes),))


@cache
def _nobody() -> str:
    return _hasher().hash("nobody has this password")


def check(password: str, *, email: str) -> None:
    """Refuse a password that is guessed early.

    Raises:
        BadPassword: shorter than 8 or longer than 128 characters, known from a breach, of hardly any different signs,
            made of our own words, or the person's own address.
    """
    if len(password) < SHORTEST:
        raise BadPassword(f"Use at least {SHORTEST} characters. A few words in a row are easy to remember.")
    if len(password) > LONGEST:
        raise BadPassword(f"Use at most {LONGEST} characters.")
    low = password.lower()
    is_known = any(breached.is_breached(one) for one in {password, low})
    own = re.sub("|".join(CONTEXT_WORDS), "", re.sub(r"[\W\d_]", "", low))
    if is_known or len(set(low)) < 3 or (len(own) < 3 and any(word in low for word in CONTEXT_WORDS)):
        raise BadPassword("That password is one of the first that anybody tries. Choose another.")
    if low in (email.lower(), email.lower().partition("@")[0]):
        raise BadPassword("Your e-mail address is not a secret. Choose another password.")


def hashed(password: str) -> str:
    """Argon2id, with its parameters and salt in the string."""
    return _hasher().hash(password)


def verify(password: str, known: str | None) -> tuple[bool, str | None]:
    """Whether the password is right, and a better hash to keep when the known one has outdated parameters.

    Takes as long for `known=None`, so that time does not tell who has an account.
    """
    is_right, better = _hasher().verify_and_update(password[: LONGEST + 1], known or _nobody())
    return is_right and known is not None, better

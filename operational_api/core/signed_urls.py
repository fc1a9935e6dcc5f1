"""Addresses that open one thing for one person for a few minutes, for what fetches without cookies or tokens.

A folder's signature opens all files in it, for as long as people watch what they opened: a player asks for hundreds.

HMAC-SHA256 over method, path, expiry and subject, with the id of its key: a new key is put first and signs from then
on, the old one stays until its last address is over (five minutes), then goes, and nothing it signed opens any more.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import SecretStr

from operational_api.core.errors import Forbidden
from operational_api.core.principal import maybe_principal

LONGEST = timedelta(minutes=5)
LONGEST_FOLDER = timedelta(hours=1)
_FOLDER = "FOLDER"
"""Stands where a method does: no address of one thing is one of a folder."""
_CONTEXT = b"plyo signed url 1"


class BadSignedUrl(Forbidden):
    """This link is not valid: it is too old, was changed, or was made for somebody else. Ask for a new one."""


class UrlSigner:
    """Makes and checks signed addresses.

    Args:
        keys: Secret by key id, in order: the first signs, all are believed.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self._current = next(iter(self._keys))

    @classmethod
    def from_setting(cls, setting: SecretStr, *, fallback: SecretStr) -> "UrlSigner":
        """Keys out of `id:secret,id:secret`; without any, one made from the fallback."""
        told = setting.get_secret_value()
        if not told:
            return cls({"s0": hashlib.sha256(_CONTEXT + fallback.get_secret_value().encode()).digest()})
        pairs = [pair.strip().partition(":") for pair in told.split(",")]
        if any(not id_ or len(secret) < 32 for id_, _, secret in pairs):
            raise ValueError("url_signing_keys is `id:secret,…` with secrets of 32 characters or more")
        return cls({id_: secret.encode() for id_, _, secret in pairs})

    def sign(
        self, path: str, *, subject: str, now: datetime, method: str = "GET", lifetime: timedelta = LONGEST
    ) -> str:
        """The path with its query.

        Args:
            path: Without a query: what is signed takes no other parameters.
            subject: Whom it is made for.
            lifetime: At most five minutes.
        """
        return f"{path}?{self._query(method, path, subject, now + min(lifetime, LONGEST))}"

    def sign_folder(self, folder: str, *, subject: str, now: datetime) -> str:
        """The query that opens every file of a folder for an hour.

        Args:
            folder: With the slash at its end; files in folders below it are not opened.
        """
        return self._query(_FOLDER, folder, subject, now + LONGEST_FOLDER)

    def check_folder(self, path: str, query: Mapping[str, str], *, now: datetime) -> str:
        """The subject of the signature of the folder that a file is in.

        Raises:
            BadSignedUrl: it is not whole or not in time.
        """
        return self._checked(_FOLDER, f"{path.rpartition('/')[0]}/", query, now=now, longest=LONGEST_FOLDER)

    def check(self, method: str, path: str, query: Mapping[str, str], *, now: datetime) -> str:
        """The subject of an address that is whole and in time.

        Raises:
            BadSignedUrl: anything else, whichever part of it.
        """
        return self._checked(method, path, query, now=now, longest=LONGEST)

    def _query(self, method: str, path: str, subject: str, until: datetime) -> str:
        expires = int(until.timestamp())
        signature = self._signature(self._current, method, path, expires, subject)
        return urlencode({"exp": expires, "sub": subject, "kid": self._current, "sig": signature})

    def _checked(self, method: str, path: str, query: Mapping[str, str], *, now: datetime, longest: timedelta) -> str:
        if query.keys() != {"exp", "sub", "kid", "sig"} or not query["exp"].isdecimal() or len(query["exp"]) > 12:
            raise BadSignedUrl
        expires = int(query["exp"])
        if query["kid"] not in self._keys:
            raise BadSignedUrl
        expected = self._signature(query["kid"], method, path, expires, query["sub"])
        if not hmac.compare_digest(expected.encode(), query["sig"].encode()):
            raise BadSignedUrl
        if not 0 < expires - now.timestamp() <= longest.total_seconds():
            raise BadSignedUrl
        return query["sub"]

    def _signature(self, key_id: str, method: str, path: str, expires: int, subject: str) -> str:
        # Each part with its length, so that no two addresses have one text.
        parts = (key_id, method, path, str(expires), subject)
        text = _CONTEXT + b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        digest = hmac.new(self._keys[key_id], text, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def signer(request: Request) -> UrlSigner:
    """The app's."""
    found: UrlSigner = request.app.state.url_signer
    return found


def _query_of(
    request: Request,
    exp: Annotated[str, Query(max_length=12, description="Seconds since 1970.")],
    sub: Annotated[str, Query(max_length=64, description="Whom the address was made for.")],
    kid: Annotated[str, Query(max_length=16, description="Which key signed it.")],
    sig: Annotated[str, Query(max_length=64)],
) -> dict[str, str]:
    query = {"exp": exp, "sub": sub, "kid": kid, "sig": sig}
    if len(request.query_params.multi_items()) != len(query):
        raise BadSignedUrl
    return query


_Signed = Annotated[dict[str, str], Depends(_query_of)]


def _subject(request: Request, query: _Signed) -> str:
    subject = signer(request).check(request.method, request.url.path, query, now=datetime.now(UTC))
    return _is_theirs(request, subject)


def _folder_subject(request: Request, query: _Signed) -> str:
    subject = signer(request).check_folder(request.url.path, query, now=datetime.now(UTC))
    return _is_theirs(request, subject)


def _is_theirs(request: Request, subject: str) -> str:
    principal = maybe_principal(request)
    if principal is not None and principal.key != subject:
        raise BadSignedUrl
    return subject


SignedSubject = Annotated[str, Depends(_subject)]
"""For whom the request's address was made. Refused too when somebody else is known to ask with it."""

SignedFolderSubject = Annotated[str, Depends(_folder_subject)]
"""The same, of the folder that the file asked for is in."""

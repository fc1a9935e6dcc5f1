"""Where bytes lie that are too large for rows: one private, versioned bucket of an S3 server. Knows no context.

Whoever may have an object is decided before it is asked for here: nothing in the bucket is public, and no address of
the store leaves Plyo.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, BinaryIO

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import Request
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from operational_api.core.errors import Unavailable

CHUNK_BYTES = 256 * 1024
RULES = [
    {
        "ID": "unfinished-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
    },
    {
        "ID": "former-versions", "Status": "Enabled", "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    },
]  # fmt: skip
"""What the store itself clears away: uploads that nobody finished or gave up, and what was overwritten or deleted."""


class StoreUnavailable(Unavailable):
    """Files cannot be reached right now. Nothing was lost; try again in a minute."""


class ObjectMissing(LookupError):
    """There is no such object, or no such upload under way."""


class ObjectSettings(BaseSettings):
    """Environment with the prefix `PLYO_`. Without an endpoint there is no store, and what needs one says so."""

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    s3_endpoint: str = ""
    """`https://s3.eu-central-1.amazonaws.com`, or of any server that speaks S3."""
    s3_region: str = "us-east-1"
    s3_bucket: str = "plyo"
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")


class ObjectStore:
    """The bucket. The first write of a process makes it where it is missing and sets its rules."""

    def __init__(self, settings: ObjectSettings) -> None:
        import boto3  # a process that keeps no files need not pay for it

        self.bucket = settings.s3_bucket
        self._client = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key.get_secret_value(),
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            config=Config(
                connect_timeout=3, read_timeout=30, max_pool_connections=32, s3={"addressing_style": "path"},
                retries={"max_attempts": 2, "mode": "standard"},
            ),
        )  # fmt: skip
        self._is_prepared, self._preparing = False, Lock()

    def prepare(self) -> None:
        """Make the bucket, keep versions, clear away what nobody finishes. Again changes nothing."""
        with self._preparing, _told():
            if self._is_prepared:
                return
            try:
                self._client.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if _code(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                    raise
            self._client.put_bucket_versioning(
                Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
            )  # fmt: skip
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self.bucket, LifecycleConfiguration={"Rules": RULES}
            )  # fmt: skip
            self._is_prepared = True

    def put(self, key: str, content: bytes | BinaryIO, *, media_type: str) -> None:
        """Store an object; the store checks that what it got is what we sent."""
        self.prepare()
        with _told():
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=content, ContentType=media_type, ChecksumAlgorithm="SHA256"
            )  # fmt: skip

    def size(self, key: str) -> int:
        """In bytes.

        Raises:
            ObjectMissing: there is none.
        """
        with _told():
            return int(self._client.head_object(Bucket=self.bucket, Key=key)["ContentLength"])

    def read(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The object, or its bytes from `start` to `end` (included), in pieces. It is there when this returns.

        Raises:
            ObjectMissing: there is none.
        """
        asked = {"Range": f"bytes={start}-{'' if end is None else end}"} if start or end is not None else {}
        with _told():
            body = self._client.get_object(Bucket=self.bucket, Key=key, **asked)["Body"]
        return self._pieces(body)

    def _pieces(self, body: Any) -> Iterator[bytes]:
        try:
            with _told():
                yield from body.iter_chunks(CHUNK_BYTES)
        finally:
            body.close()

    def begin_upload(self, key: str, *, media_type: str) -> str:
        """Begin an upload by parts; returns what names it."""
        self.prepare()
        with _told():
            begun = self._client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=media_type)
        return str(begun["UploadId"])

    def put_part(self, key: str, upload: str, number: int, content: bytes) -> str:
        """Store a part; returns its tag. The same number again replaces it.

        Raises:
            ObjectMissing: the upload was given up or is complete.
        """
        with _told():
            stored = self._client.upload_part(
                Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=number, Body=content
            )  # fmt: skip
        return str(stored["ETag"])

    def complete_upload(self, key: str, upload: str, tags: Mapping[int, str]) -> None:
        """Make one object of the parts.

        Raises:
            ObjectMissing: the upload was given up or is complete, or a part is not what its tag says.
        """
        parts = [{"PartNumber": number, "ETag": tags[number]} for number in sorted(tags)]
        with _told():
            self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )  # fmt: skip

    def abort_upload(self, key: str, upload: str) -> None:
        """Give an upload up. Again, or of one that is not there, changes nothing."""
        try:
            with _told():
                self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
        except ObjectMissing:
            return

    def erase(self, prefix: str) -> int:
        """Delete all versions of all objects below a prefix, so that no byte is left. Returns how many versions."""
        count = 0
        with _told():
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                found = [
                    {"Key": one["Key"], "VersionId": one["VersionId"]}
                    for kind in ("Versions", "DeleteMarkers")
                    for one in page.get(kind, [])
                ]
                if found:
                    answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": found})
                    if refused := answer.get("Errors"):
                        raise StoreUnavailable(f"The store kept {len(refused)} of {len(found)} objects.")
                count += len(found)
        return count


def store_of(request: Request) -> ObjectStore | None:
    """The process's store, made when first asked for; None where the settings name none. Tests put their own on the
    app (`objects`)."""
    state = request.app.state
    if not hasattr(state, "objects"):
        settings = ObjectSettings()
        state.objects = ObjectStore(settings) if settings.s3_endpoint else None
    found: ObjectStore | None = state.objects
    return found


@contextmanager
def _told() -> Iterator[None]:
    """What the client library raises, as what callers know."""
    try:
        yield
    except ClientError as error:
        if _code(error) in ("NoSuchKey", "NoSuchUpload", "NoSuchBucket", "InvalidPart", "404", "NoSuchVersion"):
            raise ObjectMissing(str(error)) from error
        raise StoreUnavailable from error
    except BotoCoreError as error:
        raise StoreUnavailable from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))

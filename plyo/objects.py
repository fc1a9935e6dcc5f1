"""SeaweedFS: an S3 server out of a wheel, for files that are too large for rows. One process, loopback only, small."""

import json
import os
import secrets
import sysconfig
from collections.abc import Mapping
from pathlib import Path

PORT_NAMES = (
    "s3", "s3_grpc", "s3_master", "s3_master_grpc", "s3_volume", "s3_volume_grpc", "s3_filer", "s3_filer_grpc",
)  # fmt: skip
ACCESS_KEY = "plyo"
SIGNED = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_SIGNING_READ_KEY", "WEED_JWT_FILER_SIGNING_KEY",
          "WEED_JWT_FILER_SIGNING_READ_KEY")  # fmt: skip
"""With these its inner parts answer each other alone: past S3 nobody gets a byte over HTTP."""

_ENDS_AT_ONCE = '"$@" & child=$!; trap "kill -9 $child" TERM INT; wait $child'
"""Asked to end it waits a quarter of a minute for clients that are gone. What it wrote is with the system already."""


def configure(folder: Path, ports: Mapping[str, int], secret_key: str) -> list[str]:
    """Write who may do what, readable by its owner, and return the command that runs the server."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    file = folder / "s3.json"
    identity = {
        "name": ACCESS_KEY, "credentials": [{"accessKey": ACCESS_KEY, "secretKey": secret_key}], "actions": ["Admin"],
    }  # fmt: skip
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump({"identities": [identity]}, stream)
    return [
        "/bin/sh", "-c", _ENDS_AT_ONCE, "weed",
        str(Path(sysconfig.get_path("scripts")) / "weed"), "server", f"-dir={data}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-filer", "-filer.disableHttp", "-s3", f"-s3.config={file}", "-s3.iam=false",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=0", "-volume.preStopSeconds=0",
        f"-s3.port={ports['s3']}", f"-s3.port.grpc={ports['s3_grpc']}", f"-master.port={ports['s3_master']}",
        f"-master.port.grpc={ports['s3_master_grpc']}", f"-volume.port={ports['s3_volume']}",
        f"-volume.port.grpc={ports['s3_volume_grpc']}", f"-filer.port={ports['s3_filer']}",
        f"-filer.port.grpc={ports['s3_filer_grpc']}",
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """Keys that last as long as the process.

    No memory limit for Go: it counts buffers that are never touched, and under one of 192 MB the server collects
    garbage all day, a tenth of a processor while it idles. Without one it takes 110 to 165 MB.
    """
    return {name: secrets.token_hex(24) for name in SIGNED}

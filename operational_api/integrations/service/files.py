"""Workout files that a customer uploads: FIT, GPX or TCX, checked whole before they are kept."""

import hashlib
import io
from datetime import datetime
from uuid import UUID
from xml.etree.ElementTree import ParseError

import fitdecode
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse
from sqlalchemy.orm import Session

from contracts.sealing import Sealer
from operational_api.integrations.errors import ConsentMissing, FileTooLarge, UnreadableFile
from operational_api.integrations.service import payloads
from operational_api.integrations.service.payloads import Arrival, Receipt

LARGEST = 20 << 20
_ROOTS = {"gpx": "gpx", "TrainingCenterDatabase": "tcx"}


def keep(session: Session, *, customer_id: UUID, file: bytes, sealer: Sealer | None, now: datetime) -> Receipt:
    """Keep a file for `ingestion` to read. The same file a second time changes nothing.

    Raises:
        FileTooLarge: over 20 MB.
        UnreadableFile: no FIT, GPX or TCX file, or a damaged one.
        ConsentMissing: the customer does not allow us to keep workouts.
    """
    if len(file) > LARGEST:
        raise FileTooLarge
    arrival = Arrival(
        source="file",
        kind=kind_of(file),
        data_kind="activity",
        trace_id=f"{customer_id}:{hashlib.sha256(file).hexdigest()}",
        ordering_at=now,
        customer_id=customer_id,
        provider="FILE",
    )
    receipt = payloads.store(session, arrival, file, sealer=sealer, now=now)
    if receipt.refusal:
        raise ConsentMissing
    return receipt


def kind_of(file: bytes) -> str:
    """`fit`, `gpx` or `tcx`, read to the end.

    Raises:
        UnreadableFile: none of them, cut off, or with a wrong checksum.
    """
    if file[8:12] == b".FIT":
        try:
            with fitdecode.FitReader(io.BytesIO(file), check_crc=fitdecode.CrcCheck.RAISE) as frames:
                for _ in frames:
                    pass
        except fitdecode.FitError as error:
            raise UnreadableFile("This FIT file is damaged. Export it again and send the new one.") from error
        return "fit"
    try:
        kind = None
        for _, element in iterparse(io.BytesIO(file), events=("start",), forbid_dtd=True):
            kind = kind or _ROOTS.get(element.tag.rpartition("}")[2], "unknown")
            if kind == "unknown":
                break
    except (ParseError, DefusedXmlException) as error:
        raise UnreadableFile("This file is damaged, or holds what a workout file never does.") from error
    if kind is None or kind == "unknown":
        raise UnreadableFile
    return kind

"""Days of wearables as operations hold them: forgetting what a customer no longer lets us keep."""

from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from operational_api.training.models import WearableDay

_MEASURED: dict[str, tuple[str, ...]] = {
    "sleep": ("sleep_minutes",),
    "daily": ("hrv_rmssd_ms", "resting_heart_rate_bpm", "steps"),
}


def forget(session: Session, *, customer_id: UUID, data_kind: str) -> None:
    """Empty a customer's days of one kind of data; a day that holds nothing any more goes."""
    columns = _MEASURED.get(data_kind)
    if columns is None:
        return
    mine = WearableDay.customer_id == customer_id
    session.execute(update(WearableDay).where(mine).values(dict.fromkeys(columns)))
    empty = [getattr(WearableDay, name).is_(None) for names in _MEASURED.values() for name in names]
    session.execute(delete(WearableDay).where(mine, *empty))

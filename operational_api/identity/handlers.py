"""Recurring jobs of identity."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operational_api.identity.service import attempts

PERIODIC: list[tuple[str, timedelta, Callable[[Session, datetime], None]]] = [
    ("identity.fold_sign_ins", timedelta(minutes=5), attempts.fold),
    ("identity.forget_sign_ins", timedelta(days=1), attempts.forget_old),
]

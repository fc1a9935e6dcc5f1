"""Which day it is where people train: a read-only view of scheduling's studios. Pay periods are made of these days."""

from datetime import date, datetime

from sqlalchemy import String, column, select, table
from sqlalchemy.orm import Session

from operational_api.commerce.billing.periods import day_of

_studios = table("studios", column("time_zone", String), schema="commerce")


def zones(session: Session) -> list[str]:
    """The time zones of studios, UTC without one."""
    return list(session.scalars(select(_studios.c.time_zone).distinct())) or ["UTC"]


def days(session: Session, now: datetime) -> tuple[date, date]:
    """The earliest and the latest day that it is at any studio; without a studio the UTC day, twice."""
    found = [day_of(now, zone) for zone in zones(session)]
    return min(found), max(found)

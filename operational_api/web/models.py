"""The shell's own table, in the schema `platform`: who is signed in to the web app with which browser."""

from uuid import UUID

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.core.database import Base, Id, RequiredTime, ServerTime


class WebSession(Base):
    """One signed-in browser of the web app. The browser holds an opaque token, of which this row knows the hash;
    the tokens from the OIDC provider stay here, encrypted. `login_session_id` is the provider's `sid`."""

    __tablename__ = "web_sessions"
    __table_args__ = ({"schema": "platform"},)
    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[UUID] = mapped_column(index=True)
    login_session_id: Mapped[UUID] = mapped_column(index=True)
    role: Mapped[str] = mapped_column(String(20))
    display_name: Mapped[str]
    time_zone: Mapped[str]
    language: Mapped[str | None] = mapped_column(String(5))
    tokens: Mapped[bytes] = mapped_column(LargeBinary)
    access_expires_at: Mapped[RequiredTime]
    created_at: Mapped[ServerTime]
    last_seen_at: Mapped[RequiredTime]
    expires_at: Mapped[RequiredTime]

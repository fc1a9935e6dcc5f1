"""What the SMTP server does with a mail: keep it, then answer 250."""

from aiosmtpd.smtp import SMTP, Envelope, Session

from plyo.mailbox.store import Store


class Keeper:
    """aiosmtpd handler."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Write the mail to disk before saying that it was taken; a full disk is told to the sender."""
        assert isinstance(envelope.content, bytes)  # noqa: S101 - decode_data is off
        try:
            self._store.add(envelope.content, recipients=[str(address) for address in envelope.rcpt_tos])
        except OSError as error:
            return f"452 cannot keep it: {error.strerror}"
        return "250 kept"

"""`python -m plyo.mailbox`: SMTP and web in one process, until SIGTERM."""

import uvicorn
from aiosmtpd.controller import Controller

from plyo.mailbox.settings import MailboxSettings
from plyo.mailbox.smtp import Keeper
from plyo.mailbox.store import Store
from plyo.mailbox.web import create_app


def main() -> None:
    """Serve both ports."""
    settings = MailboxSettings()
    store = Store(settings.folder, capacity=settings.capacity)
    controller = Controller(
        Keeper(store), hostname="127.0.0.1", port=settings.smtp_port, data_size_limit=settings.largest_bytes
    )
    controller.start()
    try:
        uvicorn.run(create_app(store), host="127.0.0.1", port=settings.port, log_level="warning", access_log=False)
    finally:
        controller.stop()


if __name__ == "__main__":
    main()

"""FCM's API, version 1, by Google's own library: pushes to phones' apps. Imported where an account is set up.

What goes to browsers, and what a person is told, is `push`'s.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.oauth2.service_account import Credentials
from googleapiclient.errors import HttpError

from operational_api.core import google_api
from operational_api.engagement.channels.port import TryAgain, Undecided
from operational_api.engagement.channels.wire import may_have_taken

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class Unregistered(Exception):
    """FCM knows the app's token no more."""


@dataclass
class Fcm:
    """FCM for one project, for the one thread that sends pushes. Its access token is kept until it is about to end, and
    its connections as well: whom to believe by https takes longer to read than a push to send.

    Args:
        account: The service account as Google's console gives it.
    """

    base_url: str
    account: dict[str, Any]

    @cached_property
    def _credentials(self) -> Credentials:
        found: Credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            self.account, scopes=[SCOPE]
        )
        return found

    @cached_property
    def _messages(self) -> Any:
        service = google_api.service("fcm", "v1", base_url=self.base_url, credentials=self._credentials)
        return service.projects().messages()

    @cached_property
    def _asked(self) -> google_api.AskedOnce:
        return google_api.AskedOnce(google_api.connection())

    def send(self, message: dict[str, Any]) -> None:
        """Hand it over to one app.

        Args:
            message: As FCM's reference has it.

        Raises:
            Unregistered, TryAgain, Undecided.
        """
        try:
            if not self._credentials.valid:
                self._credentials.refresh(self._asked)  # type: ignore[no-untyped-call]
            project = f"projects/{self.account['project_id']}"
            request = self._messages.send(parent=project, body={"message": message})
        except google_api.FAILURES as error:
            raise TryAgain(f"FCM: {type(error).__name__}: {error}") from error
        try:
            request.execute()
        except HttpError as error:
            if error.status_code == 404 and b"UNREGISTERED" in error.content:  # another is about us: a wrong project
                raise Unregistered from error
            kind = Undecided if may_have_taken(error.status_code) else TryAgain
            raise kind(f"FCM answered {error.status_code}") from error
        except google_api.FAILURES as error:
            kind = TryAgain if google_api.never_left(error) else Undecided
            raise kind(f"FCM: {type(error).__name__}: {error}") from error

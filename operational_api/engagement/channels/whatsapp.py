"""WhatsApp by Twilio: free text in the 24 hours after somebody wrote to us, approved templates at any time."""

import json
from dataclasses import dataclass
from typing import Any

from operational_api.engagement.channels.port import Ready, Refused
from operational_api.engagement.channels.sms import TwilioGateway

MOST_CHARACTERS = 1600
"""Twilio's, of a free text and of a template's variable."""


@dataclass(frozen=True)
class WhatsAppGateway(TwilioGateway):
    """WhatsApp from our number."""

    channel = "whatsapp"

    def recipient(self, message: Ready) -> str:
        """The number, at WhatsApp."""
        return f"whatsapp:{message.recipient}"

    def words(self, message: Ready) -> str:
        """The short form: all of a free text, and in a template what it has put its own words around."""
        return message.rendered.short

    def request(self, message: Ready) -> dict[str, Any]:
        """Free text while the window is open, else the approved template; its variables: 1 the name, 2 the text.

        Raises:
            Refused: the window is closed and there is no template, or it is too long. Nobody was asked.
        """
        if (length := len(self.words(message))) > MOST_CHARACTERS:
            raise Refused("too_long", f"{length} characters")
        who = {"from_": f"whatsapp:{self.settings.whatsapp_from}"}
        if message.is_window_open:
            return who | {"body": self.words(message)}
        templates = self.settings.whatsapp_templates
        content = templates.get(f"{message.template}:{message.language}") or templates.get(message.template)
        if content is None:
            raise Refused("window_closed", "they wrote to us more than 24 hours ago, and no template is approved")
        variables = {"1": message.first_name, "2": self.words(message)}
        return who | {"content_sid": content, "content_variables": json.dumps(variables)}

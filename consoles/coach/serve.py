"""Starts Streamlit with the sign-in settings it wants in a file: `python -m consoles.coach.serve`.

Streamlit reads its OIDC client's secret from a TOML file only, so one is written, readable by its owner.
"""

import os
import sys
import tempfile
from pathlib import Path

from consoles.settings import ConsoleSettings
from consoles.theme import colour


def secrets_toml(settings: ConsoleSettings) -> str:
    """The `[auth]` section that `st.login()` needs."""
    return "\n".join(
        [
            "[auth]",
            f'redirect_uri = "{settings.public_url}/coach/oauth2callback"',
            f'cookie_secret = "{settings.console_cookie_secret.get_secret_value()}"',
            f'client_id = "{settings.console_client_id}"',
            f'client_secret = "{settings.console_client_secret.get_secret_value()}"',
            f'server_metadata_url = "{settings.public_url}/.well-known/openid-configuration"',
            'expose_tokens = ["access"]',
            'client_kwargs = { scope = "openid profile email" }',
            "",
        ]
    )


def main() -> None:
    """Become Streamlit."""
    settings = ConsoleSettings()
    folder = Path(tempfile.mkdtemp(prefix="plyo-coach-"))
    file = folder / "secrets.toml"
    file.touch(mode=0o600)
    file.write_text(secrets_toml(settings))
    options = {
        "server.port": settings.console_port,
        "server.address": "127.0.0.1",
        "server.baseUrlPath": "coach",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "secrets.files": str(file),
        "theme.primaryColor": colour("brand"),
        "theme.backgroundColor": colour("canvas"),
        "theme.secondaryBackgroundColor": colour("surface"),
        "theme.textColor": colour("ink"),
        "theme.baseRadius": "large",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    app = Path(__file__).with_name("app.py")
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(app), *arguments])  # noqa: S606


if __name__ == "__main__":
    main()

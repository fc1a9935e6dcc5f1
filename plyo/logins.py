"""The demo business's four logins, printed for whoever runs it. No other account is named anywhere."""

LOGINS = {
    "customer": "mia.customer@plyo.test",
    "coach": "coach@plyo.test",
    "admin": "admin@plyo.test",
    "analyst": "analyst@plyo.test",
}
PASSWORD = "plyo-demo-2026"  # noqa: S105 - public on purpose

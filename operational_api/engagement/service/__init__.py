"""Rules of engagement, one module per noun: messages, preferences, leads, emails, contacts."""

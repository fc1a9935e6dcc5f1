"""Calendars outside: every adapter against a server that speaks as the real one does."""

"""A local Google Calendar (API v3): calendars, events with ids and etags, sync tokens, deletions, what it refuses."""

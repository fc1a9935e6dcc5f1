"""A local Microsoft Graph as far as calendars need it: events, delta links over a view, what it refuses."""

"""Videos: from a phone to a player."""

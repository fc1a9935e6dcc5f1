"""What follows training load and readiness: sessions missed, memberships ended; differences with their intervals."""

"""The rules of commerce, split by noun. Every function takes the session, never commits, and is given the time.

Money and memberships follow the provider: `sync_…` functions fetch an object's state of this moment and bring our rows
up to it while the customer's row is locked. They do the same whatever message woke them, so a webhook that comes twice,
late or out of order ends where one in order would.
"""

"""A local HubSpot: the CRM API that Plyo reads, over real HTTP.

Belongs here: what HubSpot does (CRM v3, associations v4), as far as Plyo depends on it. Does not: anything Plyo does.
In tests use `tests.fakes.hubspot.testing`. Where it is simpler than HubSpot it says so: objects are changed through the
store and not over HTTP, and of limits only that of searches is counted.
"""

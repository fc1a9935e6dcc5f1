"""A local HubSpot: the CRM API that Plyo reads and writes, over real HTTP.

Belongs here: what HubSpot does (CRM v3, associations v4), as far as Plyo depends on it. Does not: anything Plyo does.
In tests use `tests.fakes.hubspot.testing`. Where it is simpler than HubSpot: people change objects through the store
instead of its screens, a batch with one bad input is refused whole, and of limits those of searches and of ten seconds
are counted, not that of a day.
"""

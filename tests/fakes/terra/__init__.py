"""A local Terra: the API (v2), the widget in which a person connects a device, and signed webhooks, over real HTTP.

Belongs here: what Terra does, as far as Plyo depends on it. Does not belong here: anything Plyo does. Run it with
`python -m tests.fakes.terra` (or `uvicorn --factory tests.fakes.terra.app:serve`); in tests use
`tests.fakes.terra.testing`. Where it is simpler than Terra it says so: what it holds is lost when it ends, a request
for more than 28 days is "large", and it limits requests only when a test says so.
"""

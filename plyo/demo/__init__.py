"""The simulated business: seeded, vectorised, any size, loaded through the real schema. `plyo demo` and `make run`.

Importing the package loads nothing: `presence` is for whoever only asks, `loading` for whoever loads.

Belongs here: how people of the demo live, and how that becomes rows. Does not: the product's rules (the schema keeps
them while we load) and the command line around it (`plyo.cli`).
"""

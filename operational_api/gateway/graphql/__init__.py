"""The GraphQL facade: what contexts tell by their public doors as one graph, read-only.

schema.py what may be asked; loaders.py many answers in one query; limits.py how much at once; persisted.py which
queries; execution.py one request; router.py HTTP. No rule of a context lives here.
"""

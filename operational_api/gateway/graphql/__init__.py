"""The GraphQL facade: what contexts tell and do by their public doors as one graph.

schema.py what may be asked; mutations.py what may be done, commands.py how; loaders.py many answers in one query;
limits.py how much at once; persisted.py which queries; execution.py one request; router.py HTTP. No rule of a context
lives here.
"""

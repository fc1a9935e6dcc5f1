"""The facts that cross worlds, versioned: one module per context, an envelope, and a registry of all of them.

An event's fields may be added to freely; a changed meaning is a new `version` with an upcast in the registry.
"""

"""The facts that cross worlds, versioned: a module per context (of commerce three: `commerce`,
`billing`, `wallets`), an envelope, and a registry of all of them.

Optional fields may be added to an event freely; a changed meaning is a new `version` with an upcast in the registry.
What every version looks like is kept by `schemas`.
"""

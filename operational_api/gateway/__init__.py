"""What stands between people and the contexts: the check that Traefik asks before it opens an internal tool.

Belongs here later: GraphQL facade, per-persona composition, response caching policy. Does not: business rules.
"""

"""What stands between people and the contexts: first screens put together from them, the GraphQL facade, what may be
cached, and the check that Traefik asks before it opens an internal tool. Business rules do not belong here.
"""

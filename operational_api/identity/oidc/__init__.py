"""Our OpenID Connect provider: discovery, authorization, tokens, userinfo, revocation, logout.

Written on joserfc directly; why is in docs/adr/0009. Accounts, sessions and clients are `identity.service`.
"""

"""The shell of the customer web app: layout, design tokens, static files, CSRF, sign-in as an OIDC client.

Pages themselves live in their context's `pages.py`; this package knows no context's tables.
"""
